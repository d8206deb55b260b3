"""A projector of square images, parallel or fan beam, as one sparse matrix a view; its transpose is the exact adjoint.

Rays are strips; a weight is the area that a pixel and a strip share, over the strip's width, in cm. So a projection is
the integral over an image of square pixels, without the moire of interpolation. In a fan the strips widen with the
distance from the source, and a pixel's shadow is that of a parallel beam along the ray through its centre (the
separable footprint of Long, Fessler and Balter 2010, IEEE TMI 29:1839).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

KEPT_WEIGHTS = 60_000_000
"""Matrices with more weights than this (8 bytes each) are made anew at every use instead of kept."""

Array = NDArray[np.float32]


def _shadow(place: Array, short: Array, long: Array) -> Array:
    """Share of a unit pixel's shadow below ``place``: the shadow is a box of ``short`` smeared by one of ``long``."""
    half, inner = (long + short) / 2, (long - short) / 2
    total = np.zeros(np.broadcast_shapes(place.shape, half.shape), np.float32)
    for end, sign in ((half, 1), (inner, -1), (-inner, -1), (-half, 1)):
        part = np.maximum(place + end, 0)
        part *= part
        total += sign * part
    result: Array = total / (2 * short * long)
    return result


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
        # a quarter turn of the image takes one view to another: these share a matrix
        turns = 2 if np.isinf(source_cm) else 4
        self._turns = turns if views % turns == 0 else 1
        thickest = 1 + 1.3 * pixel_cm / self.ray_cm
        weights = size**2 * thickest * views / self._turns
        self._kept: dict[int, csr_array] | None = {} if weights < KEPT_WEIGHTS else None

    @cached_property
    def blocks(self) -> list[csr_array]:
        """One matrix ``(rays, size * size)`` for each view."""
        return [self._matrix(view) for view in range(self.views)]

    def _each(self) -> Iterator[tuple[int, csr_array | csc_array]]:
        for view in range(self.views // self._turns):
            if self._kept is None:
                yield view, self._columns(view)
            else:
                if view not in self._kept:
                    self._kept[view] = self._matrix(view)
                yield view, self._kept[view]

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

    def weights(self, view: int, pixels: NDArray[np.intp] | slice = slice(None)) -> tuple[NDArray[np.intp], Array]:
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
        cosine, sine = (
            np.maximum(np.abs(part), 0.02) * (self.pixel_cm / width) for part in (np.cos(direction), np.sin(direction))
        )
        short, long = (order(cosine, sine).astype(np.float32) for order in (np.minimum, np.maximum))
        reach = int(np.ceil(float((short + long).max()) / 2 - 1e-9))
        nearest = np.rint(place).astype(np.intp)
        away = (nearest - place).astype(np.float32)
        below = _shadow(away + (np.arange(-reach, reach + 2, dtype=np.float32)[:, None] - 0.5), short, long)
        lengths = np.diff(below, axis=0) * (self.pixel_cm**2 / width).astype(np.float32)
        return nearest + np.arange(-reach, reach + 1)[:, None], lengths

    def _columns(self, view: int) -> csc_array:
        """A view's matrix as it is made: every pixel's rays, weights of nothing among them."""
        rows, lengths = self.weights(view)
        lengths = np.where((rows >= 0) & (rows < self.rays), lengths, 0)
        rows = np.clip(rows, 0, self.rays - 1).astype(np.int32)
        ends = np.arange(0, rows.size + 1, len(rows), dtype=np.int32)
        return csc_array((lengths.T.ravel(), rows.T.ravel(), ends), shape=(self.rays, self.size**2))

    def _matrix(self, view: int) -> csr_array:
        columns = self._columns(view)
        columns.data[columns.data < 1e-9] = 0
        columns.eliminate_zeros()
        return columns.tocsr()

    def forward(self, images: Array) -> Array:
        """Images ``(Z, H, W)`` to sinograms ``(Z, views, rays)``: integrals over cm."""
        turned = [
            np.ascontiguousarray(np.rot90(images, turn, (1, 2)).reshape(len(images), -1).T)
            for turn in range(self._turns)
        ]
        result = np.empty((len(images), self.views, self.rays), np.float32)
        apart = self.views // self._turns
        for view, block in self._each():
            for turn, flat in enumerate(turned):
                result[:, view + turn * apart] = (block @ flat).T
        return result

    def backward(self, sinograms: Array) -> Array:
        """The transpose: sinograms ``(Z, views, rays)`` to images ``(Z, H, W)``."""
        return self.spread(sinograms)

    def spread(self, sinograms: Array, power: int = 0) -> Array:
        """The transpose, every pixel divided by its distance (cm) from the source to a ``power`` in a fan."""
        totals = [np.zeros((self.size**2, len(sinograms)), np.float32) for _ in range(self._turns)]
        apart = self.views // self._turns
        for view, block in self._each():
            near = None if power == 0 else (1 / self.distances(view) ** power).astype(np.float32)[:, None]
            for turn, total in enumerate(totals):
                part = block.T @ np.ascontiguousarray(sinograms[:, view + turn * apart].T)
                total += part if near is None else part * near
        square = (len(sinograms), self.size, self.size)
        turned = (np.rot90(total.T.reshape(square), -turn, (1, 2)) for turn, total in enumerate(totals))
        return np.ascontiguousarray(sum(turned))


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


def refined(images: Array, times: int) -> Array:
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
    result: Array = np.maximum(smooth, 0)
    return result
