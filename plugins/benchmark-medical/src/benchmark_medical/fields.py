"""Band-limited random fields in patient coordinates: the irregularity of organs and the texture of tissues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
"""x, y and z (mm) of every voxel, arrays of one shape."""

_BITS = 6
_CELLS = 1 << _BITS
_CELLS_PER_FEATURE = 4.0


class NoiseSpace:
    """A periodic block of smooth noise, looked up at any scale, place and direction.

    One block serves a patient: every field takes its own offset and rotation, so fields are independent in
    practice. Values have mean 0 and variance 1. The field does not depend on the grid that samples it.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        white = rng.standard_normal((_CELLS, _CELLS, _CELLS), dtype=np.float32)
        frequency = np.fft.fftfreq(_CELLS)[:, None, None] ** 2 + np.fft.fftfreq(_CELLS)[None, :, None] ** 2
        frequency = np.sqrt(frequency + np.fft.rfftfreq(_CELLS)[None, None, :] ** 2) * _CELLS_PER_FEATURE
        # Gaussian low-pass at one feature, with the very long waves removed so that a field has no offset
        response = np.exp(-0.5 * (frequency / 0.5) ** 2) * (1.0 - np.exp(-0.5 * (frequency / 0.12) ** 2))
        block = np.fft.irfftn(np.fft.rfftn(white) * response, s=white.shape, axes=(0, 1, 2)).astype(np.float32)
        self._block = (block / block.std()).ravel()

    def field(self, rng: np.random.Generator, feature_mm: float) -> Field:
        """A field whose features (half a wave) are about ``feature_mm`` wide."""
        basis, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        matrix = basis * (_CELLS_PER_FEATURE / feature_mm)
        return Field(self._block, matrix.astype(np.float32), rng.uniform(0, _CELLS, 3).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Field:
    """One random field; call it with points in mm."""

    block: NDArray[np.float32]
    matrix: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __call__(self, points: Points) -> NDArray[np.float32]:
        """Values at the points, about N(0, 1): linear between the cells of the block, which repeats."""
        shares, lower, upper = [], [], []
        for axis, (row, offset) in enumerate(zip(self.matrix, self.offset, strict=True)):
            place = row[0] * points[0] + row[1] * points[1] + row[2] * points[2] + offset
            floor = np.floor(place)
            shares.append((place - floor).astype(np.float32))
            cell = floor.astype(np.int32)
            shift = _BITS * (2 - axis)
            lower.append((cell & (_CELLS - 1)) << shift)
            upper.append(((cell + 1) & (_CELLS - 1)) << shift)
        across, along, deep = shares
        planes = []
        for first in (lower[0], upper[0]):
            rows = []
            for second in (lower[1], upper[1]):
                edge = first + second
                low = self.block.take(edge + lower[2])
                rows.append(low + deep * (self.block.take(edge + upper[2]) - low))
            planes.append(rows[0] + along * (rows[1] - rows[0]))
        result: NDArray[np.float32] = planes[0] + across * (planes[1] - planes[0])
        return result


class Samples:
    """Fields at the voxels of one canvas, each looked up once and only where the patient may be; 0 elsewhere."""

    def __init__(self, points: Points, near: NDArray[np.bool_]) -> None:
        self._near = near
        self._points: Points = (points[0][near], points[1][near], points[2][near])
        self._seen: dict[int, NDArray[np.float32]] = {}

    def __call__(self, field: Field) -> NDArray[np.float32]:
        """Values of a field, an array of the canvas' shape."""
        if id(field) not in self._seen:
            values = np.zeros(self._near.shape, np.float32)
            values[self._near] = field(self._points)
            self._seen[id(field)] = values
        return self._seen[id(field)]

    def along(self, field: Field, points: Points) -> NDArray[np.float32]:
        """Values of a field at points of one's own, of the canvas' shape; not kept."""
        values = np.zeros(self._near.shape, np.float32)
        values[self._near] = field((points[0][self._near], points[1][self._near], points[2][self._near]))
        return values
