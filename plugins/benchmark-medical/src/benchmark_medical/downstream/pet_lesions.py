"""Does a denoised PET still say how much a lesion takes up, and how quiet is it where nothing happens?

Everything is relative to the target, the full-count PET: that is what can be done with scans. Its own noise makes
SUVmax of small lesions too high; a denoiser that removes it pays for that in ``suv-max-error``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, label

from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy
from benchmark.errors import NotApplicable
from benchmark_medical.downstream.labelled import labels_named, structure

Mask = NDArray[np.bool_]

LESIONS = ("lesion", "tumour", "tumor")
FEWEST_VOXELS = 3
GAP, RING = 1, 2
"""Pixels left out around a lesion, and pixels of its background after them."""
LEAST_CONTRAST = 0.2
"""Lesions whose contrast in the target is below this share of the background recover nothing that can be measured."""

_PLANE = np.zeros((3, 3, 3), bool)
_PLANE[1] = True


class PetLesions:
    """SUVmean, SUVmax and contrast of each lesion against the target's, averaged over the study's lesions."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        self.labels = labels_named(context.labels, LESIONS, "lesions")

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        """Errors are absolute, in percent of the target's value; contrast recovery in percent of its contrast."""
        lesions = structure(study, self.labels, "lesions")
        numbered, count = label(lesions)
        rows = []
        for number in range(1, count + 1):
            lesion = numbered == number
            if np.count_nonzero(lesion) >= FEWEST_VOXELS:
                rows.append(self._lesion(study, lesion, self._around(lesion, lesions, study.mask)))
        if not rows:
            raise NotApplicable(f"studies without a lesion of {FEWEST_VOXELS} voxels")
        columns = [np.array(values)[np.isfinite(values)] for values in zip(*rows, strict=True)]
        means = [float(values.mean()) if values.size else math.nan for values in columns]
        return dict(zip(("suv-mean-error", "suv-max-error", "contrast-recovery"), means, strict=True))

    @staticmethod
    def _around(lesion: Mask, lesions: Mask, body: Mask) -> Mask:
        """The lesion's background: a ring in its slices, without other lesions and what blurs out of them."""
        near = binary_dilation(lesions, _PLANE, iterations=GAP)
        return binary_dilation(lesion, _PLANE, iterations=GAP + RING) & body & ~near

    @staticmethod
    def _lesion(study: DownstreamStudy, lesion: Mask, around: Mask) -> tuple[float, float, float]:
        found, true = (image[lesion].astype(np.float64) for image in (study.prediction, study.target))
        recovery = math.nan
        if around.any():
            contrasts = [
                inside.mean() - float(image[around].mean(dtype=np.float64))
                for inside, image in ((found, study.prediction), (true, study.target))
            ]
            if contrasts[1] > LEAST_CONTRAST * float(study.target[around].mean(dtype=np.float64)):
                recovery = 100 * contrasts[0] / contrasts[1]
        return _off(found.mean(), true.mean()), _off(found.max(), true.max()), recovery


class PetLiver:
    """Bias and noise in the liver, the reference organ of FDG-PET."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        self.labels = labels_named(context.labels, ("liver",), "the liver")

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        """``bias`` of the mean in percent; ``noise``: standard deviation over mean, slice by slice, in percent."""
        liver = binary_erosion(structure(study, self.labels, "a liver"), _PLANE)
        layers = [index for index in range(len(liver)) if np.count_nonzero(liver[index]) >= 9]
        if not layers:
            raise NotApplicable("studies without a liver large enough")
        found = np.concatenate([study.prediction[z][liver[z]] for z in layers]).astype(np.float64)
        true = np.concatenate([study.target[z][liver[z]] for z in layers]).astype(np.float64)
        spread = [float(np.std(study.prediction[z][liver[z]], ddof=1, dtype=np.float64)) for z in layers]
        level = found.mean()
        return {
            "bias": 100 * float(level / true.mean() - 1) if true.mean() > 0 else math.nan,
            "noise": 100 * float(np.sqrt(np.mean(np.square(spread))) / level) if level > 0 else math.nan,
        }


def _off(found: float, true: float) -> float:
    return 100 * abs(float(found) - float(true)) / float(true) if true > 0 else math.nan
