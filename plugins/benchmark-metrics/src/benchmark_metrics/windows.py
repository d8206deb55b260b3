"""Weighted means over all local windows of an image or a volume, in float64.

The taps of a separable window, written as a narrow band matrix, turn the filter into small matrix products:
several times faster than a convolution in double precision, and nothing is lost to float32, whose rounding
shows in the variance of bright, flat windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BLOCK = 16
"""Output pixels of one matrix product; larger blocks multiply more zeros, smaller ones start more products."""


def gaussian_taps(size: int, sigma: float) -> Array:
    """Gaussian sampled at ``size`` pixels around its centre, sum 1."""
    offsets = np.arange(size) - (size - 1) / 2
    taps: Array = np.exp(-0.5 * (offsets / sigma) ** 2)
    taps /= taps.sum()
    return taps


def uniform_taps(size: int) -> Array:
    """Equal weights, sum 1."""
    return np.full(size, 1.0 / size)


def counted_from(low: float, image: Array) -> Array:
    """The image in float64, counted from the lower end of the range."""
    return np.subtract(image, low, dtype=np.float64)


class Window:
    """A separable window: the same taps along every axis.

    Planes are stacked as ``(rows, maps, columns)``, so that one product filters the rows of all maps.
    """

    def __init__(self, taps: Array) -> None:
        self.size = len(taps)
        self.before = self.size // 2
        """The window at index ``i`` of a result has its centre at voxel ``i + before``."""
        self._taps = taps
        self._band = np.zeros((BLOCK, BLOCK + self.size - 1))
        for row in range(BLOCK):
            self._band[row, row : row + self.size] = taps

    def means(self, planes: Array) -> Array:
        """Local means of maps ``(rows, maps, columns)``, windows fully inside: each side ``size - 1`` shorter.

        Planes must be C-contiguous and finite: a band holds zeros, and zero times infinity is not zero.
        """
        rows, maps, columns = planes.shape
        height, width = rows - self.size + 1, columns - self.size + 1
        along_rows = np.empty((height, maps * columns))
        flat = planes.reshape(rows, maps * columns)
        for start in range(0, height, BLOCK):
            count = min(BLOCK, height - start)
            band = self._band[:count, : count + self.size - 1]
            np.matmul(band, flat[start : start + count + self.size - 1], out=along_rows[start : start + count])
        flat = along_rows.reshape(height * maps, columns)
        along_both = np.empty((height * maps, width))
        for start in range(0, width, BLOCK):
            count = min(BLOCK, width - start)
            band = self._band[:count, : count + self.size - 1].T
            np.matmul(flat[:, start : start + count + self.size - 1], band, out=along_both[:, start : start + count])
        return along_both.reshape(height, maps, width)

    def means_of_volume(self, planes: Iterable[Array]) -> Iterator[Array]:
        """The same over windows of three dimensions, plane by plane; as many planes as the window is deep are kept."""
        kept: list[Array] = []
        for plane in planes:
            kept.append(self.means(plane))
            if len(kept) == self.size:
                yield np.tensordot(self._taps, np.stack(kept), axes=1)
                del kept[0]


def mean_in_mask(values: Array, mask: Mask, before: int) -> float:
    """Mean of a map of windows over those whose centre lies in the mask; NaN where there is none.

    The window at index ``i`` of the map has its centre at voxel ``i + before`` on every axis.
    """
    total, count = sum_in_mask(values, mask[tuple(slice(before, before + size) for size in values.shape)])
    return total / count if count else float("nan")


def sum_in_mask(values: Array, mask: Mask) -> tuple[float, int]:
    """Sum of the values inside a mask of the same shape, and how many they are."""
    count = int(np.count_nonzero(mask))
    if count == mask.size:
        return float(values.sum()), count
    return float(values[mask].sum()), count
