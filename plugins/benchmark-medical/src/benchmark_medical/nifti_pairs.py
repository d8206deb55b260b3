"""Import pairs of NIfTI volumes into one ``mi2i/1`` file, one patient in memory at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.geometry import (
    SIDES,
    VIEWS,
    CaseFault,
    Volume,
    common_box,
    crop,
    describe,
    resample,
    same_grid,
    slicing,
)
from benchmark.data.intensity import Window
from benchmark.data.nifti import load
from benchmark.data.schema import SPLITS, Side
from benchmark.data.writer import DatasetWriter
from benchmark.errors import DatasetError, UsageError
from benchmark_medical.import_options import NiftiPairsOptions
from benchmark_medical.pairing import Skipped, Study, find_studies, plain_name
from benchmark_medical.region import body_mask

AUTO_WINDOWS = {"HU": Window(-1024, 2000), "SUV": Window(0, 10)}
MINIMUM_SIZE = 16


def run(options: NiftiPairsOptions, output: Path, report: Callable[[str], None]) -> None:
    """Import; a study that cannot be used is reported and left out.

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
    shares = split_shares(options.split)
    studies, skipped = find_studies(options)
    for entry in skipped:
        report(str(entry))
    patients: list[str] = []
    with DatasetWriter(
        output,
        task=options.task,
        name=output.stem,
        source=source,
        target=target,
        simulated=False,
        mirror_safe=options.mirror_safe,
        provenance=_provenance(options),
    ) as writer:
        for study in studies:
            name = f"{study.patient}/{study.study}"
            try:
                case, note = _prepare(study, options)
                writer.add_case(study.patient, study.study, **case)
            except (CaseFault, DatasetError) as fault:
                skipped.append(Skipped(name, str(fault)))
                report(str(skipped[-1]))
                continue
            patients.append(study.patient)
            report(f"{name}: {note}")
        if not patients:
            raise DatasetError(
                f"no study could be imported ({len(skipped)} skipped)"
                + (f"; first: {skipped[0]}" if skipped else "; is the folder or pattern right?")
            )
        names = sorted(set(patients))
        if options.split_file is not None:
            writer.set_splits(splits_from_file(options.split_file, names, report))
        else:
            writer.set_splits(random_splits(names, shares, options.seed))
    report(f"{len(patients)} studies of {len(names)} patients imported, {len(skipped)} skipped")


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


def split_shares(text: str) -> tuple[float, float, float]:
    """Shares of train, val and test from ``0.6:0.1:0.3``.

    Raises:
        UsageError: not three numbers of which the first and last are positive.
    """
    try:
        train, validation, test = (float(part) for part in text.split(":"))
    except ValueError:
        raise UsageError(f"--split {text!r}: write three shares, e.g. 0.6:0.1:0.3") from None
    total = train + validation + test
    if not (np.isfinite(total) and train > 0 and validation >= 0 and test > 0):
        raise UsageError(f"--split {text!r}: training and test need a positive share")
    return train / total, validation / total, test / total


def random_splits(patients: Sequence[str], shares: tuple[float, float, float], seed: int) -> dict[str, list[str]]:
    """Patients dealt out at random by shares; training and test get at least one each.

    Raises:
        DatasetError: fewer than two patients.
    """
    if len(patients) < 2:
        raise DatasetError(f"only {len(patients)} patient was imported; training and test need one each")
    order = [patients[i] for i in np.random.default_rng(seed).permutation(len(patients))]
    test = min(max(1, round(shares[2] * len(order))), len(order) - 1)
    validation = min(round(shares[1] * len(order)), len(order) - test - 1)
    return {"test": order[:test], "val": order[test : test + validation], "train": order[test + validation :]}


def splits_from_file(path: Path, patients: Sequence[str], report: Callable[[str], None]) -> dict[str, list[str]]:
    """Splits from a CSV with columns patient and split; patients without a case are reported and left out.

    Raises:
        DatasetError: unreadable, an unknown split, a patient in two splits, or an imported patient in none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as CSV ({error})") from None
    if not rows or not {"patient", "split"} <= set(rows[0]):
        raise DatasetError(f"{path}: needs columns patient and split")
    owner: dict[str, str] = {}
    for row in rows:
        patient, split = plain_name(row["patient"] or ""), row["split"]
        if split not in SPLITS:
            raise DatasetError(f"{path}: split {split!r} of patient {patient!r}; use {', '.join(SPLITS)}")
        if owner.setdefault(patient, split) != split:
            raise DatasetError(f"{path}: patient {patient!r} is in both {owner[patient]!r} and {split!r}")
    if absent := sorted(set(owner) - set(patients)):
        report(f"in {path.name} but not imported: {', '.join(absent)}")
    if unlisted := [name for name in patients if name not in owner]:
        raise DatasetError(f"{path}: in no split: {', '.join(unlisted[:5])}")
    return {split: [name for name in patients if owner[name] == split] for split in SPLITS}


def _prepare(study: Study, options: NiftiPairsOptions) -> tuple[dict[str, Any], str]:
    """The arguments of ``add_case`` for one study, and a line about it."""
    source, target = load(study.source), load(study.target)
    region = None
    if study.mask is not None:
        mask = load(study.mask)
        if not same_grid(mask, target):
            raise CaseFault(f"mask and target differ in grid: {describe('mask', mask)}, {describe('target', target)}")
        region = mask.data > 0
    along = SIDES[VIEWS[options.axis][2]][0]
    if region is None:
        body = _body_source(source, target, options)
        region = body_mask(body.data, options.target_unit if body is target else options.source_unit, along)
        if body is source:
            on_target, _ = resample(Volume(region.astype(np.float32), source.affine), target)
            region = on_target.data > 0.5
    box = common_box(source, target)
    fixed = crop(target, box)
    moved, covered = resample(source, fixed)
    cut = slicing(fixed, VIEWS[options.axis], options.size)
    images = {
        "source": _stored(cut.apply(moved.data, float(moved.data.min())), options.source_unit),
        "target": _stored(cut.apply(fixed.data, float(fixed.data.min())), options.target_unit),
    }
    inside = cut.apply(region[box] & covered, 0.0) > 0.5
    enough, varied = _useful(images, inside, options.min_body)
    useful = np.flatnonzero(enough & varied)
    if not useful.size:
        empty, constant = _counts(enough, varied)
        raise CaseFault(f"no slice is left: {empty} without enough body, {constant} constant")
    # one affine and spacing hold for a whole study: nothing may be taken out between the ends
    kept = slice(int(useful[0]), int(useful[-1]) + 1)
    inside[~(enough & varied)] = False
    affine = cut.affine.copy()
    affine[:3, 3] += affine[:3, 2] * kept.start
    case = {
        **{role: image[kept] for role, image in images.items()},
        "mask": inside[kept],
        "spacing": cut.spacing,
        "affine": affine,
        "physics": {
            "source_file": study.source.name,
            "target_file": study.target.name,
            "slices": list(range(kept.start, kept.stop)),
            "body": "given" if study.mask is not None else "made from the images",
        },
    }
    return case, _note(enough, varied, kept)


def _note(enough: NDArray[np.bool_], varied: NDArray[np.bool_], kept: slice) -> str:
    """How many slices a study has, and which kinds were dropped or left without a region."""
    between = _counts(enough[kept], varied[kept])
    empty, constant = (total - some for total, some in zip(_counts(enough, varied), between, strict=True))
    note = f"{kept.stop - kept.start} slices; dropped at the ends: {empty} with too little body, {constant} constant"
    if any(between):
        note += f"; kept between them without a region: {between[0]} with too little body, {between[1]} constant"
    return note


def _counts(enough: NDArray[np.bool_], varied: NDArray[np.bool_]) -> tuple[int, int]:
    """How many slices have too little body, and how many of the others are constant."""
    return int((~enough).sum()), int((enough & ~varied).sum())


def _body_source(source: Volume, target: Volume, options: NiftiPairsOptions) -> Volume:
    """The image that shows the body best: CT if there is one, else MR rather than PET, else the target."""
    if options.target_unit != "HU" and (
        options.source_unit == "HU" or (options.target_unit == "SUV" and options.source_unit != "SUV")
    ):
        return source
    return target


def _stored(slices: NDArray[np.float32], unit: str) -> NDArray[np.generic]:
    """Whole HU as int16, all else as it is."""
    if unit == "HU":
        return np.clip(np.rint(slices), -32768, 32767).astype(np.int16)
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


def _provenance(options: NiftiPairsOptions) -> dict[str, Any]:
    """How the file was made, without the paths of the machine that made it."""
    kept = ("source", "target", "mask", "axis", "size", "split", "seed", "min_body")
    return {
        "generator": "benchmark-medical nifti-pairs",
        "options": {name: getattr(options, name) for name in kept},
        **{name: getattr(options, name) for name in ("licence", "citation") if getattr(options, name)},
    }
