"""Which patients train, validate and test: as the layout has it, from a file, dealt out by shares, or by folds."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.data.format.schema import SPLITS
from benchmark.errors import DatasetError, UsageError
from benchmark_medical.importing.options import SplitOptions
from benchmark_medical.importing.studies import plain_name

Splits = dict[str, list[str]]


def require_splits(options: SplitOptions) -> None:
    """Refuse options that make no split, before anything is read.

    Raises:
        UsageError: says which, and what would do.
    """
    split_shares(options.split)
    if options.folds and options.folds < 2:
        raise UsageError(f"--folds {options.folds}: at least 2")
    if options.folds and not 0 <= options.fold < options.folds:
        raise UsageError(f"--fold {options.fold}: from 0 to {options.folds - 1}")
    if options.fold and not options.folds:
        raise UsageError("--fold needs --folds")
    if options.folds and options.split_file is not None:
        raise UsageError("give either --folds or --split-file")


def make_splits(
    options: SplitOptions, patients: Sequence[str], given: Mapping[str, str], report: Callable[[str], None]
) -> Splits:
    """Splits of the imported patients. ``given`` are those of the layout, by patient; options come first.

    Raises:
        DatasetError: they cannot be made.
    """
    names = sorted(set(patients))
    if options.split_file is not None:
        return splits_from_file(options.split_file, names, report)
    if options.folds:
        return fold_splits(names, options.folds, options.fold, split_shares(options.split)[1], options.seed)
    if given:
        return {split: [name for name in names if given[name] == split] for split in SPLITS}
    return random_splits(names, split_shares(options.split), options.seed)


def split_shares(text: str) -> tuple[float, float, float]:
    """Shares of train, val and test from ``0.6:0.1:0.3``.

    Raises:
        UsageError: not three numbers of which the last is positive.
    """
    try:
        train, validation, test = (float(part) for part in text.split(":"))
    except ValueError:
        raise UsageError(f"--split {text!r}: write three shares, e.g. 0.6:0.1:0.3") from None
    total = train + validation + test
    if not (np.isfinite(total) and train >= 0 and validation >= 0 and test > 0):
        raise UsageError(f"--split {text!r}: no share is negative, and the test set needs a positive share")
    if train == 0 and validation > 0:
        raise UsageError(f"--split {text!r}: without training there is nothing to validate; 0:0:1 is a test set")
    return train / total, validation / total, test / total


def random_splits(patients: Sequence[str], shares: tuple[float, float, float], seed: int) -> Splits:
    """Patients dealt out at random by shares; training (if it has a share) and test get at least one each.

    Raises:
        DatasetError: fewer than two patients to share out.
    """
    if not shares[0]:
        return {"train": [], "val": [], "test": list(patients)}
    if len(patients) < 2:
        raise DatasetError(
            f"only {len(patients)} patient was imported; training and test need one each (--split 0:0:1: a test set)"
        )
    order = _shuffled(patients, seed)
    test = min(max(1, round(shares[2] * len(order))), len(order) - 1)
    validation = min(round(shares[1] * len(order)), len(order) - test - 1)
    return {"test": order[:test], "val": order[test : test + validation], "train": order[test + validation :]}


def fold_splits(patients: Sequence[str], folds: int, fold: int, validation: float, seed: int) -> Splits:
    """One of ``folds`` cross-validation splits: each patient is tested in exactly one of them.

    ``validation`` is the share of all patients that validates, taken from those that are not tested.

    Raises:
        DatasetError: fewer patients than folds.
    """
    if len(patients) < folds:
        raise DatasetError(f"{len(patients)} patients cannot be dealt out to {folds} folds")
    order = _shuffled(patients, seed)
    test = order[fold::folds]
    rest = [name for name in order if name not in test]
    held = min(round(validation * len(order)), len(rest) - 1)
    return {"test": test, "val": rest[:held], "train": rest[held:]}


def _shuffled(patients: Sequence[str], seed: int) -> list[str]:
    return [patients[place] for place in np.random.default_rng(seed).permutation(len(patients))]


def splits_from_file(path: Path, patients: Sequence[str], report: Callable[[str], None]) -> Splits:
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
