# ruff: noqa: ARG002  (only PSNR needs the range)
"""Metrics that compare voxel by voxel, over the voxels of the region, of a slice or of a volume.

Sums are in float64. A value that is not finite inside the region makes the score NaN (or infinite); outside
nothing is read.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.protocols import Images

Values = NDArray[np.float64]
Range = tuple[float, float]


class _Pointwise:
    """Scores each slice, or all voxels of a study together. No voxel in the region: NaN."""

    def score(self, images: Images) -> Values:
        """One number a slice."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._inside(*each, images.data_range) for each in slices])

    def score_volume(self, images: Images) -> float:
        """One number for all voxels of the region."""
        return self._inside(images.prediction, images.target, images.mask, images.data_range)

    def _inside(self, prediction: Values, target: Values, mask: NDArray[np.bool_], data_range: Range) -> float:
        if mask.all():
            return self._over(prediction.ravel(), target.ravel(), data_range)
        if not mask.any():
            return math.nan
        return self._over(prediction[mask], target[mask], data_range)

    def _over(self, prediction: Values, target: Values, data_range: Range) -> float:
        raise NotImplementedError


def mean_square_error(prediction: Values, target: Values) -> float:
    """``mean (p - t)^2`` of two flat arrays."""
    error = prediction - target
    return float(error @ error) / error.size


class MAE(_Pointwise):
    """Mean absolute error, ``mean |p - t|``, in the unit of the images."""

    def _over(self, prediction: Values, target: Values, data_range: Range) -> float:
        error = prediction - target
        return float(np.abs(error, out=error).sum()) / error.size


class MSE(_Pointwise):
    """Mean square error, ``mean (p - t)^2``, in the square of the unit of the images."""

    def _over(self, prediction: Values, target: Values, data_range: Range) -> float:
        return mean_square_error(prediction, target)


class RMSE(_Pointwise):
    """Root mean square error, ``sqrt(mean (p - t)^2)``, in the unit of the images."""

    def _over(self, prediction: Values, target: Values, data_range: Range) -> float:
        return math.sqrt(mean_square_error(prediction, target))


class Bias(_Pointwise):
    """Mean error, ``mean (p - t)``, in the unit of the images: 0 is best, positive means too high."""

    def _over(self, prediction: Values, target: Values, data_range: Range) -> float:
        return float((prediction - target).sum()) / target.size


class NMSE(_Pointwise):
    """Square error relative to the energy of the target, ``sum (p - t)^2 / sum t^2``, both in the unit as given
    (HU: relative to water). Target all zero: 0 if the prediction is too, else NaN.
    """

    def _over(self, prediction: Values, target: Values, data_range: Range) -> float:
        error = prediction - target
        return _relative(float(error @ error), float(target @ target))


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

    def _over(self, prediction: Values, target: Values, data_range: Range) -> float:
        if self._normaliser == "range":
            size = float(np.ptp(target))
        elif self._normaliser == "mean":
            size = abs(float(target.mean()))
        else:
            size = math.sqrt(float(target @ target) / target.size)
        return _relative(math.sqrt(mean_square_error(prediction, target)), size)


def _relative(error: float, size: float) -> float:
    """Their ratio; no error is none, whatever it is relative to."""
    if size == 0.0:
        return 0.0 if error == 0.0 else math.nan
    return error / size


class PSNR(_Pointwise):
    """Peak signal-to-noise ratio, ``10 log10((high - low)^2 / MSE)`` in dB, infinite where there is no error.

    The peak is the width of the declared range, never of the data.
    """

    def _over(self, prediction: Values, target: Values, data_range: Range) -> float:
        error = mean_square_error(prediction, target)
        if error == 0.0:
            return math.inf
        return 20.0 * math.log10(data_range[1] - data_range[0]) - 10.0 * math.log10(error)


class PooledPSNR:
    """PSNR of the mean square error pooled over all voxels of a study; the harness averages studies.

    Not the mean of the PSNR of its slices, which is never smaller (Jensen): a slice with little error weighs
    more there.
    """

    def score(self, images: Images) -> float:
        """One number for the study."""
        return PSNR().score_volume(images)
