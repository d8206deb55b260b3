"""A slab of voxels that tissues are painted on, back to front, with partial volume at their borders.

Shapes are signed distances in mm (negative inside). A voxel that a border crosses gets a share of both
tissues, so the picture is the same object at 64 and at 256 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark_medical.fields import Points
from benchmark_medical.tissues import LABELS, TISSUES

Distance = NDArray[np.floating[Any]]
"""Signed distance in mm, negative inside."""

Vector = Sequence[float] | NDArray[np.floating[Any]]
"""x, y and z of a place or a size, in mm."""


@dataclass(frozen=True)
class Grid:
    """The voxel grid of a patient: ``size`` x ``size`` pixels of ``pixel`` mm, slices at heights ``z`` (mm).

    Rows run to the patient's back and columns to the patient's left, as slices are viewed in radiology.
    """

    size: int
    pixel: float
    z: tuple[float, ...]

    @property
    def gap(self) -> float:
        """Distance between slices in mm."""
        return abs(self.z[1] - self.z[0]) if len(self.z) > 1 else self.pixel

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x) in mm."""
        return (self.gap, self.pixel, self.pixel)

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel (column, row, slice) to RAS mm."""
        corner = self.pixel * (self.size - 1) / 2
        affine = np.diag([-self.pixel, -self.pixel, self.gap, 1.0])
        affine[:3, 3] = (corner, corner, self.z[0])
        return affine

    def points(self, heights: Sequence[float]) -> Points:
        """RAS coordinates of the voxels of some slices, each ``(len(heights), size, size)``."""
        axis = (self.pixel * ((self.size - 1) / 2 - np.arange(self.size))).astype(np.float32)
        z, y, x = np.meshgrid(np.asarray(heights, np.float32), axis, axis, indexing="ij")
        return x, y, z


@dataclass(frozen=True)
class Pose:
    """How the patient lies: rotation (about the long axis, nod, lean; radians), shift (mm), size per axis."""

    rotation: tuple[float, float, float]
    shift: tuple[float, float, float]
    scale: tuple[float, float, float]

    def to_body(self, points: Points) -> Points:
        """Scanner coordinates to those of the body at standard size and pose."""
        turn, nod, lean = self.rotation
        about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        about_x = np.array([[1, 0, 0], [0, np.cos(nod), -np.sin(nod)], [0, np.sin(nod), np.cos(nod)]])
        about_y = np.array([[np.cos(lean), 0, np.sin(lean)], [0, 1, 0], [-np.sin(lean), 0, np.cos(lean)]])
        matrix = (np.diag(1 / np.asarray(self.scale)) @ (about_z @ about_x @ about_y).T).astype(np.float32)
        moved = [axis - np.float32(shift) for axis, shift in zip(points, self.shift, strict=True)]
        x, y, z = (sum(m * axis for m, axis in zip(row, moved, strict=True)) for row in matrix)
        return x, y, z


class Canvas:
    """Tissue fractions ``(tissues, Z, H, W)``, all air at first."""

    def __init__(self, shape: tuple[int, int, int], pixel: float) -> None:
        self.pixel = np.float32(pixel)
        self.fractions = np.zeros((len(TISSUES), *shape), np.float32)
        self.fractions[0] = 1.0

    def cover(self, distance: Distance) -> Distance:
        """Share of each voxel inside a shape."""
        share: Distance = np.clip(np.float32(0.5) - distance / self.pixel, 0, 1)
        return share

    def band(self, distance: Distance, low: float, high: float) -> Distance:
        """Share of each voxel where the distance lies in low..high; right for sheets thinner than a pixel."""
        return self.cover(distance - np.float32(high)) - self.cover(distance - np.float32(low))

    def paint(self, tissue: str, share: Distance) -> None:
        """Lay a tissue over what is there; ``share`` in 0..1 is how much of each voxel it takes."""
        touched = share > 0
        if not touched.any():
            return
        slices = np.flatnonzero(touched.any((1, 2)))
        part = np.s_[:, slices[0] : slices[-1] + 1]
        share = share[part[1]]
        self.fractions[part] *= 1 - share
        self.fractions[LABELS[tissue], part[1]] += share

    def fill(self, tissue: str, distance: Distance) -> None:
        """Paint the inside of a shape."""
        self.paint(tissue, self.cover(distance))

    def labels(self) -> NDArray[np.uint8]:
        """The tissue that takes most of each voxel."""
        winners: NDArray[np.uint8] = self.fractions.argmax(0).astype(np.uint8)
        return winners


def ellipsoid(points: Points, centre: Vector, radii: Vector) -> Distance:
    """Distance to an ellipsoid, to first order (exact for a sphere and on the surface)."""
    scaled = [(axis - np.float32(c)) / np.float32(r) for axis, c, r in zip(points, centre, radii, strict=True)]
    level = np.sqrt(sum(s * s for s in scaled))
    slope = np.sqrt(sum((s / np.float32(r)) ** 2 for s, r in zip(scaled, radii, strict=True)))
    distance: Distance = np.where(level > 1e-3, level * (level - 1) / np.maximum(slope, 1e-6), -np.float32(min(radii)))
    return distance


def superellipsoid(points: Points, centre: Vector, radii: Vector, power: float) -> Distance:
    """Distance, to first order, to a body that grows from an ellipsoid (power 2) towards a box."""
    scaled = [np.abs(axis - np.float32(c)) / np.float32(r) for axis, c, r in zip(points, centre, radii, strict=True)]
    shares = [s ** np.float32(power - 1) for s in scaled]
    total = np.maximum(sum(s * share for s, share in zip(scaled, shares, strict=True)), 1e-12)
    level = total ** np.float32(1 / power)
    slope = np.sqrt(sum((share / np.float32(r)) ** 2 for share, r in zip(shares, radii, strict=True))) * level / total
    distance: Distance = (level - 1) / np.maximum(slope, np.float32(0.3 / max(radii)))
    return distance


def capsule(points: Points, start: Vector, end: Vector, radius: float) -> Distance:
    """Distance to a rod with round ends."""
    axis = np.asarray(end, np.float32) - np.asarray(start, np.float32)
    offset = [p - np.float32(s) for p, s in zip(points, start, strict=True)]
    along = sum(o * a for o, a in zip(offset, axis, strict=True)) / np.float32(max(float(axis @ axis), 1e-6))
    along = np.clip(along, 0, 1)
    away: Distance = np.sqrt(sum((o - along * a) ** 2 for o, a in zip(offset, axis, strict=True)))
    return away - np.float32(radius)


def union(*shapes: Distance, smooth: float = 0.0) -> Distance:
    """The shapes together; ``smooth`` (mm) rounds the seams."""
    result = shapes[0]
    for shape in shapes[1:]:
        low = np.minimum(result, shape)
        if smooth > 0:
            blend = np.maximum(np.float32(smooth) - np.abs(result - shape), 0)
            low = low - blend * blend / np.float32(4 * smooth)
        result = low
    return result


def both(*shapes: Distance) -> Distance:
    """What lies inside all shapes."""
    result = shapes[0]
    for shape in shapes[1:]:
        result = np.maximum(result, shape)
    return result
