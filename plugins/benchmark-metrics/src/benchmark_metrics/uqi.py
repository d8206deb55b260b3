"""The universal quality index (Wang, Bovik, IEEE Signal Processing Letters 2002), of slices and of volumes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images
from benchmark_metrics.windows import Array, Mask, counted_from, mean_in_mask


class UQI:
    """Universal quality index: 8-voxel uniform blocks at stride 1, fully inside (eq. 2), counted from the lower
    end of the range; mean over the blocks centred in the mask.

    ``Q = 4 cov mx my / ((vx + vy) (mx^2 + my^2))``. Blocks where both variances are exactly zero keep the
    luminance factor ``2 mx my / (mx^2 + my^2)``; blocks whose means are both exactly zero count 1.
    The centre of a block is the fifth of its eight voxels on each axis. NaN: no block is centred in the mask,
    the image is smaller than a block, or it holds a value that is not finite.
    """

    SIDE = 8

    def score(self, images: Images) -> NDArray[np.float64]:
        """One number a slice, from blocks of two dimensions."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._mean(*each, images.data_range[0]) for each in slices])

    def score_volume(self, images: Images) -> float:
        """One number for the study, from blocks of three dimensions."""
        return self._mean(images.prediction, images.target, images.mask, images.data_range[0])

    def _mean(self, prediction: Array, target: Array, mask: Mask, low: float) -> float:
        if min(target.shape) < self.SIDE or not (np.isfinite(prediction).all() and np.isfinite(target).all()):
            return math.nan
        return mean_in_mask(self.map(counted_from(low, prediction), counted_from(low, target)), mask, self.SIDE // 2)

    def map(self, x: Array, y: Array) -> Array:
        """The index of every block fully inside."""
        mean_x, mean_y, spread, product = self._moments(x, y)
        squares = mean_x * mean_x + mean_y * mean_y
        with np.errstate(divide="ignore", invalid="ignore"):
            luminance = 2 * mean_x * mean_y / squares
            structure = 2 * product / spread
        index: Array = np.where(spread == 0, luminance, luminance * structure)
        return np.where(squares == 0, 1.0, index)

    def _moments(self, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        """Of all blocks: means, the summed square deviations of both images together, and those of the product.

        Blocks are built by joining neighbours of equal size, three times along each axis, with the update of
        Chan, Golub, LeVeque 1983: as exact as two passes, and exactly zero on constant blocks.
        """
        spread, product = np.zeros_like(x), np.zeros_like(x)
        count = 1
        for axis in range(x.ndim):
            step = 1
            while step < self.SIDE:
                first, second = _neighbours(x.ndim, axis, step)
                delta_x, delta_y = x[second] - x[first], y[second] - y[first]
                squares = delta_x * delta_x
                squares += delta_y * delta_y
                squares *= count / 2
                delta_x *= delta_y
                delta_x *= count / 2
                spread = np.add(spread[first], spread[second])
                spread += squares
                product = np.add(product[first], product[second])
                product += delta_x
                x, y = x[first] + x[second], y[first] + y[second]
                x *= 0.5
                y *= 0.5
                step, count = 2 * step, 2 * count
        return x, y, spread, product


def _neighbours(dimensions: int, axis: int, step: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index pairs of an array and the same array ``step`` further along an axis."""
    first, second = [slice(None)] * dimensions, [slice(None)] * dimensions
    first[axis], second[axis] = slice(None, -step), slice(step, None)
    return tuple(first), tuple(second)
