"""KID and FID: distances between the set of predictions and the set of targets.

Both look at features of single slices and forget which prediction belongs to which target. They say whether
predictions as a whole look like targets, which is all that can be asked where there are no pairs; they do not say that
an image is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmark.contracts.protocols import Estimate, Images
from benchmark.errors import Unavailable
from benchmark.statistics.intervals import t_quantile
from benchmark_metrics.network_input import SMALLEST_SIDE, network_input
from benchmark_metrics.set_distances import Jackknifed, Vectors, frechet_distance, kernel_distance
from benchmark_metrics.set_features import SliceFeatures


class SetDistance:
    """A distance of two sets of slices: every slice with a region counts, in the range that the profile pins.

    The interval is Student's, with the jackknife's standard error over studies: where the value would lie for as many
    other patients. The bias is the jackknife's too.
    """

    def __init__(
        self,
        name: str,
        distance: Callable[[Sequence[Vectors], Sequence[Vectors]], Jackknifed],
        features: str,
        least_slices: Callable[[int], int],
        least_studies: int,
    ) -> None:
        """``least_slices`` gives the fewest slices that mean anything for features of so many values."""
        self.name = name
        self.features = SliceFeatures(features)
        self._distance = distance
        self._least_slices = least_slices
        self._least_studies = least_studies
        self.reset()

    def provenance(self) -> Mapping[str, str]:
        """Which network with which weights gives the features."""
        return dict(self.features.provenance)

    def reset(self) -> None:
        """Forget all studies."""
        self._predictions: list[Vectors] = []
        self._targets: list[Vectors] = []

    def update(self, images: Images) -> None:
        """Take in a study's slices; those without any region, or of less than 32 pixels a side, do not count.

        Raises:
            ValueError: values lie outside the range, as raw HU do.
        """
        images = images.at(np.asarray(images.mask.any(axis=(1, 2))))
        if not len(images) or min(images.target.shape[1:]) < SMALLEST_SIDE:
            return
        prediction, target = network_input(images, self.name)
        self._predictions.append(self.features(prediction))
        self._targets.append(self.features(target))

    def compute(self) -> Estimate:
        """The distance over all studies.

        Raises:
            Unavailable: too few slices or studies; says how many there are and how many it needs.
        """
        slices, studies = sum(map(len, self._targets)), len(self._targets)
        least = max(2, self._least_slices(self.features.dimension))
        if slices < least or studies < self._least_studies:
            raise Unavailable(
                f"too few for {self.name}: {slices} slices of {SMALLEST_SIDE} pixels a side or more, from {studies} "
                f"studies; needs {least} from {self._least_studies} with these features"
            )
        found = self._distance(self._predictions, self._targets)
        margin = t_quantile(0.975, found.groups - 1) * found.error if found.groups > 1 else math.nan
        return Estimate(found.value, found.value - margin, found.value + margin, slices, bias=found.bias)


def kid(features: str = "embedded", least_slices: int = 50, least_studies: int = 5) -> SetDistance:
    """Kernel distance (Binkowski et al. 2018): for independent slices unbiased however few they are.

    Raises:
        Unavailable: the weights of the features are missing or damaged.
    """
    return SetDistance("KID", kernel_distance, features, lambda _: least_slices, least_studies)


def fid(features: str = "embedded", least_slices_per_value: float = 5.0, least_studies: int = 5) -> SetDistance:
    """Frechet distance (Heusel et al. 2017): too high for few slices, so it wants several for each feature value.

    Raises:
        Unavailable: the weights of the features are missing or damaged.
    """
    return SetDistance(
        "FID", frechet_distance, features, lambda size: math.ceil(least_slices_per_value * size), least_studies
    )
