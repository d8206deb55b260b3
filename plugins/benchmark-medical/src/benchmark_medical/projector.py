"""A parallel-beam projector of square images as a sparse matrix; its transpose is the exact back-projector.

Rays are strips one pixel wide; a weight is the area that a pixel and a strip share, over the strip's width, in
cm. So a projection is the exact integral over an image of square pixels, without the moire of interpolation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


def _shadow(place: NDArray[np.float64], short: float, long: float) -> NDArray[np.float64]:
    """Share of a unit pixel's shadow below ``place``: the shadow is a box of ``short`` smeared by one of ``long``."""
    half, inner = (long + short) / 2, (long - short) / 2
    ends = ((place + half, 1), (place + inner, -1), (place - inner, -1), (place - half, 1))
    total = np.zeros_like(place)
    for end, sign in ends:
        total += sign * np.maximum(end, 0) ** 2
    return total / (2 * short * long)


class Projector:
    """Line integrals of images ``(H, W)`` over views in 0..180 degrees.

    Args:
        size: pixels per side.
        pixel_cm: pixel size in cm; rays are one pixel apart.
        views: number of view angles.
    """

    def __init__(self, size: int, pixel_cm: float, views: int) -> None:
        self.size, self.pixel_cm, self.views = size, pixel_cm, views
        self.rays = int(np.ceil(size * np.sqrt(2))) + 3
        self.angles = np.pi * np.arange(views) / views
        self.blocks = [self._view(angle) for angle in self.angles]

    def _view(self, angle: float) -> csr_array:
        axis = np.arange(self.size) - (self.size - 1) / 2
        place = (axis[None, :] * np.cos(angle) + axis[:, None] * np.sin(angle)).ravel() + (self.rays - 1) / 2
        sides = np.sort([max(abs(np.cos(angle)), 1e-4), max(abs(np.sin(angle)), 1e-4)])
        nearest = np.rint(place).astype(np.int32)
        pixels = np.arange(self.size**2, dtype=np.int32)
        below, above = (_shadow(nearest + side - place, *sides) for side in (-0.5, 0.5))
        weights = np.concatenate([below, above - below, 1 - above]) * self.pixel_cm
        rows = np.concatenate([nearest - 1, nearest, nearest + 1])
        matrix = csr_array((weights.astype(np.float32), (rows, np.tile(pixels, 3))), shape=(self.rays, self.size**2))
        matrix.eliminate_zeros()
        return matrix

    def forward(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images ``(Z, H, W)`` to sinograms ``(Z, views, rays)``: integrals over cm."""
        flat = images.reshape(len(images), -1).T
        return np.stack([(block @ flat).T for block in self.blocks], axis=1)

    def backward(self, sinograms: NDArray[np.float32]) -> NDArray[np.float32]:
        """The transpose: sinograms ``(Z, views, rays)`` to images ``(Z, H, W)``."""
        total = sum(block.T @ sinograms[:, view].T for view, block in enumerate(self.blocks))
        return np.ascontiguousarray(np.asarray(total).T).reshape(-1, self.size, self.size)


@lru_cache(maxsize=2)
def projector(size: int, pixel_cm: float, views: int) -> Projector:
    """A projector from a small cache: one geometry serves all patients of a data set."""
    return Projector(size, pixel_cm, views)
