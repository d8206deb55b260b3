# ruff: noqa: ARG002  (few metrics need more than the errors)
"""Metrics that compare voxel by voxel, over the voxels of the region, of a slice or of a volume.

Sums are in float64. A value that is not finite inside the region makes the score NaN or infinite; outside nothing
counts.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Range = tuple[float, float]


def inside(values: Array, mask: Mask) -> Array:
    """Values of the region, flat."""
    return np.asarray(values.ravel() if mask.all() else values[mask], np.float64)


def mean_square(errors: Array) -> float:
    """Mean of the squares of a flat array."""
    return float(errors @ errors) / errors.size


class _Pointwise:
    """Scores each slice, or all voxels of a study together. No voxel in the region: NaN."""

    def score(self, images: Images) -> Array:
        """One number a slice."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._over(*each, images.data_range) for each in slices])

    def score_volume(self, images: Images) -> float:
        """One number for all voxels of the region."""
        return self._over(images.prediction, images.target, images.mask, images.data_range)

    def _over(self, prediction: Array, target: Array, mask: Mask, data_range: Range) -> float:
        with np.errstate(invalid="ignore"):  # infinities outside the region
            errors = inside(np.subtract(prediction, target, dtype=np.float64), mask)
        return self._of(errors, target, mask, data_range) if errors.size else math.nan

    def _of(self, errors: Array, target: Array, mask: Mask, data_range: Range) -> float:
        """The score; ``errors`` are those of the region, flat, and may be overwritten."""
        raise NotImplementedError


class MAE(_Pointwise):
    """Mean absolute error, ``mean |p - t|``, in the unit of the images."""

    def _of(self, errors: Array, target: Array, mask: Mask, data_range: Range) -> float:
        return float(np.abs(errors, out=errors).sum()) / errors.size


class MSE(_Pointwise):
    """Mean square error, ``mean (p - t)^2``, in the square of the unit of the images."""

    def _of(self, errors: Array, target: Array, mask: Mask, data_range: Range) -> float:
        return mean_square(errors)


class RMSE(_Pointwise):
    """Root mean square error, ``sqrt(mean (p - t)^2)``, in the unit of the images."""

    def _of(self, errors: Array, target: Array, mask: Mask, data_range: Range) -> float:
        return math.sqrt(mean_square(errors))


class Bias(_Pointwise):
    """Mean error, ``mean (p - t)``, in the unit of the images: 0 is best, positive means too high."""

    def _of(self, errors: Array, target: Array, mask: Mask, data_range: Range) -> float:
        return float(errors.sum()) / errors.size


class NMSE(_Pointwise):
    """Square error relative to the energy of the target, ``sum (p - t)^2 / sum t^2``, both in the unit as given
    (HU: relative to water). Target all zero: 0 if the prediction is too, else NaN.
    """

    def _of(self, errors: Array, target: Array, mask: Mask, data_range: Range) -> float:
        return _relative(mean_square(errors), mean_square(inside(target, mask)))


class NRMSE(_Pointwise):
    """Root mean square error relative to the size of the target in the region, in the unit as given.

    Args:
        normaliser: ``root-mean-square`` of the target (the root of NMSE), its ``range`` (largest minus smallest
            value) or the absolute value of its ``mean``. Zero: 0 if there is no error, else NaN.
    """

    def __init__(self, normaliser: Literal["root-mean-square", "range", "mean"] = "root-mean-square") -> None:
        if normaliser not in ("root-mean-square", "range", "mean"):
            raise ValueError(f"nrmse: normaliser {normaliser!r} is none of root-mean-square, range, mean")
        self._normaliser = normaliser

    def _of(self, errors: Array, target: Array, mask: Mask, data_range: Range) -> float:
        values = inside(target, mask)
        if self._normaliser == "range":
            size = float(np.ptp(values))
        elif self._normaliser == "mean":
            size = abs(float(values.sum())) / values.size
        else:
            size = math.sqrt(mean_square(values))
        return _relative(math.sqrt(mean_square(errors)), size)


def _relative(error: float, size: float) -> float:
    """Their ratio; no error is none, whatever it is relative to."""
    if size == 0.0:
        return 0.0 if error == 0.0 else math.nan
    return error / size


class PSNR(_Pointwise):
    """Peak signal-to-noise ratio, ``10 log10((high - low)^2 / MSE)`` in dB, infinite where there is no error.

    The peak is the width of the declared range, never of the data.
    """

    def _of(self, errors: Array, target: Array, mask: Mask, data_range: Range) -> float:
        square = mean_square(errors)
        if square == 0.0:
            return math.inf
        return 20.0 * math.log10(data_range[1] - data_range[0]) - 10.0 * math.log10(square)


class PooledPSNR:
    """PSNR of the mean square error pooled over all voxels of a study; the harness averages studies.

    Never above the mean PSNR of its slices, each weighed by its voxels (Jensen): a slice with little error counts
    for more there.
    """

    def score(self, images: Images) -> float:
        """One number for the study."""
        return PSNR().score_volume(images)
