"""How far the target can be told from the prediction, whatever the scale: correlation and mutual information."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images

Values = NDArray[np.float64]


class PCC:
    """Pearson's correlation coefficient over the voxels of the region, of a slice or of a volume.

    Does not see a wrong offset or a wrong (positive) scale. Where an image is constant, so that there is nothing
    to correlate: 1 if prediction and target are equal, else 0. No voxel in the region: NaN.
    """

    def score(self, images: Images) -> Values:
        """One number a slice."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([correlation(prediction[mask], target[mask]) for prediction, target, mask in slices])

    def score_volume(self, images: Images) -> float:
        """One number for all voxels of the region."""
        return correlation(images.prediction[images.mask], images.target[images.mask])


def correlation(prediction: Values, target: Values) -> float:
    """Of two flat arrays, with the rules of :class:`PCC`."""
    if not target.size:
        return math.nan
    if np.ptp(prediction) == 0.0 or np.ptp(target) == 0.0:
        return 1.0 if np.array_equal(prediction, target) else 0.0
    x, y = (np.asarray(values, np.float64) for values in (prediction, target))
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x)) * math.sqrt(float(y @ y))
    if size == 0.0:  # deviations too small to square
        return 1.0 if np.array_equal(prediction, target) else 0.0
    return min(max(float(x @ y) / size, -1.0), 1.0) if math.isfinite(size) else math.nan


class NMI:
    """Normalised mutual information ``(H(p) + H(t)) / H(p, t)`` (Studholme, Hill, Hawkes 1999), 1 to 2, over the
    voxels of the region, of a slice or of a volume.

    Entropies are of histograms whose bins divide the declared range evenly, never the data's own; values outside
    count in the first or the last bin. Both images in one bin each, so that there is no entropy: 2 if it is the
    same bin, else 1. No voxel in the region, or a value that is not finite: NaN. Biased upwards when the voxels are
    few for the number of bins.

    Args:
        bins: per image.
    """

    def __init__(self, bins: int = 100) -> None:
        if bins < 2:
            raise ValueError(f"nmi: bins {bins} is below 2")
        self._bins = bins

    def score(self, images: Images) -> Values:
        """One number a slice."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._of(p[mask], t[mask], images.data_range) for p, t, mask in slices])

    def score_volume(self, images: Images) -> float:
        """One number for all voxels of the region."""
        return self._of(images.prediction[images.mask], images.target[images.mask], images.data_range)

    def _of(self, prediction: Values, target: Values, data_range: tuple[float, float]) -> float:
        if not target.size or not (np.isfinite(prediction).all() and np.isfinite(target).all()):
            return math.nan
        rows, columns = self._binned(prediction, data_range), self._binned(target, data_range)
        joint = np.bincount(rows * self._bins + columns, minlength=self._bins**2).reshape(self._bins, self._bins)
        together = _entropy(joint.ravel())
        if together == 0.0:
            return 2.0 if rows[0] == columns[0] else 1.0
        return (_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / together

    def _binned(self, values: Values, data_range: tuple[float, float]) -> NDArray[np.int64]:
        low, high = data_range
        places = np.clip((values - low) * (self._bins / (high - low)), 0, self._bins - 1)
        return places.astype(np.int64)


def _entropy(counts: NDArray[np.int64]) -> float:
    """Shannon entropy in nats of the distribution that these counts are proportional to."""
    filled = counts[counts > 0]
    if len(filled) == 1:
        return 0.0
    shares = filled / filled.sum()
    return -float(shares @ np.log(shares))
