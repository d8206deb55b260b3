"""Whether what is called a patient is one person: dates or sites in the place of patients, and copies of a scan.

Splits are by patient. Where the folders of an archive are called by date or by site, one person stands under several
names, and may be trained on and tested; the same scan under two names does the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from benchmark.data.checks.identity import date_in
from benchmark.data.format.schema import CaseKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_USUAL_STUDY = re.compile(
    r"(s|ses|sess|session|study|visit|v|t|tp|time|timepoint|scan|exam|week|w|month|m|day|d|year|y|pre|post|baseline|"
    r"follow[-_]?up|fu|bl|before|after|test|retest)?[-_]?\d*(?:m|mo|months?)?",
    re.IGNORECASE,
)
"""Names that any patient's study may have."""
_SITE = re.compile(r"(site|cent(er|re)|hospital|clinic|scanner|institut\w*|room)[-_ ]?\w{0,3}", re.IGNORECASE)
_MANY_STUDIES = 4
_ADVICE = (
    "splits are by patient: where another folder names the patient, say which one when importing, e.g. "
    "--source '{date}/{patient}/mr.nii.gz', or give a manifest"
)

WINDOW = 6
"""Pixels a side of the squares that are hashed."""
KEPT = 64
"""Hashes kept of a volume."""
SHARED = 2
"""So many in common and two volumes have content in common."""
_MOST_EQUAL = 0.5


def doubts(keys: Sequence[CaseKey]) -> Iterator[tuple[str, str]]:
    """What speaks against the patients' names being those of persons, and what to do about it."""
    studies: dict[str, set[str]] = defaultdict(set)
    patients: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        studies[key.patient].add(key.study)
        patients[key.study].add(key.patient)
    if dated := [name for name in sorted(studies) if date_in(name)]:
        yield (
            f"{len(dated)} of {len(studies)} patients are called by what looks like a date, first {dated[0]!r}",
            _ADVICE,
        )
    if sited := [name for name in sorted(studies) if _SITE.fullmatch(name)]:
        yield f"{len(sited)} of {len(studies)} patients are called as a site or scanner is, first {sited[0]!r}", _ADVICE
    shared = [
        name for name in sorted(patients)
        if len(patients[name]) > 1 and not _USUAL_STUDY.fullmatch(name) and not date_in(name)
    ]  # fmt: skip
    if shared:
        owners = sorted(patients[shared[0]])
        yield (
            f"{len(shared)} of {len(patients)} names of studies stand under several patients, {shared[0]!r} under "
            f"{owners[0]!r} and {len(owners) - 1} more: one person under several names?",
            _ADVICE,
        )
    elif len(studies) > 1 and median(map(len, studies.values())) >= _MANY_STUDIES and not (dated or sited):
        names = {
            name for own in studies.values() for name in own if not _USUAL_STUDY.fullmatch(name) and not date_in(name)
        }
        if len(names) == len(keys):  # each study's name is there once: rather a person's
            yield f"{len(studies)} patients have {len(keys)} studies, each with a name of its own", _ADVICE


def fingerprint(volume: NDArray[np.number]) -> list[str]:
    """Hashes of a scan's content that survive a crop: the smallest of all squares in its planes ``(x, y, z)``.

    What is constant (air, padding) says nothing and is left out; a volume of nothing else has no fingerprint. Of two
    volumes of which one is cut out of the other, the smallest hashes are the same ones, as far as they lie in the cut
    (min-wise hashing, Broder 1997). Resampled copies have other values, and other hashes.
    """
    import numpy as np

    if min(volume.shape[:2]) < WINDOW:
        return []
    factors = np.random.default_rng(20_240_229).integers(1, 1 << 62, WINDOW * WINDOW, dtype=np.uint64) | np.uint64(1)
    width = volume.shape[1]
    steps = (np.arange(WINDOW)[:, None] * width + np.arange(WINDOW)).ravel()
    smallest = np.empty(0, np.uint64)
    for index in range(volume.shape[2]):
        plane = np.ascontiguousarray(volume[:, :, index], np.float32) + np.float32(0)  # -0.0 and 0.0 are one
        bits = plane.view(np.uint32)
        chosen = (bits * np.uint32(2_654_435_761)) >> np.uint32(28) == 0  # one value in sixteen starts a square
        starts = np.flatnonzero(chosen[: 1 - WINDOW, : 1 - WINDOW])
        rows, columns = np.divmod(starts, width - WINDOW + 1)
        squares = bits.ravel()[(rows * width + columns)[:, None] + steps]
        equal = squares[:, 1:] == squares[:, :-1]
        squares = squares[equal.mean(1) < _MOST_EQUAL]
        mixed = (squares.astype(np.uint64) + np.uint64(1)) * factors
        hashes = np.bitwise_xor.reduce(mixed ^ (mixed >> np.uint64(29)), axis=1)
        smallest = np.unique(np.concatenate([smallest, hashes]))[:KEPT]
    return [f"{value:016x}" for value in smallest.tolist()]


def copies(prints: Mapping[CaseKey, Sequence[str]]) -> Iterator[tuple[CaseKey, CaseKey, int]]:
    """Cases of different patients whose fingerprints share hashes, and how many."""
    owners: dict[str, list[CaseKey]] = defaultdict(list)
    counts: dict[tuple[CaseKey, CaseKey], int] = defaultdict(int)
    for key, hashes in prints.items():
        for value in set(hashes):
            for other in owners[value]:
                if other.patient != key.patient:
                    counts[other, key] += 1
            owners[value].append(key)
    for (first, second), number in sorted(counts.items(), key=lambda item: (str(item[0][0]), str(item[0][1]))):
        if number >= SHARED:
            yield first, second, number
