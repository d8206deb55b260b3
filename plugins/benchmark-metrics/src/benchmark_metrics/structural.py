"""Similarities of local windows: SSIM (Wang et al. 2004) and the universal quality index (Wang, Bovik 2002).

Both compare local means, so both are computed on values counted from the lower end of the range: HU and
other signed units become non-negative, as the luminance terms presume. A window counts when it lies fully
inside the image and its centre lies inside the mask; where none does, the score is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from benchmark.protocols import Images

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]


def _slices(images: Images) -> Iterator[tuple[Image, Image, Mask]]:
    """Prediction, target and mask of each slice."""
    return zip(images.prediction, images.target, images.mask, strict=True)


def _mean_in_mask(values: Image, mask: Mask, before: int) -> float:
    """Mean of a map of windows; the window at index i has its centre at voxel ``i + before``."""
    centres = mask[tuple(slice(before, before + size) for size in values.shape)]
    return float(values[centres].mean()) if centres.any() else math.nan


class SSIM:
    """Structural similarity: 11-tap Gaussian of sigma 1.5 on each axis, population covariance, K1 = 0.01,
    K2 = 0.03, no downsampling (Wang et al. 2004, eq. 13). Two- or three-dimensional.
    """

    RADIUS = 5
    SIGMA = 1.5
    K1 = 0.01
    K2 = 0.03

    def __init__(self) -> None:
        taps = np.exp(-0.5 * (np.arange(-self.RADIUS, self.RADIUS + 1) / self.SIGMA) ** 2)
        self._taps = taps / taps.sum()

    def score(self, images: Images) -> Image:
        """Of each slice, the mean of the map over windows centred in the mask."""
        return np.array([self._mean(*slices, images.data_range) for slices in _slices(images)])

    def score_volume(self, images: Images) -> float:
        """Mean of the three-dimensional map over windows centred in the mask."""
        return self._mean(images.prediction, images.target, images.mask, images.data_range)

    def _mean(self, prediction: Image, target: Image, mask: Mask, data_range: tuple[float, float]) -> float:
        if min(target.shape) < 2 * self.RADIUS + 1:
            return math.nan
        low, high = data_range
        return _mean_in_mask(self.map(prediction - low, target - low, high - low), mask, self.RADIUS)

    def map(self, x: Image, y: Image, width: float) -> Image:
        """SSIM of every window fully inside; 5 voxels shorter than the image at each side."""
        mean_x, mean_y, xx, yy, xy = self._smooth(np.stack([x, y, x * x, y * y, x * y]))
        c1, c2 = (self.K1 * width) ** 2, (self.K2 * width) ** 2
        product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
        similarity: Image = (2 * product + c1) * (2 * (xy - product) + c2)
        similarity /= (squares + c1) * (xx + yy - squares + c2)
        return similarity

    def _smooth(self, stack: Image) -> Image:
        """Gaussian-weighted local means of each image of a stack, windows fully inside."""
        for axis in range(1, stack.ndim):
            inside = [slice(None)] * stack.ndim
            inside[axis] = slice(self.RADIUS, -self.RADIUS)
            stack = correlate1d(stack, self._taps, axis=axis)[tuple(inside)]
        return stack


class UQI:
    """Universal quality index: 8-voxel uniform blocks at stride 1 (Wang, Bovik 2002, eq. 2).

    ``Q = 4 cov mx my / ((vx + vy) (mx^2 + my^2))``. Blocks where both variances are exactly zero keep the
    luminance factor ``2 mx my / (mx^2 + my^2)``; blocks whose means are both exactly zero count 1.
    The centre of a block is the fifth of its eight voxels on each axis.
    """

    SIDE = 8

    def score(self, images: Images) -> Image:
        """Of each slice, the mean of the map over blocks centred in the mask."""
        return np.array([self._mean(*slices, images.data_range[0]) for slices in _slices(images)])

    def _mean(self, prediction: Image, target: Image, mask: Mask, low: float) -> float:
        if min(target.shape) < self.SIDE:
            return math.nan
        return _mean_in_mask(self.map(prediction - low, target - low), mask, self.SIDE // 2)

    def map(self, x: Image, y: Image) -> Image:
        """The index of every block fully inside."""
        mean_x, mean_y, sum_xx, sum_yy, sum_xy = self._moments(x, y)
        spread, squares = sum_xx + sum_yy, mean_x * mean_x + mean_y * mean_y
        with np.errstate(divide="ignore", invalid="ignore"):
            luminance = 2 * mean_x * mean_y / squares
            structure = 2 * sum_xy / spread
        index: Image = np.where(spread == 0, luminance, luminance * structure)
        return np.where(squares == 0, 1.0, index)

    def _moments(self, x: Image, y: Image) -> tuple[Image, Image, Image, Image, Image]:
        """Means and summed square deviations of all blocks.

        Blocks are built by joining neighbours of equal size, three times along each axis, with the update of
        Chan, Golub, LeVeque 1983: as exact as two passes, and exactly zero on constant blocks.
        """
        sum_xx, sum_yy, sum_xy = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
        count = 1
        for axis in range(x.ndim):
            step = 1
            while step < self.SIDE:
                first, second = _neighbours(x.ndim, axis, step)
                delta_x, delta_y = x[second] - x[first], y[second] - y[first]
                sum_xx = sum_xx[first] + sum_xx[second] + delta_x * delta_x * (count / 2)
                sum_yy = sum_yy[first] + sum_yy[second] + delta_y * delta_y * (count / 2)
                sum_xy = sum_xy[first] + sum_xy[second] + delta_x * delta_y * (count / 2)
                x, y = (x[first] + x[second]) / 2, (y[first] + y[second]) / 2
                step, count = 2 * step, 2 * count
        return x, y, sum_xx, sum_yy, sum_xy


def _neighbours(dimensions: int, axis: int, step: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index pairs of an array and the same array ``step`` further along an axis."""
    first, second = [slice(None)] * dimensions, [slice(None)] * dimensions
    first[axis], second[axis] = slice(None, -step), slice(step, None)
    return tuple(first), tuple(second)
