"""Bring a volume, on whatever grid it lies, onto the slices that a data set stores for a case.

The same antialiased filter as at import: a volume on the target's original grid lands where the target did.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.data.volumes.geometry import CaseFault, Volume, reaching_weights, resample

STRAIGHT = 1e-3
"""Grids whose axes are off by less than this many voxels over their length are parallel."""


def place(
    volume: Volume, affine: NDArray[np.float64], shape: tuple[int, int, int], background: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The volume on stored slices ``(Z, H, W)`` with ``affine`` (column, row, slice) to RAS mm.

    Also says which stored voxels the volume covers; the others are ``background``. A volume with the slices' own
    voxels is only turned, to the last bit.
    """
    count, rows, columns = shape
    matrix = np.linalg.inv(volume.affine) @ affine  # stored (column, row, slice) -> voxel of the volume
    axes = _parallel_axes(matrix, (columns, rows, count))
    if axes is None:
        grid = Volume(np.broadcast_to(np.float32(0), (columns, rows, count)), affine)
        moved, covered = resample(volume, grid)
        filled = np.where(covered, moved.data, np.float32(background))
        return np.ascontiguousarray(filled.T), np.ascontiguousarray(covered.T)
    data = np.transpose(volume.data, axes)
    covered = np.ones((columns, rows, count), bool)
    for stored, (axis, size) in enumerate(zip(axes, (columns, rows, count), strict=True)):
        places = matrix[axis, 3] + matrix[axis, stored] * np.arange(size)
        data = _along(data, stored, places, abs(float(matrix[axis, stored])), background)
        inside = (places >= -0.5 - STRAIGHT) & (places <= volume.data.shape[axis] - 0.5 + STRAIGHT)
        covered &= np.expand_dims(inside, tuple(other for other in range(3) if other != stored))
    return np.ascontiguousarray(data.T), np.ascontiguousarray(covered.T)


def place_labels(volume: Volume, affine: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Label maps on stored slices, each voxel from the nearest; 0 where the volume does not reach.

    Raises:
        CaseFault: values are not whole numbers of 0 to 255.
    """
    if volume.data.min() < 0 or volume.data.max() > 255 or (volume.data != np.rint(volume.data)).any():
        raise CaseFault("label maps hold whole numbers of 0 to 255")
    count, rows, columns = shape
    matrix = np.linalg.inv(volume.affine) @ affine
    grid = np.stack(np.meshgrid(*map(np.arange, (columns, rows, count)), indexing="ij"), axis=-1)
    places = np.rint(grid @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.intp)
    inside: NDArray[np.bool_] = np.asarray(((places >= 0) & (places < volume.data.shape)).all(axis=-1))
    nearest = volume.data[tuple(np.moveaxis(np.where(inside[..., None], places, 0), -1, 0))]
    return np.ascontiguousarray(np.where(inside, nearest, 0).T).astype(np.uint8)


def _parallel_axes(matrix: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """Which axis of the volume each stored axis runs along; ``None`` for grids that are turned to each other."""
    linear = np.abs(matrix[:3, :3])
    axes = linear.argmax(axis=0)
    aside = linear.copy()
    aside[axes, range(3)] = 0
    if sorted(axes) != [0, 1, 2] or (aside * np.asarray(shape)).max() > STRAIGHT:
        return None
    column, row, along = (int(axis) for axis in axes)
    return column, row, along


def _along(
    data: NDArray[np.float32], axis: int, places: NDArray[np.float64], step: float, background: float
) -> NDArray[np.float32]:
    """Samples of the data at ``places`` (in voxels) along one axis; ``step`` is their distance."""
    whole = np.rint(places)
    count = data.shape[axis]
    if abs(step - 1) * len(places) < STRAIGHT and np.abs(places - whole).max() < STRAIGHT:
        indices = whole.astype(np.intp)
        taken = np.take(data, np.clip(indices, 0, count - 1), axis=axis)
        outside = np.expand_dims((indices < 0) | (indices >= count), tuple(a for a in range(3) if a != axis))
        return np.where(outside, np.float32(background), taken)
    weights = reaching_weights(places, count, step)
    moved = np.tensordot(weights, data - np.float32(background), axes=(1, axis)) + background
    return np.moveaxis(moved, 0, axis).astype(np.float32)
