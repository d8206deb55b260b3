"""Band-limited random fields in patient coordinates: the irregularity of organs and the texture of tissues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

Points = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
"""x, y and z (mm) of every voxel, arrays of one shape."""

_CELLS = 56
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
        self._block = block / block.std()

    def field(self, rng: np.random.Generator, feature_mm: float) -> Field:
        """A field whose features (half a wave) are about ``feature_mm`` wide."""
        basis, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        matrix = basis * (_CELLS_PER_FEATURE / feature_mm)
        return Field(self._block, matrix.astype(np.float32), rng.uniform(0, _CELLS, 3).astype(np.float32))


@dataclass(frozen=True)
class Field:
    """One random field; call it with points in mm."""

    block: NDArray[np.float32]
    matrix: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __call__(self, points: Points) -> NDArray[np.float32]:
        """Values at the points, about N(0, 1)."""
        coordinates = np.tensordot(self.matrix, np.stack(points), axes=1)
        coordinates += self.offset.reshape(3, *[1] * (coordinates.ndim - 1))
        return map_coordinates(self.block, coordinates, order=1, mode="grid-wrap", prefilter=False)
