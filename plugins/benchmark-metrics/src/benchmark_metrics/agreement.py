"""CCC and SAM through torchmetrics, with rules for what it leaves undefined though only the prediction is at fault."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional import concordance_corrcoef
from torchmetrics.functional.image import spectral_angle_mapper

Array = NDArray[np.float64]


def concordance(prediction: Array, target: Array) -> float:
    """Lin's concordance of the values ``(N,)`` of a region, with variances over N - 1 as in torchmetrics.

    Where an image is constant torchmetrics gives NaN and Lin's formula 0: here 0, and 1 if both are the same.
    """
    if np.array_equal(prediction, target):
        return 1.0
    if not (np.ptp(prediction) and np.ptp(target)):
        return 0.0
    return float(concordance_corrcoef(torch.from_numpy(prediction), torch.from_numpy(target)))


def spectral_angle(
    prediction: Array, target: Array, *, mask: NDArray[np.bool_], data_range: tuple[float, float]
) -> float:
    """Mean angle in radians between the profiles of ``(Z, H, W)`` along the slices, over positions with a region.

    An image of one channel has no spectrum; the slices of a study are its bands. Values are counted from the lower
    end of the range, and only voxels of the region enter a profile. A profile that is all zero has no direction,
    for which torchmetrics gives NaN for the whole image: here a right angle, and 0 if both profiles are the same. NaN
    for a single slice or an empty region.
    """
    positions = mask.any(axis=0)
    if len(target) < 2 or not positions.any():
        return math.nan
    profiles = [np.where(mask, image - data_range[0], 0.0)[:, positions] for image in (prediction, target)]
    first, second = (torch.from_numpy(bands)[None, :, None] for bands in profiles)
    angles: Array = spectral_angle_mapper(first, second, reduction="none").numpy().ravel()
    same = (profiles[0] == profiles[1]).all(axis=0)
    without_direction = ~(profiles[0].any(axis=0) & profiles[1].any(axis=0))
    return float(np.where(same, 0.0, np.where(without_direction, math.pi / 2, angles)).mean())
