# ruff: noqa: ARG002  (score's signature is the protocol's)
"""Metrics that compare voxel by voxel, over the voxels of the region. Arrays of any dimension."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]


def _errors(prediction: Image, target: Image, mask: Mask) -> Image:
    """Prediction minus target inside the mask, flat float64."""
    return prediction[mask].astype(np.float64) - target[mask].astype(np.float64)


def _mean_square(prediction: Image, target: Image, mask: Mask) -> float:
    errors = _errors(prediction, target, mask)
    return float(np.mean(errors * errors))


class MAE:
    """Mean absolute error, in the target's unit."""

    def score(self, prediction: Image, target: Image, mask: Mask, data_range: tuple[float, float]) -> float:
        """``mean |p - t|`` over the mask."""
        return float(np.mean(np.abs(_errors(prediction, target, mask))))


class MSE:
    """Mean square error, in the square of the target's unit."""

    def score(self, prediction: Image, target: Image, mask: Mask, data_range: tuple[float, float]) -> float:
        """``mean (p - t)^2`` over the mask."""
        return _mean_square(prediction, target, mask)


class RMSE:
    """Root mean square error, in the target's unit."""

    def score(self, prediction: Image, target: Image, mask: Mask, data_range: tuple[float, float]) -> float:
        """``sqrt(mean (p - t)^2)`` over the mask."""
        return math.sqrt(_mean_square(prediction, target, mask))


class NMSE:
    """Square error relative to the energy of the target, both in the unit as given (HU: relative to water)."""

    def score(self, prediction: Image, target: Image, mask: Mask, data_range: tuple[float, float]) -> float:
        """``sum (p - t)^2 / sum t^2`` over the mask. Target all zero: 0 if the prediction is too, else NaN."""
        errors = _errors(prediction, target, mask)
        reference = target[mask].astype(np.float64)
        square, energy = float(np.sum(errors * errors)), float(np.sum(reference * reference))
        if energy == 0.0:
            return 0.0 if square == 0.0 else math.nan
        return square / energy


class PSNR:
    """Peak signal-to-noise ratio in dB; the peak is the width of the declared range, never of the data."""

    def score(self, prediction: Image, target: Image, mask: Mask, data_range: tuple[float, float]) -> float:
        """``10 log10((high - low)^2 / MSE)`` over the mask; infinite where there is no error."""
        error = _mean_square(prediction, target, mask)
        if error == 0.0:
            return math.inf
        low, high = data_range
        return 20.0 * math.log10(high - low) - 10.0 * math.log10(error)
