"""MS-SSIM as the SynthRAD2025 challenge computed it: a profile's copy of one evaluation, not Wang's index.

Written from its definition (reference values: tests/golden). It differs from Wang, Simoncelli, Bovik 2003: a
uniform 7x7x7 window with sample covariance; the exponents act on the map inside the mean; luminance counts at
every level; volumes shorter than 97 voxels are continued by their edges; and pooling pairs each voxel with the
one before it, zeros before the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from benchmark.contracts.protocols import Images
from benchmark_metrics.ms_ssim import WEIGHTS
from benchmark_metrics.windows import Array, Mask, Window, counted_from, sum_in_mask, uniform_taps


class SynthradMSSSIM:
    """Product over five levels of the mean in the region of ``L^w C^w S^w``, from windows of 7x7x7 voxels.

    Expects what the challenge fed: images clipped to the range and set to its lower end outside the body.
    NaN: no window is centred in the region, or a value is not finite.

    Args:
        luminance: ``every-level``, as the challenge's code did, or ``coarsest-level``, as Wang 2003 has it.
    """

    SMALLEST_SIDE = 97
    K1, K2 = 0.01, 0.03

    def __init__(self, luminance: Literal["every-level", "coarsest-level"] = "every-level") -> None:
        if luminance not in ("every-level", "coarsest-level"):
            raise ValueError(f"ms-ssim-synthrad2025: luminance {luminance!r} is none of every-level, coarsest-level")
        self._everywhere = luminance == "every-level"
        self._window = Window(uniform_taps(7))

    def score(self, images: Images) -> float:
        """One number for the study."""
        if not (np.isfinite(images.prediction).all() and np.isfinite(images.target).all()):
            return math.nan
        low, high = images.data_range
        pads = []
        for size in images.target.shape:
            missing = max(0, self.SMALLEST_SIDE - size)
            pads.append((missing // 2, missing - missing // 2))
        x: Array = np.pad(counted_from(low, images.prediction), pads, mode="edge")
        y: Array = np.pad(counted_from(low, images.target), pads, mode="edge")
        mask: Mask = np.pad(images.mask, pads, mode="edge")
        product = 1.0
        for level, weight in enumerate(WEIGHTS):
            if level:
                x, y, mask = _pooled(x), _pooled(y), mask[::2, ::2, ::2]
            luminance_weight = weight if self._everywhere or level == len(WEIGHTS) - 1 else 0.0
            mean = self._mean(x, y, mask, high - low, weight, luminance_weight)
            if math.isnan(mean):
                return math.nan
            product *= min(max(mean, 0.0), 1.0)
        return product

    def _mean(self, x: Array, y: Array, mask: Mask, width: float, weight: float, luminance_weight: float) -> float:
        before, total, count = self._window.before, 0.0, 0
        for z, plane in enumerate(self._weighted(x, y, width, weight, luminance_weight), start=before):
            rows, columns = plane.shape
            sum_here, count_here = sum_in_mask(plane, mask[z, before : before + rows, before : before + columns])
            total, count = total + sum_here, count + count_here
        return total / count if count else math.nan

    def _weighted(self, x: Array, y: Array, width: float, weight: float, luminance_weight: float) -> Iterator[Array]:
        """Planes of ``L^luminance_weight (C S)^weight``, windows fully inside."""
        c1, c2 = (self.K1 * width) ** 2, (self.K2 * width) ** 2
        voxels = self._window.size**3
        planes = (np.stack([a, b, a * a, b * b, a * b], axis=1) for a, b in zip(x, y, strict=True))
        for means in self._window.means_of_volume(planes):
            mean_x, mean_y, square_x, square_y, product = np.moveaxis(means, 1, 0)
            variance_x = (square_x - mean_x * mean_x) * (voxels / (voxels - 1))
            variance_y = (square_y - mean_y * mean_y) * (voxels / (voxels - 1))
            covariance = (product - mean_x * mean_y) * (voxels / (voxels - 1))
            deviations = np.sqrt(np.maximum(variance_x, 0.0)) * np.sqrt(np.maximum(variance_y, 0.0))
            contrast = (2 * deviations + c2) / (variance_x + variance_y + c2)
            structure = (covariance + c2 / 2) / (deviations + c2 / 2)
            weighted: Array = np.maximum(contrast, 0.0) ** weight * np.maximum(structure, 0.0) ** weight
            if luminance_weight:
                luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
                weighted *= np.maximum(luminance, 0.0) ** luminance_weight
            yield weighted


def _pooled(image: Array) -> Array:
    """Every other voxel of the means of each voxel and the one before it along every axis, zero before the first."""
    for axis in range(image.ndim):
        before, here = (
            tuple(slice(start, None, 2) if i == axis else slice(None) for i in range(image.ndim)) for start in (1, 0)
        )
        halved = image[here] * 0.5
        later = tuple(slice(1, None) if i == axis else slice(None) for i in range(image.ndim))
        count = halved[later].shape[axis]
        earlier = tuple(slice(None, count) if i == axis else slice(None) for i in range(image.ndim))
        halved[later] += image[before][earlier] * 0.5
        image = halved
    return image
