"""The core of the importers of volumes: studies, however they were found, into one ``mi2i/1`` file.

One study is in memory at a time. A study that cannot be used is reported and left out, whatever is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmark.data.checks.persons import copies, doubts
from benchmark.data.format.facts import USUAL_PIXELS
from benchmark.data.format.hdf5 import CannotWrite
from benchmark.data.format.schema import CaseKey, Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.data.volumes.files import OUTSIDE, Tree, count_by_ending
from benchmark.data.volumes.geometry import VIEWS
from benchmark.data.volumes.limits import VOXEL_SIZES
from benchmark.errors import BenchmarkError, DatasetError, Unavailable, UsageError
from benchmark_medical.importing.damage import reason
from benchmark_medical.importing.expectations import filled_in
from benchmark_medical.importing.notes import Notes, count, kept_quiet
from benchmark_medical.importing.options import ScanOptions
from benchmark_medical.importing.sources import sides
from benchmark_medical.importing.splits import make_splits, require_splits
from benchmark_medical.importing.studies import Found, Skipped, Study, plain_name, renamed
from benchmark_medical.importing.study_arrays import Prepared, prepare
from benchmark_medical.importing.windows import window

Report = Callable[[str], None]
MINIMUM_SIZE = 16


def import_studies(
    find: Callable[[], Found],
    options: ScanOptions,
    output: Path,
    report: Report,
    generator: str,
    *,
    paired: bool = True,
    channels: Sequence[str] = (),
) -> None:
    """Import what ``find`` finds; ``generator`` names the layout in the file's provenance.

    ``paired=False``: sources and targets of the training patients do not belong together. ``channels`` names those of
    a source that has several, by which studies hold their images.

    Raises:
        UsageError: options that make no sense, or sides that are not what the task translates.
        DatasetError: no study is left, a patient lacks a channel, or the splits cannot be made. Nothing is written
            then.
        CannotWrite: the disk is full, or the like. Nothing is left behind.
    """
    _require_usable(options)
    channels = channels if len(channels) > 1 else ()
    options = filled_in(options, channels)
    source = sides(options, channels)
    target = Side(options.target_modality, options.target_unit, window(options.target_window, options.target_unit))
    require_splits(options)
    found, skipped, tree = find()
    studies, doubled = renamed(found)
    incomplete = {plain_name(entry.lacking): entry for entry in skipped if entry.lacking}
    studies, excluded = _without(studies, options.exclude, tuple(incomplete))
    _require_complete(incomplete, options.exclude)
    skipped = [*skipped, *doubled, *excluded]
    for entry in skipped:
        report(str(entry))
    _tell_passed_over(tree, report)
    notes = Notes()
    patients: dict[str, str] = {}
    content: dict[CaseKey, tuple[str, ...]] = {}
    pixels: dict[str, float] = {}
    with DatasetWriter(
        output,
        task=options.task,
        name=output.stem,
        source=source,
        target=target,
        simulated=False,
        paired=paired,
        mirror_safe=options.mirror_safe,
        provenance=_provenance(options, generator),
    ) as writer:
        for study in studies:
            name = f"{study.patient}/{study.study}"
            if patients.get(study.patient, study.split) != study.split and options.split_file is None:
                raise DatasetError(
                    f"{name}: its patient is in {patients[study.patient]!r} and in {study.split!r}; "
                    "a patient belongs to one split: say which in a --split-file"
                )
            try:
                with kept_quiet(lambda said, name=name: notes.add(said, name)):  # type: ignore[misc]
                    ready = _prepared(study, options)
                writer.add_case(study.patient, study.study, **ready.case)
            except (Unavailable, UsageError, CannotWrite):
                raise
            except BenchmarkError as fault:
                skipped.append(Skipped(name, str(fault), study.files))
                report(str(skipped[-1]))
                continue
            patients[study.patient] = study.split
            content[CaseKey(study.patient, study.study)] = ready.content
            pixels[name] = float(ready.case["spacing"][1])
            for text in ready.told:
                notes.add(text, name)
            report(f"{name}: {ready.note}")
        if not patients:
            if not skipped:
                raise DatasetError(f"nothing of this layout was found; see: benchmark data import {generator} --help")
            raise DatasetError(f"no study could be imported ({len(skipped)} skipped); first: {skipped[0]}")
        given = patients if all(patients.values()) else {}
        writer.set_splits(make_splits(options, list(patients), given, report))
    _tell_unused(tree, studies, skipped, report)
    for line in notes.lines():
        report(line)
    for text in _doubts(content, pixels):
        report(f"warning: {text}")
    what = f"{count(len(content), 'study', 'studies')} of {count(len(patients), 'patient')}"
    report(f"{what} imported, {len(skipped)} skipped")


def _require_usable(options: ScanOptions) -> None:
    if options.size < MINIMUM_SIZE:
        raise UsageError(f"--size {options.size}: at least {MINIMUM_SIZE} pixels")
    if options.axis not in VIEWS:
        raise UsageError(f"--axis {options.axis!r}: use one of {', '.join(VIEWS)}")
    if options.spacing and not VOXEL_SIZES[0] <= options.spacing <= VOXEL_SIZES[1]:
        raise UsageError(f"--spacing {options.spacing:g}: millimetres per pixel, such as 1")
    if options.spacing and options.own_pixels:
        raise UsageError("give either --spacing or --own-pixels")


def _require_complete(incomplete: Mapping[str, Skipped], exclude: tuple[str, ...]) -> None:
    """A patient without one of the channels is left out by name only: it may be a misspelt file.

    Raises:
        DatasetError: one is not.
    """
    unwanted = {plain_name(name.strip()) for name in exclude}
    left = {patient: entry for patient, entry in incomplete.items() if patient not in unwanted}
    if left:
        listed = "; ".join(f"{entry.what}: {entry.why}" for entry in list(left.values())[:3])
        more = f"; and {len(left) - 3} more" if len(left) > 3 else ""
        raise DatasetError(
            f"{count(len(left), 'patient lacks', 'patients lack')} a channel of the source: {listed}{more}; add it, or "
            f"leave them out with --exclude {','.join(left)}"
        )


def _without(
    studies: list[Study], exclude: tuple[str, ...], incomplete: tuple[str, ...]
) -> tuple[list[Study], list[Skipped]]:
    """Studies of other patients than those that were named; ``incomplete`` ones may be named too.

    Raises:
        UsageError: there is no such patient.
    """
    unwanted = {plain_name(name.strip()) for name in exclude}
    if unknown := sorted(unwanted - {study.patient for study in studies} - set(incomplete)):
        some = ", ".join(dict.fromkeys(study.patient for study in studies[:5]))
        raise UsageError(f"--exclude {unknown[0]}: there is no such patient; there are {some}, ...")
    kept = [study for study in studies if study.patient not in unwanted]
    left = [
        Skipped(f"{study.patient}/{study.study}", "excluded", study.files)
        for study in studies
        if study.patient in unwanted
    ]
    return kept, left


def _prepared(study: Study, options: ScanOptions) -> Prepared:
    """The study in the form of a case; whatever a broken one makes a library raise costs this study only."""
    try:
        return prepare(study, options)
    except BenchmarkError:
        raise
    except MemoryError:
        raise DatasetError("takes more memory than there is") from None
    except Exception as error:
        raise DatasetError(reason(error)) from None


def _tell_passed_over(tree: Tree | None, report: Report) -> None:
    """What below the folder was not looked at, and why."""
    if tree is None:
        return
    if tree.hidden:
        report(f"passed over: {count(tree.hidden, 'hidden file or folder', 'hidden files or folders')}")
    reasons = dict.fromkeys(entry.why for entry in tree.passed)
    for why in reasons:
        names = [entry.what for entry in tree.passed if entry.why == why]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        hint = " (--follow-links reads them too)" if why == OUTSIDE else ""
        report(f"passed over: {names[0]}{more}: {why}{hint}")


def _tell_unused(tree: Tree | None, studies: list[Study], skipped: list[Skipped], report: Report) -> None:
    """Files that belong to no study, counted by their kind."""
    if tree is None:
        return
    accounted = {path for study in studies for path in study.files} | {path for one in skipped for path in one.files}
    if unused := tree.unused(accounted):
        report(f"not used: {count(len(unused), 'file')} ({count_by_ending(unused)}), first {tree.name(unused[0])}")


def _doubts(content: dict[CaseKey, tuple[str, ...]], pixels: dict[str, float]) -> list[str]:
    """What a person should look at now that all studies are known."""
    said = [f"{what}; {advice}" for what, advice in doubts(list(content))]
    for first, second, _ in copies(content):
        said.append(f"{first} and {second} show the same image, or a part of it: two names of one patient? (--exclude)")
    smallest, largest = min(pixels, key=lambda name: pixels[name]), max(pixels, key=lambda name: pixels[name])
    if pixels[largest] > (1 + USUAL_PIXELS) * pixels[smallest]:
        said.append(
            f"pixels measure {pixels[smallest]:.3g} mm ({smallest}) to {pixels[largest]:.3g} mm ({largest}), so that "
            f"anatomy appears at different scales: --spacing {sorted(pixels.values())[len(pixels) // 2]:.3g} gives all "
            "patients pixels of one size"
        )
    return said


def _provenance(options: ScanOptions, generator: str) -> dict[str, Any]:
    """How the file was made, without the paths of the machine that made it."""
    told = ("licence", "citation")
    people = ("exclude",)
    values = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in told + people}
    return {
        "generator": f"benchmark-medical {generator}",
        "options": {
            name: value for name, value in values.items() if not isinstance(value, Path) and value not in ("", ())
        },
        **{name: getattr(options, name) for name in told if getattr(options, name)},
    }
