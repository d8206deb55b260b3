"""The core of the importers of volumes: studies, however they were found, into one ``mi2i/1`` file.

One study is in memory at a time. A study that cannot be used is reported and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.intensity import Window
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.data.volumes.geometry import (
    SIDES,
    VIEWS,
    CaseFault,
    Slicing,
    Volume,
    common_box,
    crop,
    describe,
    resample,
    same_grid,
    slicing,
)
from benchmark.errors import DatasetError, UsageError
from benchmark_medical.importing.options import ScanOptions
from benchmark_medical.importing.region import body_mask, filled
from benchmark_medical.importing.splits import make_splits, require_splits
from benchmark_medical.importing.studies import Found, Image, Skipped, Study, renamed

Report = Callable[[str], None]
AUTO_WINDOWS = {"HU": Window(-1024, 2000), "SUV": Window(0, 10), "mask": Window(0, 1)}
MINIMUM_SIZE = 16


def import_studies(
    find: Callable[[], Found],
    options: ScanOptions,
    output: Path,
    report: Report,
    generator: str,
    *,
    paired: bool = True,
) -> None:
    """Import what ``find`` finds; ``generator`` names the layout in the file's provenance.

    ``paired=False``: sources and targets of the training patients do not belong together.

    Raises:
        UsageError: options that make no sense.
        DatasetError: no study is left, or the splits cannot be made. Nothing is written then.
    """
    if options.size < MINIMUM_SIZE:
        raise UsageError(f"--size {options.size}: at least {MINIMUM_SIZE} pixels")
    if options.axis not in VIEWS:
        raise UsageError(f"--axis {options.axis!r}: use one of {', '.join(VIEWS)}")
    source = Side(options.source_modality, options.source_unit, window(options.source_window, options.source_unit))
    target = Side(options.target_modality, options.target_unit, window(options.target_window, options.target_unit))
    require_splits(options)
    found, skipped = find()
    studies, doubled = renamed(found)
    skipped += doubled
    for entry in skipped:
        report(str(entry))
    patients: dict[str, str] = {}
    imported = 0
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
                case, note = _prepare(study, options)
                writer.add_case(study.patient, study.study, **case)
            except (CaseFault, DatasetError) as fault:
                skipped.append(Skipped(name, str(fault)))
                report(str(skipped[-1]))
                continue
            patients[study.patient] = study.split
            imported += 1
            report(f"{name}: {note}")
        if not patients:
            if not skipped:
                raise DatasetError(f"nothing of this layout was found; see: benchmark data import {generator} --help")
            raise DatasetError(f"no study could be imported ({len(skipped)} skipped); first: {skipped[0]}")
        given = patients if all(patients.values()) else {}
        writer.set_splits(make_splits(options, list(patients), given, report))
    what = f"{_count(imported, 'study', 'studies')} of {_count(len(patients), 'patient', 'patients')}"
    report(f"{what} imported, {len(skipped)} skipped")


def window(text: str, unit: str) -> Window:
    """An intensity window from ``LOW:HIGH``, ``LOW%:HIGH%`` or ``auto``.

    Raises:
        UsageError: it is none of these.
    """
    if text == "auto":
        return AUTO_WINDOWS.get(unit, Window(0.5, 99.5, "percentile"))
    ends = text.split(":")
    percent = [end.strip().endswith("%") for end in ends]
    try:
        if len(ends) != 2 or percent[0] != percent[1]:
            raise ValueError("give two numbers, or two percentages")
        low, high = (float(end.strip().removesuffix("%")) for end in ends)
        if not np.isfinite([low, high]).all():
            raise ValueError("not finite")
        return Window(low, high, "percentile" if percent[0] else "fixed")
    except ValueError as error:
        raise UsageError(f"window {text!r}: write LOW:HIGH, LOW%:HIGH% or auto ({error})") from None


def _prepare(study: Study, options: ScanOptions) -> tuple[dict[str, Any], str]:
    """The arguments of ``add_case`` for one study, and a line about it."""
    scans = _read(study)
    grid = scans.get("target") or scans["source"]
    if study.aligned and len(scans) == 2:
        _require_grid("source", scans["source"], grid)
    region = _region(study, scans, grid, options)
    box = common_box(scans.get("source", grid), grid)
    fixed = crop(grid, box)
    cut = slicing(fixed, VIEWS[options.axis], options.size, own_pixels=options.own_pixels)
    images, inside = {}, region[box]
    for role, scan in scans.items():
        moved, covered = resample(scan, fixed)
        inside = inside & covered
        unit = options.source_unit if role == "source" else options.target_unit
        images[role] = _stored(cut.apply(moved.data, float(moved.data.min())), unit)
    inside = cut.apply(inside, 0.0) > 0.5
    enough, varied = _useful(images, inside, options.min_body)
    useful = np.flatnonzero(enough & varied)
    if not useful.size:
        empty, constant = _counts(enough, varied)
        files = ", ".join(dict.fromkeys(image.name for image in _images(study).values()))
        raise CaseFault(f"{files}: no slice is left, {empty} without enough body, {constant} constant")
    # one affine and spacing hold for a whole study: nothing may be taken out between the ends
    kept = slice(int(useful[0]), int(useful[-1]) + 1)
    inside[~(enough & varied)] = False
    affine = cut.affine.copy()
    affine[:3, 3] += affine[:3, 2] * kept.start
    arrays: dict[str, NDArray[np.generic]] = {**images, "mask": inside}
    if study.labels is not None:
        structures = study.labels.read()
        _require_grid("labels", structures, grid)
        arrays["labels"] = _sliced_labels(structures.data[box], cut, study.labels.name)
    case = {
        **{role: array[kept] for role, array in arrays.items()},
        "spacing": cut.spacing,
        "affine": affine,
        "origins": {role: scan.origin for role, scan in scans.items() if scan.origin},
        "physics": {
            **{f"{role}_file": image.name for role, image in _images(study).items()},
            "slices": list(range(kept.start, kept.stop)),
            "body": _origin(study),
        },
    }
    return case, _note(enough, varied, kept)


def _images(study: Study) -> dict[str, Image]:
    return {role: image for role, image in (("source", study.source), ("target", study.target)) if image is not None}


def _read(study: Study) -> dict[str, Volume]:
    """The sides of a study, a clean image once."""
    found: dict[Image, Volume] = {}
    for image in _images(study).values():
        if image not in found:
            found[image] = image.read()
    return {role: found[image] for role, image in _images(study).items()}


def _origin(study: Study) -> str:
    """Where the region comes from."""
    if study.mask:
        return "given"
    if study.whole:
        return "the whole image"
    return "where the target is not 0" if study.stripped else "made from the images"


def _require_grid(what: str, volume: Volume, grid: Volume) -> None:
    if not same_grid(volume, grid):
        raise CaseFault(f"{what} and target differ in grid: {describe(what, volume)}, {describe('target', grid)}")


def _region(study: Study, scans: Mapping[str, Volume], grid: Volume, options: ScanOptions) -> NDArray[np.bool_]:
    """Where scores will be computed, on the study's grid."""
    if study.mask is not None:
        mask = study.mask.read()
        _require_grid("mask", mask, grid)
        return mask.data > 0
    if study.whole:
        return np.ones(grid.data.shape, bool)
    along = SIDES[VIEWS[options.axis][2]][0]
    if study.stripped:
        return filled(grid.data != 0, along)
    units = {"source": options.source_unit, "target": options.target_unit}
    role = _shows_body(units) if len(scans) == 2 else next(iter(scans))
    region = body_mask(scans[role].data, units[role], along)
    if scans[role] is grid:
        return region
    on_grid, _ = resample(Volume(region.astype(np.float32), scans[role].affine), grid)
    return on_grid.data > 0.5


def _shows_body(units: Mapping[str, str]) -> str:
    """The image that shows the body best: CT if there is one, else MR rather than PET, else the target."""
    if units["target"] != "HU" and (units["source"] == "HU" or (units["target"] == "SUV" and units["source"] != "SUV")):
        return "source"
    return "target"


def _sliced_labels(data: NDArray[np.float32], cut: Slicing, name: str) -> NDArray[np.uint8]:
    """Structures as slices: of each pixel the one that fills most of it, 0 included."""
    values = [int(value) for value in np.unique(data)]
    if any(value < 0 or value > 255 for value in values) or (data % 1).any():
        raise CaseFault(f"{name}: labels are whole numbers from 0 to 255, not {data.min():g} to {data.max():g}")
    shares = np.stack([cut.apply(data == value, float(value == 0)) for value in values])
    labels: NDArray[np.uint8] = np.array(values, np.uint8)[shares.argmax(0)]
    return labels


def _note(enough: NDArray[np.bool_], varied: NDArray[np.bool_], kept: slice) -> str:
    """How many slices a study has, and which kinds were dropped or left without a region."""
    between = _counts(enough[kept], varied[kept])
    empty, constant = (total - some for total, some in zip(_counts(enough, varied), between, strict=True))
    note = _count(kept.stop - kept.start, "slice", "slices")
    if empty or constant:
        note += f"; dropped at the ends: {empty} with too little body, {constant} constant"
    if any(between):
        note += f"; kept between them without a region: {between[0]} with too little body, {between[1]} constant"
    return note


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _counts(enough: NDArray[np.bool_], varied: NDArray[np.bool_]) -> tuple[int, int]:
    """How many slices have too little body, and how many of the others are constant."""
    return int((~enough).sum()), int((enough & ~varied).sum())


def _stored(slices: NDArray[np.float32], unit: str) -> NDArray[np.generic]:
    """Whole HU as int16, masks as the share of the pixel that they fill, all else as it is."""
    if unit == "HU":
        return np.clip(np.rint(slices), -32768, 32767).astype(np.int16)
    if unit == "mask" and (largest := float(slices.max())) > 0:
        shares: NDArray[np.float32] = np.clip(slices / largest, 0, 1)
        return shares
    return slices


def _useful(
    images: Mapping[str, NDArray[np.generic]], inside: NDArray[np.bool_], least: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which slices have enough body, and in which of these both images vary there."""
    enough = inside.mean((1, 2)) >= max(least, 1.0 / inside[0].size)
    varied = enough.copy()
    for index in np.flatnonzero(enough):
        varied[index] = all(np.ptp(image[index][inside[index]]) > 0 for image in images.values())
    return enough, varied


def _provenance(options: ScanOptions, generator: str) -> dict[str, Any]:
    """How the file was made, without the paths of the machine that made it."""
    told = ("licence", "citation")
    values = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in told}
    return {
        "generator": f"benchmark-medical {generator}",
        "options": {name: value for name, value in values.items() if not isinstance(value, Path) and value != ""},
        **{name: getattr(options, name) for name in told if getattr(options, name)},
    }
