"""Multi-scale structural similarity (Wang, Simoncelli, Bovik, Asilomar 2003), of slices and of volumes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images
from benchmark_metrics.ssim import Similarity, StructuralSimilarity
from benchmark_metrics.windows import Array, Mask, counted_from, sum_in_mask

Odd = Literal["drop", "mirror"]
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five levels, finest first (Wang 2003, section 3.2)."""


class MSSSIM:
    """SSIM's contrast and structure at five levels, its luminance at the coarsest only (eq. 7), each with Wang
    2004's Gaussian window fully inside; counted from the lower end of the range.

    Between levels 2x2 (2x2x2) voxels are averaged. Of an odd last row, column or plane see ``odd``. A pooled voxel is
    in the region when at least half of what it pools is. At every level the mean is over windows centred in the
    region; a negative mean counts 0. NaN: at some level no window is centred in the region or the image is smaller
    than the window (five levels need 176 voxels a side), or a value is not finite.

    Args:
        levels: how many levels, 1 to 5. With fewer than five the weights of the finest are divided by their sum:
            another index, for images too small for five.
        odd: what becomes of an odd last row, column or plane between levels. The authors published two programs:
            the first drops it (``drop``), the later one pools it with its own mirror image (``mirror``).
    """

    def __init__(self, levels: int = 5, odd: Odd = "drop") -> None:
        if not 1 <= levels <= len(WEIGHTS):
            raise ValueError(f"ms-ssim: levels {levels} is not between 1 and {len(WEIGHTS)}")
        if odd not in ("drop", "mirror"):
            raise ValueError(f"ms-ssim: odd {odd!r} is none of drop, mirror")
        self._odd = odd
        self._index = StructuralSimilarity()
        total = sum(WEIGHTS[:levels]) if levels < len(WEIGHTS) else 1.0  # the five sum to 1.0001, as published
        self._weights = [weight / total for weight in WEIGHTS[:levels]]

    @property
    def smallest_side(self) -> int:
        """Images must have this many voxels on every axis."""
        return self._index.window.size << (len(self._weights) - 1)  # halved at every level but the first

    def score(self, images: Images) -> NDArray[np.float64]:
        """One number a slice."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._mean(*each, images.data_range) for each in slices])

    def score_volume(self, images: Images) -> float:
        """One number for the study, from windows of three dimensions."""
        return self._mean(images.prediction, images.target, images.mask, images.data_range)

    def _mean(self, prediction: Array, target: Array, mask: Mask, data_range: tuple[float, float]) -> float:
        finite = np.isfinite(prediction).all() and np.isfinite(target).all()
        if min(target.shape) < self.smallest_side or not finite:
            return math.nan
        low, high = data_range
        x, y = counted_from(low, prediction), counted_from(low, target)
        product = 1.0
        for level, weight in enumerate(self._weights):
            if level:
                x, y = pooled(x, self._odd), pooled(y, self._odd)
                mask = pooled(mask.astype(np.float64), self._odd) >= 0.5
            ssim, contrast_structure = self._means(x, y, mask, high - low)
            coarsest = level == len(self._weights) - 1
            value = ssim if coarsest else contrast_structure
            if math.isnan(value):
                return math.nan
            product *= max(value, 0.0) ** weight
        return product

    def _means(self, x: Array, y: Array, mask: Mask, width: float) -> tuple[float, float]:
        """Means over the windows centred in the mask: of SSIM, and of contrast and structure alone."""
        planes: Iterable[Similarity]
        if x.ndim == 2:
            planes, centres = [self._index.of_image(x, y, width)], mask[None]
        else:
            planes, centres = self._index.of_volume(x, y, width), mask[self._index.window.before :]
        before, ssim, contrast_structure, count = self._index.window.before, 0.0, 0.0, 0
        for similarity, plane in zip(planes, centres, strict=False):  # the last windows end before the volume does
            rows, columns = similarity.ssim.shape
            part = plane[before : before + rows, before : before + columns]
            sum_here, count_here = sum_in_mask(similarity.ssim, part)
            ssim, count = ssim + sum_here, count + count_here
            contrast_structure += sum_in_mask(similarity.contrast_structure, part)[0]
        return (ssim / count, contrast_structure / count) if count else (math.nan, math.nan)


def pooled(image: Array, odd: Odd = "drop") -> Array:
    """Means of two neighbours along every axis, without overlap; an odd last one is dropped, or stays as it is."""
    if odd == "mirror":
        image = np.pad(image, [(0, size % 2) for size in image.shape], mode="symmetric")
    for axis, size in enumerate(image.shape):
        first, second = (
            tuple(slice(start, size // 2 * 2, 2) if i == axis else slice(None) for i in range(image.ndim))
            for start in (0, 1)
        )
        image = (image[first] + image[second]) * 0.5
    return image
