"""Translations of several cells averaged: those of axial, coronal and sagittal slices flicker along different axes.

Each cell cuts the volume as its own training data were cut, and brings its translation back to the volume's voxels;
there they are averaged, before anything is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.volumes.geometry import Volume
from benchmark.errors import UsageError
from benchmark.inference.trained_cell import TrainedCell
from benchmark.inference.translate import Translation, stored, voxels, write_translation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def require_alike(cells: Sequence[TrainedCell]) -> None:
    """Cells whose translations may be averaged: of the same channels into the same target.

    Raises:
        UsageError: one translates something else; names it and the difference.
    """
    first = cells[0]
    for other in cells[1:]:
        for what, one, another in zip(("from", "into"), _translates(first), _translates(other), strict=True):
            if one != another:
                raise UsageError(
                    f"{other.title} translates {what} {another}, {first.title} {what} {one}: "
                    "only translations of the same into the same are averaged"
                )


def fused(cells: Sequence[TrainedCell], *sources: Volume) -> Translation:
    """The mean of what the cells make of a volume, or of one of each channel (:func:`benchmark.inference.translate`).

    Every voxel counts each cell alike. Warnings name the cell.

    Raises:
        UsageError: the cells do not translate the same into the same, or as ``translate``.
        CaseFault: as ``translate``.
    """
    require_alike(cells)
    total: NDArray[np.float64] | None = None
    told: list[str] = []
    for cell in cells:
        translated, warnings = voxels(cell, *sources)
        total = translated if total is None else total + translated
        told += [f"{cell.title}: {warning}" for warning in warnings]
    assert total is not None
    return Translation(stored(total / len(cells), cells[0].data.target.unit), tuple(told))


def fuse_file(cells: Sequence[TrainedCell], source: Path | Sequence[Path], output: Path) -> tuple[str, ...]:
    """As :func:`benchmark.inference.translate.translate_file` does, by :func:`fused`."""
    return write_translation(cells, partial(fused, cells), source, output)


def _translates(cell: TrainedCell) -> tuple[str, str]:
    """From what into what, in words."""
    channels = [f"{channel.name} ({channel.modality}, {channel.map.unit})" for channel in cell.data.sources]
    return " + ".join(channels), f"{cell.data.target_modality} in {cell.data.target.unit}"
