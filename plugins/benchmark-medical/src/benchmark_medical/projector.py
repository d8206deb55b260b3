"""A projector of square images, parallel or fan beam, as one sparse matrix a view; its transpose is the exact adjoint.

Rays are strips; a weight is the area that a pixel and a strip share, over the strip's width, in cm. So a projection is
the integral over an image of square pixels, without the moire of interpolation. In a fan the strips widen with the
distance from the source, and a pixel's shadow is that of a parallel beam along the ray through its centre (the
separable footprint of Long, Fessler and Balter 2010, IEEE TMI 29:1839).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

KEPT_WEIGHTS = 60_000_000
"""Matrices with more weights than this (8 bytes each) are made anew at every use instead of kept."""


def _shadow(place: NDArray[np.float64], short: NDArray[np.float64], long: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of a unit pixel's shadow below ``place``: the shadow is a box of ``short`` smeared by one of ``long``."""
    half, inner = (long + short) / 2, (long - short) / 2
    ends = ((half, 1), (inner, -1), (-inner, -1), (-half, 1))
    total = np.zeros(np.broadcast_shapes(place.shape, np.shape(half)))
    for end, sign in ends:
        total += sign * np.maximum(place + end, 0) ** 2
    return total / (2 * short * long)


class Projector:
    """Line integrals of images ``(H, W)``: a parallel beam over 180 degrees, or a fan over 360.

    Args:
        size: pixels per side.
        pixel_cm: pixel size in cm.
        views: number of view angles.
        ray_cm: distance between rays, in a fan at the axis of rotation; default: one pixel.
        rays: their number; default: enough for the corners of the image.
        source_cm: distance from the source to the axis of rotation, with detector cells at equal angles; default:
            infinite, a parallel beam.

    Raises:
        ValueError: the image's corners lie outside the source's circle.
    """

    def __init__(
        self,
        size: int,
        pixel_cm: float,
        views: int,
        ray_cm: float | None = None,
        rays: int | None = None,
        source_cm: float = np.inf,
    ) -> None:
        self.size, self.pixel_cm, self.views, self.source_cm = size, pixel_cm, views, source_cm
        self.ray_cm = pixel_cm if ray_cm is None else ray_cm
        corner = size * pixel_cm / np.sqrt(2)
        if corner >= 0.95 * source_cm:
            raise ValueError(f"an image of {size * pixel_cm:g} cm does not fit inside a source at {source_cm:g} cm")
        half = corner if np.isinf(source_cm) else source_cm * np.arcsin(corner / source_cm)
        self.rays = int(np.ceil(2 * half / self.ray_cm)) + 3 if rays is None else rays
        self.angles = (np.pi if np.isinf(source_cm) else 2 * np.pi) * np.arange(views) / views
        axis = (np.arange(size) - (size - 1) / 2) * pixel_cm
        self._y, self._x = (place.ravel() for place in np.meshgrid(axis, axis, indexing="ij"))
        thickest = 1 + 1.3 * pixel_cm / self.ray_cm
        self._kept: dict[int, csr_array] | None = {} if size**2 * thickest * views < KEPT_WEIGHTS else None

    @property
    def blocks(self) -> list[csr_array]:
        """One matrix ``(rays, size * size)`` for each view."""
        return list(self._each())

    def _each(self) -> Iterator[csr_array]:
        for view in range(self.views):
            if self._kept is None:
                yield self._view(view)
            else:
                if view not in self._kept:
                    self._kept[view] = self._view(view)
                yield self._kept[view]

    def fan_angles(self) -> NDArray[np.float64]:
        """Angle of each ray of a fan against its middle ray (zeros for a parallel beam)."""
        places = np.arange(self.rays, dtype=np.float64) - (self.rays - 1) / 2
        return places * (self.ray_cm / self.source_cm)

    def distances(self, view: int) -> NDArray[np.float64]:
        """Distance in cm of every pixel from the source, ``(size * size,)``; a parallel beam has none: ones."""
        if np.isinf(self.source_cm):
            return np.ones(self.size**2)
        angle = self.angles[view]
        along = self.source_cm + self._y * np.cos(angle) - self._x * np.sin(angle)
        across = self._x * np.cos(angle) + self._y * np.sin(angle)
        length: NDArray[np.float64] = np.hypot(along, across)
        return length

    def weights(
        self, view: int, pixels: NDArray[np.intp] | slice = slice(None)
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Rays that some pixels touch and the lengths in cm they add there, each ``(reach, pixels)``."""
        angle, x, y = self.angles[view], self._x[pixels], self._y[pixels]
        across = x * np.cos(angle) + y * np.sin(angle)
        if np.isinf(self.source_cm):
            place, width, direction = across / self.ray_cm, np.full_like(x, self.ray_cm), np.full_like(x, angle)
        else:
            along = self.source_cm + y * np.cos(angle) - x * np.sin(angle)
            turn = np.arctan2(across, along)
            place = turn * self.source_cm / self.ray_cm
            width = np.hypot(along, across) * self.ray_cm / self.source_cm
            direction = angle - turn
        place = place + (self.rays - 1) / 2
        sides = np.sort(np.maximum(np.abs([np.cos(direction), np.sin(direction)]), 1e-4), axis=0)
        short, long = sides * self.pixel_cm / width
        reach = int(np.ceil(float((short + long).max()) / 2 - 1e-9))
        nearest = np.rint(place).astype(np.intp)
        offsets = np.arange(-reach, reach + 1)[:, None]
        edges = np.arange(-reach, reach + 2)[:, None] - 0.5
        share = np.diff(_shadow(nearest + edges - place, short, long), axis=0)
        return nearest + offsets, share * self.pixel_cm**2 / width

    def _view(self, view: int) -> csr_array:
        rows, weights = self.weights(view)
        inside = (weights > 1e-9) & (rows >= 0) & (rows < self.rays)
        pixels = np.broadcast_to(np.arange(self.size**2, dtype=np.int32), rows.shape)
        entries = (weights[inside].astype(np.float32), (rows[inside].astype(np.int32), pixels[inside]))
        return csr_array(entries, shape=(self.rays, self.size**2))

    def forward(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images ``(Z, H, W)`` to sinograms ``(Z, views, rays)``: integrals over cm."""
        flat = np.ascontiguousarray(images.reshape(len(images), -1).T)
        return np.stack([(block @ flat).T for block in self._each()], axis=1)

    def backward(self, sinograms: NDArray[np.float32]) -> NDArray[np.float32]:
        """The transpose: sinograms ``(Z, views, rays)`` to images ``(Z, H, W)``."""
        return self.spread(sinograms)

    def spread(self, sinograms: NDArray[np.float32], power: int = 0) -> NDArray[np.float32]:
        """The transpose, every pixel divided by its distance (cm) from the source to a ``power`` in a fan."""
        total = np.zeros((self.size**2, len(sinograms)), np.float32)
        for view, block in enumerate(self._each()):
            part = block.T @ np.ascontiguousarray(sinograms[:, view].T)
            total += part if power == 0 else part / (self.distances(view) ** power).astype(np.float32)[:, None]
        return np.ascontiguousarray(total.T).reshape(-1, self.size, self.size)


@lru_cache(maxsize=6)
def projector(
    size: int,
    pixel_cm: float,
    views: int,
    ray_cm: float | None = None,
    rays: int | None = None,
    source_cm: float = np.inf,
) -> Projector:
    """A projector from a small cache: one geometry serves all patients of a data set."""
    return Projector(size, pixel_cm, views, ray_cm, rays, source_cm)


def refined(images: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    """Slices ``(Z, N, N)`` on ``times`` as fine a grid: linear between pixel centres, then shifted pixel by pixel so
    that every pixel keeps its mean, and never negative."""
    if times == 1:
        return images
    place = (np.arange(images.shape[1] * times) + 0.5) / times - 0.5
    below = np.clip(np.floor(place).astype(int), 0, images.shape[1] - 1)
    above = np.minimum(below + 1, images.shape[1] - 1)
    share = np.clip(place - below, 0, 1).astype(np.float32)
    rows = images[:, below] * (1 - share)[:, None] + images[:, above] * share[:, None]
    smooth = rows[:, :, below] * (1 - share) + rows[:, :, above] * share
    side = images.shape[1]
    blocks = smooth.reshape(-1, side, times, side, times)
    blocks += (images - blocks.mean((2, 4)))[:, :, None, :, None]
    result: NDArray[np.float32] = np.maximum(smooth, 0)
    return result
