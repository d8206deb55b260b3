"""The shape of a U-Net from the data it is for: nnU-Net's rules for image size and spacing.

Isensee et al., nnU-Net, Nat. Methods 18 (2021), supplementary note 2, in two dimensions: halve an axis while at
least four pixels are left of it; while one axis has pixels twice as long as the other's, halve the other alone and do
not convolve along the first. Width doubles at each stage, up to 512.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 4
"""Pixels that an axis keeps."""
WIDEST = 512
COARSE = 2.0
"""A pixel this many times as long as the other's makes an axis coarse."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Topology:
    """The stages of a U-Net from the finest on: (row, column) strides into each, kernel sizes, and widths."""

    strides: tuple[Pair, ...]
    kernels: tuple[Pair, ...]
    widths: tuple[int, ...]

    @property
    def divisors(self) -> Pair:
        """What rows and columns must be multiples of: the product of the strides."""
        rows = columns = 1
        for row, column in self.strides:
            rows, columns = rows * row, columns * column
        return rows, columns


def plan(image_size: Pair, spacing: tuple[float, float], filters: int) -> Topology:
    """The topology for images of (rows, columns) pixels of ``spacing`` mm, ``filters`` wide at its finest stage.

    Images of which no axis can be halved get one stage.
    """
    size, lengths = list(image_size), list(spacing)
    strides: list[Pair] = [(1, 1)]
    kernels: list[Pair] = []
    fine = [False, False]
    while True:
        fine = [seen or not _coarse(lengths, axis, (0, 1)) for axis, seen in enumerate(fine)]
        kernels.append((3 if fine[0] else 1, 3 if fine[1] else 1))
        halved = _halved(size, lengths)
        if not halved:
            break
        strides.append((2 if 0 in halved else 1, 2 if 1 in halved else 1))
        for axis in halved:
            size[axis] = (size[axis] + 1) // 2
            lengths[axis] *= 2
    widths = tuple(min(filters * 2**stage, WIDEST) for stage in range(len(strides)))
    return Topology(tuple(strides), tuple(kernels), widths)


def _halved(size: Sequence[int], lengths: Sequence[float]) -> list[int]:
    """The axes that the next stage halves; one alone must keep half as much again."""
    large = [axis for axis in (0, 1) if size[axis] >= 2 * LEAST]
    axes = [axis for axis in large if not _coarse(lengths, axis, large)]
    return axes if len(axes) == 2 or (axes and size[axes[0]] >= 3 * LEAST) else []


def _coarse(lengths: Sequence[float], axis: int, among: Sequence[int]) -> bool:
    return lengths[axis] >= COARSE * min(lengths[other] for other in among)


def blocks_of(stages: int, asked: Sequence[int], training_slices: int) -> tuple[int, ...]:
    """Residual blocks of each stage: ``asked``, its last number for all that follow, or by the number of slices."""
    pattern = tuple(asked) or ((1, 3, 4, 6) if training_slices >= MANY_SLICES else (1,))
    return tuple(pattern[min(stage, len(pattern) - 1)] for stage in range(stages))


MANY_SLICES = 1000
"""From this many training slices on the encoder is as deep as nnU-Net's ResEnc presets."""
