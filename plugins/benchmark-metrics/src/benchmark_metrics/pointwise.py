# ruff: noqa: ARG002  (only PSNR needs the range)
"""Metrics that compare voxel by voxel, over the voxels of the region, of a slice or of a volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.protocols import Images

Values = NDArray[np.float64]


class _Pointwise:
    """Scores each slice, or all voxels of a study together."""

    def score(self, images: Images) -> Values:
        """One number a slice."""
        return np.array([self.score_volume(images.at(slice(i, i + 1))) for i in range(len(images))])

    def score_volume(self, images: Images) -> float:
        """One number for all voxels of the region."""
        return self._over(images.prediction[images.mask], images.target[images.mask], images.data_range)

    def _over(self, prediction: Values, target: Values, data_range: tuple[float, float]) -> float:
        raise NotImplementedError


class MAE(_Pointwise):
    """Mean absolute error, ``mean |p - t|``, in the unit of the images."""

    def _over(self, prediction: Values, target: Values, data_range: tuple[float, float]) -> float:
        return float(np.abs(prediction - target).mean())


class MSE(_Pointwise):
    """Mean square error, ``mean (p - t)^2``, in the square of the unit of the images."""

    def _over(self, prediction: Values, target: Values, data_range: tuple[float, float]) -> float:
        return float(np.square(prediction - target).mean())


class RMSE(_Pointwise):
    """Root mean square error, ``sqrt(mean (p - t)^2)``, in the unit of the images."""

    def _over(self, prediction: Values, target: Values, data_range: tuple[float, float]) -> float:
        return float(np.sqrt(np.square(prediction - target).mean()))


class NMSE(_Pointwise):
    """Square error relative to the energy of the target, ``sum (p - t)^2 / sum t^2``, both in the unit as given
    (HU: relative to water). Target all zero: 0 if the prediction is too, else NaN.
    """

    def _over(self, prediction: Values, target: Values, data_range: tuple[float, float]) -> float:
        square, energy = float(np.square(prediction - target).sum()), float(np.square(target).sum())
        if energy == 0.0:
            return 0.0 if square == 0.0 else float("nan")
        return square / energy


class PSNR(_Pointwise):
    """Peak signal-to-noise ratio, ``10 log10((high - low)^2 / MSE)`` in dB, infinite where there is no error.

    The peak is the width of the declared range, never of the data.
    """

    def _over(self, prediction: Values, target: Values, data_range: tuple[float, float]) -> float:
        error = float(np.square(prediction - target).mean())
        if error == 0.0:
            return float("inf")
        return float(20.0 * np.log10(data_range[1] - data_range[0]) - 10.0 * np.log10(error))
