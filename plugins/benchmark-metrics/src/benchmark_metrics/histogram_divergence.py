"""Kullback-Leibler divergence of the intensities of real and made images (Guibas et al. 2017 report one)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Estimate, Images
from benchmark.errors import Unavailable
from benchmark.statistics.intervals import t_quantile

Counts = NDArray[np.float64]


class IntensityDivergence:
    """KL(real || made) in nats between histograms over the profile's range, of all pixels inside the region.

    One count is added to every bin, so that a bin that no made pixel reaches costs much but not infinitely much. The
    interval is of the studies left out one at a time (jackknife, Student's).
    """

    def __init__(self, bins: int = 64) -> None:
        self.bins = bins
        self.reset()

    def reset(self) -> None:
        """Forget all studies."""
        self._counts: list[tuple[Counts, Counts]] = []

    def update(self, images: Images) -> None:
        """Count a study's pixels."""
        edges = np.linspace(*images.data_range, self.bins + 1)
        made, real = (
            np.histogram(np.clip(array[images.mask], edges[0], edges[-1]), edges)[0].astype(np.float64)
            for array in (images.prediction, images.target)
        )
        self._counts.append((made, real))

    def compute(self) -> Estimate:
        """The divergence over all studies.

        Raises:
            Unavailable: fewer than two studies.
        """
        count = len(self._counts)
        if count < 2:
            raise Unavailable(f"{count} studies; an interval needs 2")
        made, real = (np.sum(side, axis=0) for side in zip(*self._counts, strict=True))
        value = _divergence(made, real)
        without = np.array([_divergence(made - m, real - r) for m, r in self._counts])
        error = float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))
        margin = t_quantile(0.975, count - 1) * error
        return Estimate(value, value - margin, value + margin, count)


def _divergence(made: Counts, real: Counts) -> float:
    p, q = ((counts + 1.0) / (counts.sum() + len(counts)) for counts in (real, made))
    return float((p * np.log(p / q)).sum())
