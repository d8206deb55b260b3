"""Faults of one case of an ``mi2i/1`` file, and what is kept of it to judge all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.checks.alignment import alignment
from benchmark.data.checks.leakage import SliceIndex
from benchmark.data.checks.pairs import PairStatistics
from benchmark.data.checks.plausibility import SideStatistics
from benchmark.data.checks.problems import AGAIN, Problem
from benchmark.data.checks.resampled import thumbnail
from benchmark.data.format.chunks import read_array
from benchmark.data.format.opening import case_shape, require_channels, require_pair, sides
from benchmark.data.format.schema import CaseKey, array_sha256, arrays_in, role_words, text

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class Gathered:
    """What is known once all cases have been looked at."""

    split_of: dict[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ("source",)
    """The roles of the source's channels."""
    statistics: dict[str, SideStatistics] = field(default_factory=dict)
    slices: SliceIndex = field(default_factory=SliceIndex)
    pairs: dict[str, PairStatistics] = field(default_factory=dict)
    """By the role of the source's channel."""
    thumbnails: dict[CaseKey, NDArray[np.float32]] = field(default_factory=dict)
    """Of the targets."""

    def paired(self, file: h5py.File, key: CaseKey) -> bool:
        """Whether both sides of a case show the same patient at the same place."""
        return bool(file.attrs.get("paired", True)) or self.split_of.get(key.patient) != "train"


def check_case(file: h5py.File, key: CaseKey, path: Path, seen: Gathered) -> Iterator[Problem]:
    """Faults of a case; ``seen`` takes in what is judged once all are known.

    Raises:
        DatasetError: the case is too broken to go on with.
    """
    import numpy as np

    where = str(key)
    group = file[f"cases/{key}"]
    held = arrays_in(group)
    case_shape(group, held, key, str(path))
    if seen.paired(file, key):
        require_pair(held, key, str(path), seen.sources)
    elif "source" in sides(held):
        require_channels(held, key, str(path), seen.sources)
    yield from _check_place(group, where)
    arrays: dict[str, NDArray[np.number]] = {}
    for role, stored_array in held.items():
        arrays[role] = read_array(stored_array)
        stored = stored_array.attrs.get("sha256")
        if stored is None:
            yield Problem("error", where, f"{role_words(role)} has no sha256", AGAIN)
        elif array_sha256(arrays[role]) != text(stored):
            yield Problem("error", where, f"{role_words(role)} is not what was written: its sha256 differs", AGAIN)
    mask = arrays["mask"] != 0
    in_region = mask.any(axis=(1, 2))
    regions = int(np.count_nonzero(in_region))
    if not regions:
        yield Problem("error", where, "the mask is empty, there is nothing to score", "mend or leave out the case")
    elif 2 * regions < len(mask):
        yield Problem(
            "warning",
            where,
            f"the region is empty in {len(mask) - regions} of {len(mask)} slices: neither trained on nor scored",
            "look at the contact sheet: does the mask belong to this case?",
        )
    for role in (*seen.sources, "target"):
        if role not in arrays:
            continue
        array, named = arrays[role], role_words(role)
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        if bad:
            yield Problem("error", where, f"{named} holds {bad} NaN or infinite values", "mend or leave out the case")
            continue
        constant = array.min(axis=(1, 2)) == array.max(axis=(1, 2))
        empty = int(np.count_nonzero(constant & in_region))
        if empty:
            yield Problem(
                "error" if empty == regions else "warning",
                where,
                f"{named} is constant in {empty} of {regions} slices of the region",
                "leave these slices out of the mask, or mend the case",
            )
        if key.patient in seen.split_of:
            seen.slices.add(named, key, seen.split_of[key.patient], array[~constant], np.flatnonzero(~constant))
        if role in seen.statistics:
            seen.statistics[role].add(key, array, mask)
        if role == "target" and (small := thumbnail(array, mask)) is not None:
            seen.thumbnails[key] = small
    # what is drawn in a mask need not be what stands out in a picture: they tell nothing of a shift
    masks = any(statistics.side.unit == "mask" for statistics in seen.statistics.values())
    if masks or not seen.paired(file, key) or not np.isfinite(arrays["target"]).all():
        return
    z, y, x = (float(length) for length in group.attrs["spacing"])
    for role in seen.sources:
        if np.isfinite(arrays[role]).all():
            statistics = seen.pairs.setdefault(role, PairStatistics(source=role_words(role)))
            statistics.add(key, alignment(arrays[role], arrays["target"], mask, (z, y, x)))


def _check_place(group: h5py.Group, where: str) -> Iterator[Problem]:
    """Spacing and affine are what they should be and say the same."""
    import numpy as np

    spacing, affine = np.asarray(group.attrs["spacing"], float), np.asarray(group.attrs["affine"], float)
    sound = True
    if spacing.shape != (3,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        sound = False
        yield Problem("error", where, f"spacing is {spacing.tolist()}, not three lengths in mm", AGAIN)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        sound = False
        yield Problem("error", where, "the affine is not a finite 4x4 matrix", AGAIN)
    if sound:
        lengths = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
        if not np.allclose(lengths, spacing, rtol=1e-3, atol=0):
            said, meant = (" x ".join(f"{length:.4g}" for length in three) for three in (spacing, lengths))
            yield Problem("error", where, f"spacing z, y, x is {said} mm, by the affine it is {meant} mm", AGAIN)
