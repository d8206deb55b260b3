"""Volumes with their place in space: the common box, resampling, slicing to one in-plane size and back.

Volumes are turned once to the nearest RAS order (:mod:`benchmark.data.volumes.nifti`). Stored slices are then viewed
as in radiology: axial rows run to the back and columns to the patient's left; coronal and sagittal rows run to
the feet. The affine that is stored with them maps (column, row, slice) to RAS mm, so nothing about the place is
lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter1d

from benchmark.data.format.schema import Origin
from benchmark.errors import BenchmarkError
from benchmark.printable import printable

TOLERANCE_MM = 1e-2
"""Grids that differ by less at every corner are the same."""

LARGE = 1 << 24
"""From as many voxels on a volume is resampled in parts: splines of all of it would take five times its size."""

SLAB, SPLINE_REACH = 16, 16
"""Layers of a part, and how far beyond them splines are told of voxels."""

SAME_PIXEL = 1e-3
"""Pixels that add up to less than this part of one over an image are of one size."""

VIEWS = {"axial": "LPS", "coronal": "LIA", "sagittal": "PIR"}
"""Per direction of slicing: to which side of the patient columns, rows and slices run, as in radiology."""

SIDES = {"L": (0, -1), "R": (0, 1), "P": (1, -1), "A": (1, 1), "I": (2, -1), "S": (2, 1)}
"""RAS axis and sense of each side."""


class CaseFault(BenchmarkError):
    """A volume or study that cannot be used; an import goes on without it.

    What it says may quote a file's header, so it is made harmless for a terminal.
    """

    def __init__(self, said: str) -> None:
        super().__init__(printable(said))


@dataclass(frozen=True)
class Volume:
    """Voxels ``(x, y, z)`` in RAS order and their affine (voxel to RAS mm)."""

    data: NDArray[np.float32]
    affine: NDArray[np.float64]
    origin: Origin | None = None
    """How the scan lay in its file, where it is a whole scan as read."""
    told: tuple[str, ...] = ()
    """What its reader had to decide on the way, for the person whose file it is."""

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel size along each axis in mm."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths


def same_grid(first: Volume, second: Volume) -> bool:
    """Whether both have the same shape and, to a hundredth of a millimetre, the same place."""
    if first.data.shape != second.data.shape:
        return False
    corners = _corners(first.data.shape, -0.5)
    return bool(np.abs((first.affine - second.affine) @ corners).max() < TOLERANCE_MM)


def describe(name: str, volume: Volume) -> str:
    """Shape and affine for an error message."""
    rows = "; ".join(" ".join(f"{value:.6g}" for value in row) for row in volume.affine[:3])
    return f"{name} {'x'.join(map(str, volume.data.shape))} [{rows}]"


def common_box(source: Volume, target: Volume) -> tuple[slice, slice, slice]:
    """The part of the target's grid that the source covers.

    Raises:
        CaseFault: there is none; both affines are shown.
    """
    corners = np.linalg.inv(target.affine) @ source.affine @ _corners(source.data.shape, -0.5)
    low = np.maximum(np.ceil(corners[:3].min(1) - 1e-3), 0).astype(int)
    high = np.minimum(np.floor(corners[:3].max(1) + 1e-3) + 1, target.data.shape).astype(int)
    if (low >= high).any():
        raise CaseFault(f"source and target do not overlap: {describe('source', source)}, {describe('target', target)}")
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return x, y, z


def crop(volume: Volume, box: tuple[slice, slice, slice]) -> Volume:
    """A part of a volume; the affine follows."""
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    return Volume(volume.data[box], affine)


def resample(source: Volume, grid: Volume) -> tuple[Volume, NDArray[np.bool_]]:
    """The source on another volume's grid, and where it covers that grid.

    A grid that lies on the source's own voxels is cropped exactly. Otherwise cubic splines, limited to the
    source's range of values, after a Gaussian against aliasing along axes that become coarser.

    Raises:
        CaseFault: a voxel of the grid is larger than the source.
    """
    matrix = np.linalg.inv(source.affine) @ grid.affine
    start = np.rint(matrix[:3, 3]).astype(int)
    shape = grid.data.shape
    aligned = np.abs(matrix[:3, :3] - np.eye(3)).max() * max(shape) < 1e-3
    inside = (start >= 0).all() and (start + shape <= source.data.shape).all()
    if aligned and inside and np.abs(matrix[:3, 3] - start).max() < 1e-2:
        part = source.data[tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))]
        return Volume(part, grid.affine), np.ones(shape, bool)
    data = source.data
    steps = np.abs(matrix[:3, :3]).max(1)  # source voxels per step of the grid, along each source axis
    for axis, step in enumerate(steps):
        if step > max(1, source.data.shape[axis]):
            raise CaseFault(
                f"the whole source lies within a voxel of the target: {describe('source', source)}, "
                f"{describe('target', grid)}"
            )
        if step > 1:
            data = gaussian_filter1d(data, (step - 1) / 2, axis=axis, mode="nearest")
    moved = np.empty(shape, data.dtype)
    if data.size < LARGE:
        affine_transform(data, matrix[:3, :3], matrix[:3, 3], shape, output=moved, order=3, mode="nearest")
    else:
        for first in range(0, shape[2], SLAB):
            _interpolate(data, matrix, first, moved[:, :, first : first + SLAB])
    np.clip(moved, source.data.min(), source.data.max(), out=moved)
    return Volume(moved, grid.affine), _covered(matrix, shape, source.data.shape)


def _interpolate(
    data: NDArray[np.float32], matrix: NDArray[np.float64], first: int, moved: NDArray[np.float32]
) -> None:
    """Cubic splines of ``data`` into layers of a grid from ``first`` on, from the part that matters to them."""
    place = matrix.copy()
    place[:3, 3] += matrix[:3, 2] * first
    corners = (place @ _corners(moved.shape, 0.0))[:3]
    count = np.array(data.shape)
    # splines know of far voxels, but less than a float32 can hold
    low = np.clip(np.floor(corners.min(1)).astype(int) - SPLINE_REACH, 0, count - 1)
    high = np.clip(np.ceil(corners.max(1)).astype(int) + SPLINE_REACH + 1, low + 1, count)
    near = data[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    affine_transform(near, place[:3, :3], place[:3, 3] - low, moved.shape, output=moved, order=3, mode="nearest")


def _covered(matrix: NDArray[np.float64], shape: tuple[int, ...], source: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which voxels of a grid lie inside the source's voxels."""
    covered = np.ones(shape, bool)
    x, y = np.ogrid[tuple(slice(0, n) for n in shape[:2])]
    for row, count in zip(matrix[:3], source, strict=True):
        layer = row[0] * x + row[1] * y
        for z in range(shape[2]):
            place = layer + row[2] * z + row[3]
            covered[:, :, z] &= (place >= -0.5 - 1e-3) & (place <= count - 0.5 + 1e-3)
    return covered


def _corners(shape: tuple[int, ...], outward: float) -> NDArray[np.float64]:
    """Homogeneous voxel coordinates of the eight corners, ``outward`` -0.5: of the outermost voxels' edges."""
    ends = [(outward, n - 1 - outward) for n in shape]
    return np.array([(x, y, z, 1.0) for x in ends[0] for y in ends[1] for z in ends[2]]).T


@dataclass(frozen=True)
class Slicing:
    """How a volume's grid becomes square slices of one size.

    ``weights`` are the matrices that resample rows and columns; what they do not fill is background.
    """

    order: tuple[int, int, int]
    senses: tuple[int, int, int]
    row_weights: NDArray[np.float32]
    column_weights: NDArray[np.float32]
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]
    grid_spacing: tuple[float, float]
    """Voxel size of the grid along rows and columns, in mm."""
    offset: tuple[float, float] = (0.0, 0.0)
    """How far the slices' middle lies beyond the grid's along rows and columns, in mm: half a pixel where pixels are
    the grid's own and padding is uneven."""

    def apply(self, data: NDArray[np.generic], background: float) -> NDArray[np.float32]:
        """Voxels ``(x, y, z)`` to slices ``(Z, size, size)``."""
        turned = np.transpose(data, self.order)[tuple(slice(None, None, sense) for sense in self.senses)]
        slices = np.empty((len(turned), len(self.row_weights), len(self.column_weights)), np.float32)
        as_it_is = _is_identity(self.row_weights) and _is_identity(self.column_weights)
        for filled, layer in zip(slices, turned, strict=True):  # one at a time: no second volume in memory
            above = layer.astype(np.float32) - np.float32(background)
            if as_it_is:
                filled[...] = above
            else:
                np.matmul(self.row_weights @ above, self.column_weights.T, out=filled)
        slices += np.float32(background)
        return slices

    def restore(self, slices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Slices ``(Z, size, size)`` back to voxels ``(x, y, z)`` of the grid, linear between pixels.

        The inverse of :meth:`apply` where the grid has the slices' own pixels; else as near as they allow.
        """
        rows, columns = (
            _placed(weights.shape[0], weights.shape[1], spacing, pixel, offset)
            for weights, spacing, pixel, offset in (
                (self.row_weights, self.grid_spacing[0], self.spacing[1], self.offset[0]),
                (self.column_weights, self.grid_spacing[1], self.spacing[2], self.offset[1]),
            )
        )
        turned = (rows @ slices @ columns.T)[tuple(slice(None, None, sense) for sense in self.senses)]
        return np.transpose(turned, np.argsort(self.order))


def slicing(grid: Volume, view: str, size: int, *, own_pixels: bool = False, pixel_mm: float = 0.0) -> Slicing:
    """Slices as ``view`` says (:data:`VIEWS`): padded to a square in mm, then resampled to ``size`` pixels.

    Resampling is antialiased. Where the pixels come out as the grid's own, values stay as they are; with
    ``own_pixels`` they always do, and slices are padded to ``size``. With ``pixel_mm`` they are resampled to pixels of
    so many mm, the same for every grid, and padded.

    Raises:
        CaseFault: the grid does not fit into ``size`` pixels of the wanted kind, or ``own_pixels`` and they are not
            square.
    """
    (column, column_sense), (row, row_sense), (along, along_sense) = (SIDES[side] for side in view)
    shape, spacing = grid.data.shape, grid.spacing
    side = max(shape[row] * spacing[row], shape[column] * spacing[column])
    pixel = side / size
    if own_pixels:
        pixel = float(spacing[row])
        if abs(spacing[row] - spacing[column]) * size > SAME_PIXEL * pixel:
            raise CaseFault(
                f"pixels of {spacing[row]:g} x {spacing[column]:g} mm are not square: they must be resampled"
            )
        if max(shape[row], shape[column]) > size:
            raise CaseFault(f"slices of {shape[row]} x {shape[column]} pixels do not fit into {size} x {size}")
    elif pixel_mm:
        pixel = pixel_mm
        if side > (size + SAME_PIXEL) * pixel:
            raise CaseFault(
                f"slices of {side:.4g} mm do not fit into {size} pixels of {pixel:g} mm; "
                f"they need {int(np.ceil(side / pixel - SAME_PIXEL))}"
            )
    offsets = [_offset(shape[axis], float(spacing[axis]), size, pixel) for axis in (row, column)]
    # stored (column, row, slice) -> voxel of the grid
    place = np.zeros((4, 4))
    place[3, 3] = 1.0
    for index, (voxel, sense, step, offset) in enumerate(
        (
            (column, column_sense, pixel / spacing[column], offsets[1] / spacing[column]),
            (row, row_sense, pixel / spacing[row], offsets[0] / spacing[row]),
            (along, along_sense, 1.0, 0.0),
        )
    ):
        count = shape[voxel] if index == 2 else size
        place[voxel, index] = sense * step
        place[voxel, 3] = (shape[voxel] - 1) / 2 - sense * (step * (count - 1) / 2 - offset)
    return Slicing(
        order=(along, row, column),
        senses=(along_sense, row_sense, column_sense),
        row_weights=_weights(shape[row], spacing[row], size, pixel, offsets[0]),
        column_weights=_weights(shape[column], spacing[column], size, pixel, offsets[1]),
        spacing=(float(spacing[along]), float(pixel), float(pixel)),
        affine=grid.affine @ place,
        grid_spacing=(float(spacing[row]), float(spacing[column])),
        offset=(offsets[0], offsets[1]),
    )


def _is_identity(weights: NDArray[np.float32]) -> bool:
    return weights.shape[0] == weights.shape[1] and bool((weights == np.eye(len(weights))).all())


def _offset(count: int, spacing: float, size: int, pixel: float) -> float:
    """Half a pixel, where ``size`` pixels of the samples' own spacing would else lie between the samples."""
    return pixel / 2 if abs(pixel - spacing) * size < SAME_PIXEL * pixel and (size - count) % 2 else 0.0


def _placed(size: int, count: int, spacing: float, pixel: float, offset: float) -> NDArray[np.float64]:
    """Matrix that takes ``size`` pixels to ``count`` samples: linear, constant beyond the ends.

    Both are centred, save for the pixels' ``offset``.
    """
    samples = (np.arange(count) - (count - 1) / 2) * spacing - offset
    places = np.clip(samples / pixel + (size - 1) / 2, 0, size - 1)
    whole = np.rint(places)
    places = np.where(np.abs(places - whole) < 1e-6, whole, places)
    weights: NDArray[np.float64] = np.maximum(1 - np.abs(places[:, None] - np.arange(size)[None, :]), 0)
    return weights


def _weights(count: int, spacing: float, size: int, pixel: float, offset: float) -> NDArray[np.float32]:
    """:func:`reaching_weights` of ``size`` pixels over samples, both centred, save for the pixels' ``offset``."""
    pixels = (np.arange(size) - (size - 1) / 2) * pixel + offset
    places = np.asarray(pixels / spacing + (count - 1) / 2, np.float64)
    if abs(pixel - spacing) * size < SAME_PIXEL * pixel:
        return reaching_weights(np.rint(places), count, 1.0).astype(np.float32)
    return reaching_weights(places, count, pixel / spacing).astype(np.float32)


def reaching_weights(places: NDArray[np.float64], count: int, step: float) -> NDArray[np.float64]:
    """Rows of weights over ``count`` samples for pixels at ``places`` (in samples) that are ``step`` samples apart.

    Linear interpolation, widened to the step where that is coarser; a linear ramp stays where it is. Rows sum to 1
    where samples surround the pixel, to less where it reaches beyond them. Only the samples that a pixel reaches are
    looked at, so that memory does not grow with what would lie around the samples.
    """
    reach = int(np.ceil(max(1.0, step))) + 1
    places = np.clip(places, -2 - 2 * reach, count + 1 + 2 * reach)  # beyond, nothing is reached
    near = np.rint(places).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)[None, :]
    offsets = near - places[:, None]
    weights = np.maximum(1 - np.abs(offsets) / max(1.0, step), 0)
    weights /= weights.sum(1, keepdims=True)
    # tilt the weights until their centre of mass is the pixel's centre
    first, second = ((weights * offsets**order).sum(1, keepdims=True) for order in (1, 2))
    weights *= 1 - first / np.maximum(second, 1e-12) * offsets
    weights /= weights.sum(1, keepdims=True)
    filled = np.zeros((len(places), count))
    rows, which = np.nonzero((near >= 0) & (near < count))
    filled[rows, near[rows, which]] = weights[rows, which]
    return filled
