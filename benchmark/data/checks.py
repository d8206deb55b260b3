"""Find every fault of an ``mi2i/1`` file at once: damage, leakage between splits, implausible units.

An *error* makes scores wrong or unreproducible, and ``benchmark run`` refuses the file; a *warning* is for a
person to judge. The file is read one case at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark.data.leakage import SliceIndex
from benchmark.data.plausibility import SideStatistics
from benchmark.data.reader import Dataset, case_shape, guarded, open_file, require_pair
from benchmark.data.schema import ROLES, SPLITS, CaseKey, array_sha256, side_from_json, text
from benchmark.data.writer import content_sha256, iterate_cases
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

AGAIN = "import or build the file again"

# A two-sided exact paired test over n patients cannot give less than 2 / 2**n: 0.06 with 5 patients, 0.002 with 10.
_FEWEST_TEST_PATIENTS = 6
_FEW_TEST_PATIENTS = 10


@dataclass(frozen=True)
class Problem:
    """One fault: how bad, where in the file, what was found, and what to do about it."""

    severity: Literal["error", "warning"]
    where: str
    what: str
    advice: str


def check(path: Path | str) -> list[Problem]:
    """All faults of a file, errors first; an empty list means that none was found.

    Never raises for what is in the file, however damaged it is.
    """
    path = Path(path)
    try:
        file = open_file(path)
    except DatasetError as error:
        return [_fault(error, "file", path)]
    with file:
        problems = [*_check_file(file, path)]
    # The reader stops at the first fault of the schema; most of them were found above, with all the others.
    try:
        with Dataset(path):
            pass
    except DatasetError as error:
        if not any(problem.what in str(error) for problem in problems):
            problems.append(_fault(error, "file", path))
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.severity != "error")


def require(path: Path | str) -> None:
    """Refuse a file that has errors; warnings pass.

    Raises:
        DatasetError: naming the first five errors and how many there are.
    """
    errors = [problem for problem in check(path) if problem.severity == "error"]
    if errors:
        listed = "; ".join(f"{problem.where}: {problem.what}" for problem in errors[:5])
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        more = ", ..." if len(errors) > 5 else ""
        raise DatasetError(f"{path}: {count}: {listed}{more}; see: benchmark data check {path}")


def _check_file(file: h5py.File, path: Path) -> Iterator[Problem]:
    split_of: dict[str, str] = {}
    yield from _caught("splits", path, _check_splits(file, split_of))
    statistics: dict[str, SideStatistics] = {}
    for role in ("source", "target"):
        try:
            with guarded(f"{path}: {role}"):
                statistics[role] = SideStatistics(*side_from_json(text(file.attrs[role]), f"{path}: {role}"))
        except DatasetError as error:
            yield _fault(error, role, path)
    index = SliceIndex()
    keys: list[CaseKey] = []
    try:
        with guarded(f"{path}: cases"):
            keys = list(iterate_cases(file))
    except DatasetError as error:
        yield _fault(error, "cases", path)
    for key in keys:
        yield from _caught(str(key), path, _check_case(file, key, path, split_of, statistics, index))
    yield from _leaks(index)
    for role, side in statistics.items():
        for what, advice in side.findings():
            yield Problem("warning", role, what, advice)
    yield from _caught("file", path, _check_content(file))


def _caught(where: str, path: Path, found: Iterator[Problem]) -> Iterator[Problem]:
    """The problems that a check finds; where the file itself breaks the check, that is the last of them."""
    try:
        with guarded(f"{path}: {where}"):
            yield from found
    except DatasetError as error:
        yield _fault(error, where, path)


def _fault(error: DatasetError, where: str, path: Path) -> Problem:
    """What the reader says, without what a problem says in other fields."""
    what = str(error).removeprefix(f"{path}: ").removeprefix(f"{where}: ")
    return Problem("error", where, what.removesuffix("; import or build it again"), AGAIN)


def _check_splits(file: h5py.File, split_of: dict[str, str]) -> Iterator[Problem]:
    """Faults of the lists of patients; fills ``split_of``, the (first) split of each patient."""
    counts = {}
    for split in SPLITS:
        names = [text(name) for name in file["splits"][split][()]]
        counts[split] = len(names)
        for name in names:
            if name in split_of:
                yield Problem(
                    "error",
                    "splits",
                    f"patient {name!r} is in both {split_of[name]!r} and {split!r}",
                    "a patient belongs to one split: import again",
                )
            split_of.setdefault(name, split)
    for name in sorted(set(file["cases"]) - set(split_of)):
        yield Problem("warning", "splits", f"patient {name!r} is in no split and is never used", AGAIN)
    if not counts["val"]:
        yield Problem(
            "warning", "splits", "no validation patients", "models are taken as they are after their last step"
        )
    if 0 < counts["test"] < _FEWEST_TEST_PATIENTS:
        yield Problem(
            "warning",
            "splits",
            f"test patients: {counts['test']}; no paired test at 5 % can become significant",
            f"have at least {_FEWEST_TEST_PATIENTS} test patients, better {_FEW_TEST_PATIENTS} or more",
        )
    elif 0 < counts["test"] < _FEW_TEST_PATIENTS:
        yield Problem(
            "warning",
            "splits",
            f"test patients: {counts['test']}; too few for a significance test of several models",
            f"have at least {_FEW_TEST_PATIENTS} test patients",
        )


def _check_case(
    file: h5py.File,
    key: CaseKey,
    path: Path,
    split_of: dict[str, str],
    statistics: dict[str, SideStatistics],
    index: SliceIndex,
) -> Iterator[Problem]:
    import numpy as np

    where = str(key)
    group = file[f"cases/{key}"]
    case_shape(group, key, str(path))
    if bool(file.attrs.get("paired", True)) or split_of.get(key.patient) != "train":
        require_pair(group, key, str(path))
    spacing, affine = np.asarray(group.attrs["spacing"], float), np.asarray(group.attrs["affine"], float)
    if spacing.shape != (3,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        yield Problem("error", where, f"spacing is {spacing.tolist()}, not three lengths in mm", AGAIN)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        yield Problem("error", where, "the affine is not a finite 4x4 matrix", AGAIN)
    arrays: dict[str, NDArray[np.number]] = {}
    for role in ROLES:
        if role in group:
            arrays[role] = group[role][()]
            stored = group[role].attrs.get("sha256")
            if stored is None:
                yield Problem("error", where, f"{role} has no sha256", AGAIN)
            elif array_sha256(arrays[role]) != text(stored):
                yield Problem("error", where, f"{role} is not what was written: its sha256 differs", AGAIN)
    mask = arrays["mask"] != 0
    if not mask.any():
        yield Problem("error", where, "the mask is empty, there is nothing to score", "mend or leave out the case")
    in_region = mask.any(axis=(1, 2))
    for role in ("source", "target"):
        if role not in arrays:
            continue
        array = arrays[role]
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        if bad:
            yield Problem("error", where, f"{role} holds {bad} NaN or infinite values", "mend or leave out the case")
            continue
        constant = array.min(axis=(1, 2)) == array.max(axis=(1, 2))
        empty = int(np.count_nonzero(constant & in_region))
        if empty:
            yield Problem(
                "error" if empty == np.count_nonzero(in_region) else "warning",
                where,
                f"{role} is constant in {empty} of {np.count_nonzero(in_region)} slices of the region",
                "leave these slices out of the mask, or mend the case",
            )
        if key.patient in split_of:
            index.add(role, key, split_of[key.patient], array[~constant], np.flatnonzero(~constant))
        if role in statistics:
            statistics[role].add(array, mask)


def _leaks(index: SliceIndex) -> Iterator[Problem]:
    for twins in index.twins():
        what = f"{twins.role} slices with the pixels of slices of {twins.other}: {twins.count}, first {twins.example}"
        if twins.leaks:
            what = f"leakage: {what}"
            advice = "the same image must not be in two splits: put both patients into one, or leave one out"
        else:
            advice = "leave out what was imported twice"
        yield Problem("error" if twins.leaks else "warning", twins.where, what, advice)


def _check_content(file: h5py.File) -> Iterator[Problem]:
    if content_sha256(file) != text(file.attrs["content_sha256"]):
        what = "content_sha256 differs: pixels, geometry, windows or splits were changed after writing"
        yield Problem("error", "file", what, AGAIN)
