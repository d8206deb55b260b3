"""Find every fault of an ``mi2i/1`` file at once: damage, leakage, implausible units, wrong pairs, names of patients.

An *error* makes scores wrong or unreproducible, or says who a patient is, and ``benchmark run`` refuses the file; a
*warning* is for a person to judge. The file is read one case at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import atomic
from benchmark.data.checks import identity, persons
from benchmark.data.checks.case import Gathered, check_case
from benchmark.data.checks.leakage import SliceIndex, alike
from benchmark.data.checks.plausibility import SideStatistics
from benchmark.data.checks.problems import AGAIN, Problem
from benchmark.data.checks.resampled import same_scans
from benchmark.data.format import croissant
from benchmark.data.format.facts import USUAL_PIXELS
from benchmark.data.format.fitting import fitted_window
from benchmark.data.format.opening import guarded, open_file
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import (
    SPLITS,
    CaseKey,
    role_words,
    side_from_json,
    source_roles,
    sources_from_json,
    text,
)
from benchmark.data.format.writer import content_sha256, iterate_cases
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import h5py

# A two-sided exact paired test over n patients cannot give less than 2 / 2**n: 0.06 with 5 patients, 0.002 with 10.
_FEWEST_TEST_PATIENTS = 6
_FEW_TEST_PATIENTS = 10
# So many cases are listed one by one when the same is said of each.
_LISTED = 2


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
    return _collected(problems)


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
    seen = Gathered()
    yield from _caught("splits", path, _check_splits(file, seen.split_of))
    for role in ("source", "target"):
        try:
            with guarded(f"{path}: {role}"):
                seen.statistics |= _sides(file, role, f"{path}: {role}")
        except DatasetError as error:
            yield _fault(error, role, path)
    seen.sources = tuple(role for role in seen.statistics if role != "target") or seen.sources
    keys: list[CaseKey] = []
    try:
        with guarded(f"{path}: cases"):
            keys = list(iterate_cases(file))
    except DatasetError as error:
        yield _fault(error, "cases", path)
    sound = True
    for key in keys:
        for problem in _caught(str(key), path, check_case(file, key, path, seen)):
            sound = sound and problem.severity != "error"
            yield problem
    yield from _leaks(seen.slices)
    for role, side in seen.statistics.items():
        for severity, what, advice in side.findings():
            yield Problem(severity, role_words(role), what, advice)
        if sound:
            yield from _caught(role_words(role), path, _check_window(file, role, side, keys, seen.split_of))
    for pairs in seen.pairs.values():
        for what, advice, cases in pairs.findings():
            yield Problem("warning", "pairs", what, advice, cases)
    yield from _caught("splits", path, _check_persons(file, keys, seen))
    yield from _caught("cases", path, _check_scale(file, keys))
    yield from _caught("file", path, _check_identity(file, keys))
    yield from _caught("file", path, _check_content(file))
    stated = croissant.stated_sha256(path)
    if stated is not None and stated != atomic.sha256_file(path):
        what = f"{croissant.beside(path).name} describes another file than this one"
        yield Problem("warning", "file", what, "write it anew with: benchmark data inspect FILE")


def _sides(file: h5py.File, role: str, where: str) -> dict[str, SideStatistics]:
    """What is gathered of a side, of a source of several channels by channel."""
    written = text(file.attrs[role])
    if role == "target":
        return {role: SideStatistics(*side_from_json(written, where))}
    channels = sources_from_json(written, text(file.attrs["schema"]), where)
    roles = source_roles([side for side, _ in channels])
    return {role: SideStatistics(*channel) for role, channel in zip(roles, channels, strict=True)}


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
    for first, second in alike(split_of):
        yield Problem(
            "warning",
            "splits",
            f"patients {first!r} ({split_of[first]}) and {second!r} ({split_of[second]}) may be one: their names "
            "differ in case, punctuation or leading zeros only",
            "put both into one split if they are",
        )
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


def _check_window(
    file: h5py.File, role: str, side: SideStatistics, keys: list[CaseKey], split_of: dict[str, str]
) -> Iterator[Problem]:
    """The window is what its rule gives on the training patients: a fit that has seen others is leakage."""
    training = [key for key in keys if split_of.get(key.patient) == "train"]
    if not training:
        return
    again = fitted_window(file, role, side.side, training)
    if max(abs(again.low - side.window.low), abs(again.high - side.window.high)) > 1e-5 * again.width:
        what = (
            f"the window is {side.window.low:g}..{side.window.high:g}, its rule gives {again.low:g}..{again.high:g} "
            "on the training patients"
        )
        yield Problem(
            "error", role_words(role), what, "fit windows on training patients only: import or build the file again"
        )


def _check_identity(file: h5py.File, keys: list[CaseKey]) -> Iterator[Problem]:
    """Nothing in the file says who a patient is."""
    for mark in identity.marks(file, keys):
        advice = "leave it out when importing, or give a pseudonym; look at the file with: h5dump -A FILE"
        yield Problem("error" if mark.certain else "warning", mark.where, mark.what, advice)


def _check_persons(file: h5py.File, keys: list[CaseKey], seen: Gathered) -> Iterator[Problem]:
    """What is called a patient is one person, and nobody is there under two names."""
    split_of, told = seen.split_of, set()
    for what, advice in persons.doubts(keys):
        yield Problem("warning", "splits", what, advice)
    prints = {key: _content(file, key) for key in keys}
    for first, second, number in persons.copies(prints):
        told.add((first, second))
        leaks = split_of.get(first.patient) != split_of.get(second.patient)
        what = (
            f"the scan is that of {first} ({split_of.get(first.patient)}), or a part of it: {number} of its marks agree"
        )
        yield Problem(
            "error" if leaks else "warning",
            f"{second} ({split_of.get(second.patient)})",
            f"leakage: {what}" if leaks else what,
            "one scan, one patient: leave one of them out when importing (--exclude)",
        )
    for first, second in same_scans(seen.thumbnails):
        if (first, second) not in told and (second, first) not in told:
            yield Problem(
                "warning",
                f"{second} ({split_of.get(second.patient)})",
                f"the scan looks like that of {first} ({split_of.get(first.patient)}) on another grid",
                "look at both; one scan, one patient: leave one of them out when importing (--exclude)",
            )


def _content(file: h5py.File, key: CaseKey) -> list[str]:
    """The fingerprint of a case's scan, where its importer noted one."""
    written = json.loads(text(file[f"cases/{key}"].attrs.get("physics", "{}")))
    content = written.get("content", []) if isinstance(written, dict) else []
    return [value for value in content if isinstance(value, str)] if isinstance(content, list) else []


def _check_scale(file: h5py.File, keys: list[CaseKey]) -> Iterator[Problem]:
    """Anatomy appears at one scale in all cases."""
    pixels = {key: float(file[f"cases/{key}"].attrs["spacing"][1]) for key in keys}
    if not pixels:
        return
    low, high = min(pixels, key=lambda key: pixels[key]), max(pixels, key=lambda key: pixels[key])
    if pixels[high] > (1 + USUAL_PIXELS) * pixels[low] > 0:
        yield Problem(
            "warning",
            "cases",
            f"pixels measure {pixels[low]:.3g} mm ({low}) to {pixels[high]:.3g} mm ({high}): anatomy appears at "
            "different scales",
            "import with --spacing, which gives all patients pixels of one size",
        )


def _collected(problems: list[Problem]) -> list[Problem]:
    """The same remark about many cases as one, with how many they are."""
    places: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in dict.fromkeys(problems):
        places.setdefault((problem.severity, problem.what, problem.advice), []).append(problem)
    kept: list[Problem] = []
    for (severity, _, _), same in places.items():
        if severity == "warning" and len(same) > _LISTED:
            where = tuple(problem.where for problem in same)
            same = [replace(same[0], where=f"{where[0]} and {len(where) - 1} more", cases=same[0].cases or where)]
        kept += same
    return sorted(kept, key=lambda problem: problem.severity != "error")


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
