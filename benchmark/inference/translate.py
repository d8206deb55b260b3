"""Translate anybody's volumes with a trained cell, as its test set was translated when it was scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.cell.translate import translate_volume
from benchmark.contracts.channels import Channel, SourceStack
from benchmark.data.format.facts import USUAL_PIXELS, DataFacts
from benchmark.data.volumes.files import count_by_ending, walk
from benchmark.data.volumes.geometry import CaseFault, Slicing, Volume, describe, same_grid, slicing
from benchmark.data.volumes.nifti import SUFFIXES, read, write
from benchmark.errors import UsageError
from benchmark.inference.trained_cell import TrainedCell

ONE_SIZE = 1e-3
"""Part by which pixels may differ and be of one size."""
FAINT, FEWEST = 0.1, 0.01
"""Background is fainter than this part of a volume's range (1st to 99th percentile); a body has this share at least."""
CLIPPED_SHARE = 0.2
"""Share of a body's voxels outside the source window above which a warning is given."""
USUAL_DISTANCE = 0.25
"""Part by which slices may lie closer or farther than in training and neighbours still show what they did there."""


@dataclass(frozen=True)
class Translation:
    """A translated volume on the source's own grid, in the target's unit, and what its user should know."""

    data: NDArray[np.generic]
    warnings: tuple[str, ...]


def translate(cell: TrainedCell, *sources: Volume) -> Translation:
    """Translate a RAS volume in the source's unit, or one of each of the source's channels, in their order.

    Channels lie on one grid, which is the translation's. The volume is cut into slices that lie as the training data's
    do, each padded to a square and brought to the network's size as importers do, and the translation brought back to
    the volume's voxels. A model that declares itself ``pointwise`` sees the voxels as they are. Values in HU are
    rounded to int16, others are float32.

    Raises:
        UsageError: another number of volumes than of channels, or slices that volumes are not cut into.
        CaseFault: the channels lie on different grids.
    """
    translated, warnings = voxels(cell, *sources)
    return Translation(stored(translated, cell.data.target.unit), tuple(warnings))


def voxels(cell: TrainedCell, *sources: Volume) -> tuple[NDArray[np.float64], list[str]]:
    """A translation as :func:`translate` makes it, before it is rounded, and its warnings; raises what that does."""
    facts, channels = cell.data, cell.data.sources
    if len(sources) != len(channels):
        names = ", ".join(channel.name for channel in channels)
        raise UsageError(f"{cell.title} translates from {names}: one volume of each, not {len(sources)}")
    source = sources[0]
    pairs = list(zip(channels, sources, strict=True))
    for channel, volume in pairs:
        if not same_grid(volume, source):
            raise CaseFault(
                f"the channels lie on different grids, bring them onto one: {describe(channels[0].name, source)}, "
                f"{describe(channel.name, volume)}"
            )
    warnings = [text for channel, volume in pairs for text in _outside(volume.data, channel, facts)]
    maps = [channel.map for channel in channels]
    if getattr(cell.model, "pointwise", False):
        stack = SourceStack(_together([volume.data for volume in sources]), maps, cell.context)
        translated = translate_volume(cell.model, stack, facts.target, cell.device)
    else:
        height, width = facts.image_size
        if height != width:
            raise UsageError(
                f"{cell.title} was trained on slices of {height}x{width}; volumes are cut into squares only"
            )
        cut, at_another_scale = _cut(source, facts, height)
        warnings += at_another_scale
        if cell.context:
            warnings += _distance(cut.spacing[0], facts.spacing[0])
        slices = [cut.apply(volume.data, float(volume.data.min())) for volume in sources]
        stack = SourceStack(_together(slices), maps, cell.context)
        translated = cut.restore(translate_volume(cell.model, stack, facts.target, cell.device))
    return translated, warnings


def _together(channels: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Volumes as a source of so many channels."""
    return channels[0] if len(channels) == 1 else np.stack(channels)


def translate_file(cell: TrainedCell, source: Path | Sequence[Path], output: Path) -> tuple[str, ...]:
    """Translate one NIfTI file, or one of each channel, into another on the same grid; returns warnings.

    Raises:
        CaseFault: a file cannot be used; says why.
    """
    return write_translation([cell], partial(translate, cell), source, output)


def write_translation(
    cells: Sequence[TrainedCell], make: Callable[..., Translation], source: Path | Sequence[Path], output: Path
) -> tuple[str, ...]:
    """Write what ``make`` makes of the volumes of a file, or of one of each channel; the file names the first cell."""
    scans = [read(path) for path in ([source] if isinstance(source, Path) else source)]
    result = make(*(scan.volume for scan in scans))
    output.parent.mkdir(parents=True, exist_ok=True)
    first, more = cells[0].record, f" and {len(cells) - 1} more" if len(cells) > 1 else ""
    write(output, scans[0].like(result.data, f"{first.name} {first.id}{more}, not for clinical use"))
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


def list_channels(given: Sequence[str], output: Path, channels: Sequence[str]) -> list[tuple[list[Path], Path]]:
    """The inputs of each translation, in the order of the model's channels, and the output.

    A source of one channel is given as a path; of several each as ``NAME=PATH``, since in a wrong order they would be
    translated all the same. Of folders, files of one name below them belong together; one that another folder lacks is
    listed where it would lie, so that reading it says that it is missing.

    Raises:
        UsageError: a channel is missing, there twice or unknown, files and folders are mixed, or as
            :func:`list_files`.
    """
    if len(channels) == 1:
        if len(given) != 1:
            raise UsageError(f"the model translates from one channel: give one file or folder, not {len(given)}")
        return [([source], target) for source, target in list_files(Path(given[0]), output)]
    named: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or name not in channels or name in named:
            break
        named[name] = Path(path)
    if len(named) != len(given) or len(named) != len(channels):
        wanted = " ".join(f"{name}=FILE" for name in channels)
        raise UsageError(f"the model translates from {len(channels)} channels: give each once, by name: {wanted}")
    places = [named[name] for name in channels]
    if len({place.is_dir() for place in places}) > 1:
        raise UsageError("give either a file for each channel, or a folder for each")
    if not places[0].is_dir():
        for place in places[1:]:
            list_files(place, output)
        return [(places, target) for _, target in list_files(places[0], output)]
    names = sorted({target.relative_to(output) for place in places for _, target in list_files(place, output)})
    return [([place / name for place in places], output / name) for name in names]


def _outside(data: NDArray[np.float32], channel: Channel, facts: DataFacts) -> list[str]:
    """A warning when much of the body lies outside the window that the model sees; air around it may well do."""
    window, which = channel.map, f" {channel.name}" if facts.channels else ""
    low, high, unit = window.low, window.high, window.unit
    data = _body(data)
    above, below = float((data > high).mean()), float((data < low).mean())
    if above > CLIPPED_SHARE or below > CLIPPED_SHARE:
        return [
            f"{max(above, below):.0%} of the body lies {'above' if above > below else 'below'} the source{which} "
            f"window {low:g}..{high:g} {unit}; is the volume in {unit}?"
        ]
    if float(data.max()) < low + 0.02 * (high - low):
        return [
            f"no voxel reaches above the lowest 2 % of the source{which} window {low:g}..{high:g} {unit}; wrong unit?"
        ]
    return []


def _distance(slices: float, usual: float) -> list[str]:
    """A warning when neighbouring slices lie at another distance than those that the model was trained with."""
    if abs(slices - usual) <= USUAL_DISTANCE * usual:
        return []
    return [
        f"slices are {slices:.3g} mm apart, {usual:.3g} mm in training: neighbours show other anatomy than the model "
        "has seen; resample the volume to the distance of the training data"
    ]


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


def stored(data: NDArray[np.float64], unit: str) -> NDArray[np.generic]:
    """As files hold it: HU in whole numbers, all else as float32."""
    if unit == "HU":
        return np.clip(np.rint(data), -32768, 32767).astype(np.int16)
    return data.astype(np.float32)
