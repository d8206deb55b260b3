"""Translate anybody's volumes with a trained cell, as its test set was translated when it was scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.cell.translate import translate_volume
from benchmark.data.format.facts import USUAL_PIXELS, DataFacts
from benchmark.data.volumes.files import count_by_ending, walk
from benchmark.data.volumes.geometry import CaseFault, Slicing, Volume, slicing
from benchmark.data.volumes.nifti import SUFFIXES, read, write
from benchmark.errors import UsageError
from benchmark.inference.trained_cell import TrainedCell

ONE_SIZE = 1e-3
"""Part by which pixels may differ and be of one size."""
FAINT, FEWEST = 0.1, 0.01
"""Background is fainter than this part of a volume's range (1st to 99th percentile); a body has this share at least."""
CLIPPED_SHARE = 0.2
"""Share of a body's voxels outside the source window above which a warning is given."""


@dataclass(frozen=True)
class Translation:
    """A translated volume on the source's own grid, in the target's unit, and what its user should know."""

    data: NDArray[np.generic]
    warnings: tuple[str, ...]


def translate(cell: TrainedCell, source: Volume) -> Translation:
    """Translate a RAS volume in the source's unit.

    The volume is cut into slices that lie as the training data's do, each padded to a square and brought to the
    network's size as importers do, and the translation brought back to the volume's voxels. A model that
    declares itself ``pointwise`` sees the voxels as they are. Values in HU are rounded to int16, others are
    float32.
    """
    facts = cell.data
    warnings = list(_outside(source.data, facts.source.low, facts.source.high, facts.source.unit))
    if getattr(cell.model, "pointwise", False):
        translated = translate_volume(cell.model, source.data, facts.source, facts.target, cell.device)
    else:
        height, width = facts.image_size
        if height != width:
            raise UsageError(
                f"{cell.title} was trained on slices of {height}x{width}; volumes are cut into squares only"
            )
        cut, at_another_scale = _cut(source, facts, height)
        warnings += at_another_scale
        slices = cut.apply(source.data, float(source.data.min()))
        translated = cut.restore(translate_volume(cell.model, slices, facts.source, facts.target, cell.device))
    return Translation(_stored(translated, facts.target.unit), tuple(warnings))


def translate_file(cell: TrainedCell, source: Path, output: Path) -> tuple[str, ...]:
    """Translate one NIfTI file into another on the same grid; returns warnings.

    Raises:
        CaseFault: the file cannot be used; says why.
    """
    scan = read(source)
    result = translate(cell, scan.volume)
    output.parent.mkdir(parents=True, exist_ok=True)
    write(output, scan.like(result.data, f"{cell.record.name} {cell.record.id}, not for clinical use"))
    return result.warnings


def list_files(source: Path, output: Path) -> list[tuple[Path, Path]]:
    """Pairs of input and output: one file, or every NIfTI file of a folder and its subfolders under the same name.

    Raises:
        UsageError: the input is missing or holds none, or the output's name is not NIfTI.
    """
    if source.is_dir():
        if output.exists() and not output.is_dir():
            raise UsageError(f"{output}: is a file; give a folder for the translations of a folder")
        tree = walk(source)
        inside = output.resolve()
        # translations that an earlier command wrote below the same folder are no sources
        files = [file for file in tree.below(ending=SUFFIXES) if inside not in file.resolve().parents]
        if inside == source.resolve():
            raise UsageError(f"{output}: translations would lie among their sources; give another folder")
        if not files:
            there = f"; there is {count_by_ending(tree.files)}" if tree.files else ""
            raise UsageError(f"{source}: no .nii or .nii.gz file in this folder or below{there}")
        return [(file, output / tree.name(file)) for file in files]
    if not source.is_file():
        raise UsageError(f"{source}: no such file or folder")
    if output.is_dir():
        return [(source, output / source.name)]
    if not output.name.lower().endswith(SUFFIXES):
        raise UsageError(f"{output}: the translation is NIfTI; end its name in .nii.gz or .nii")
    return [(source, output)]


def _outside(data: NDArray[np.float32], low: float, high: float, unit: str) -> list[str]:
    """A warning when much of the body lies outside the window that the model sees; air around it may well do."""
    data = _body(data)
    above, below = float((data > high).mean()), float((data < low).mean())
    if above > CLIPPED_SHARE or below > CLIPPED_SHARE:
        return [
            f"{max(above, below):.0%} of the body lies {'above' if above > below else 'below'} the source window "
            f"{low:g}..{high:g} {unit}; is the volume in {unit}?"
        ]
    if float(data.max()) < low + 0.02 * (high - low):
        return [f"no voxel reaches above the lowest 2 % of the source window {low:g}..{high:g} {unit}; wrong unit?"]
    return []


def _body(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Voxels that are clearly not background; all of them where there is no telling."""
    low, high = (float(value) for value in np.percentile(data, [1, 99]))
    inside = data[data > low + FAINT * (high - low)]
    return inside if inside.size >= FEWEST * data.size else data


def _cut(source: Volume, facts: DataFacts, size: int) -> tuple[Slicing, list[str]]:
    """Slices at the scale of the training data, and a warning where that cannot be had.

    Where all training pixels were of one size, so are these; else a volume is brought to the network's size as the
    training volumes were, and its pixels are usual if training had such.
    """
    smallest, largest = facts.pixels
    cut = slicing(source, facts.view, size)
    if largest <= (1 + ONE_SIZE) * smallest and abs(cut.spacing[1] / smallest - 1) > ONE_SIZE:
        try:
            return slicing(source, facts.view, size, pixel_mm=smallest), []
        except CaseFault:
            pass  # larger than the network's field of view: at another scale, and told
    if smallest / (1 + USUAL_PIXELS) <= cut.spacing[1] <= largest * (1 + USUAL_PIXELS):
        return cut, []
    trained = f"{smallest:.2f}" if largest <= (1 + ONE_SIZE) * smallest else f"{smallest:.2f} to {largest:.2f}"
    return cut, [
        f"pixels of {cut.spacing[1]:.2f} mm after cutting to the network's size, {trained} mm in training: "
        "anatomy appears at another scale; crop or pad the volume to the field of view of the training data"
    ]


def _stored(data: NDArray[np.float64], unit: str) -> NDArray[np.generic]:
    if unit == "HU":
        return np.clip(np.rint(data), -32768, 32767).astype(np.int16)
    return data.astype(np.float32)
