"""Pairs that do not lie on each other are found, with how far; pairs that do are left in peace."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from small_datasets import Arrays, write

from benchmark.data.checks.alignment import Alignment, alignment
from benchmark.data.checks.file import Problem, check
from benchmark.data.checks.pairs import PairStatistics
from benchmark.data.format.schema import CaseKey

SPACING = (3.0, 2.0, 1.0)


def tissue(seed: int, *, slices: int = 8, side: int = 48) -> tuple[NDArray, NDArray, NDArray]:
    """A lopsided body of a few tissues: source and target in grey values that go neither up nor down together, mask."""
    random = np.random.default_rng(seed)
    field = gaussian_filter(random.normal(size=(slices + 8, side + 16, side + 16)), (2, 4, 4))[4:-4, 8:-8, 8:-8]
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    body = np.broadcast_to((rows - 0.1) ** 2 + 1.4 * (columns + 0.15) ** 2 < 0.55, field.shape)
    kind = np.where(body, 1 + np.digitize(field, np.quantile(field[body], [0.3, 0.5, 0.8])), 0)
    source = np.array([0.0, 900.0, 300.0, 1200.0, 500.0])[kind] + random.normal(0, 40, kind.shape)
    target = np.array([-1000.0, -80.0, 40.0, 60.0, 700.0])[kind] + random.normal(0, 15, kind.shape)
    return source, target, body


def measured(source: NDArray, target: NDArray, mask: NDArray) -> Alignment:
    found = alignment(source, target, mask, SPACING)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(4))
def test_an_aligned_pair_is_left_in_peace(seed: int) -> None:
    found = measured(*tissue(seed))
    assert found.length < 0.3
    assert not found.apart
    assert not found.flipped


@pytest.mark.parametrize("shift", [(0, 1, 0), (0, 0, -3), (0, -4, 5), (1, 0, 0), (-2, 2, 1)])
@pytest.mark.parametrize("seed", range(2))
def test_a_shift_is_measured_in_mm_with_its_sign(seed: int, shift: tuple[int, int, int]) -> None:
    source, target, mask = tissue(seed)
    found = measured(np.roll(source, shift, axis=(0, 1, 2)), target, mask)
    assert found.apart
    assert found.shift == pytest.approx(np.multiply(shift, SPACING), abs=0.3)
    assert found.length == pytest.approx(np.linalg.norm(found.shift))


def test_large_slices_are_measured_in_their_own_pixels() -> None:
    source, target, mask = (np.repeat(np.repeat(a, 4, axis=1), 4, axis=2) for a in tissue(0))
    found = measured(np.roll(source, 8, axis=2), target, mask)
    assert found.shift[2] == pytest.approx(8 * SPACING[2], abs=1)
    assert found.pixels == pytest.approx(8, abs=1)


@pytest.mark.parametrize(("axis", "how"), [(0, "slices in reverse"), (1, "top to bottom"), (2, "left to right")])
def test_a_mirrored_source_is_told_from_a_shifted_one(axis: int, how: str) -> None:
    source, target, mask = tissue(1)
    assert how in measured(np.flip(source, axis), target, mask).flipped
    assert not measured(np.roll(source, 3, axis=2), target, mask).flipped


@pytest.mark.parametrize("spoilt", [(7,), (6, 7), (1, 2)])
def test_slices_that_look_like_a_neighbour_are_no_shift(spoilt: tuple[int, ...]) -> None:
    """Degraded slices fit their less degraded neighbours better; a shift is of all slices."""
    source, target, mask = tissue(2, slices=9)
    target = np.broadcast_to(target[4], target.shape).copy()  # neighbours are alike
    source = np.broadcast_to(source[4], source.shape).copy()
    for number in spoilt:
        source[number] = gaussian_filter(source[number], 4)
    found = measured(source, target, mask)
    assert found.gain > 1.05, "the neighbours do fit better"
    assert not found.apart
    assert measured(np.roll(source, 3, axis=1), target, mask).apart


def test_nothing_is_said_of_what_is_too_small_or_empty() -> None:
    source, target, mask = tissue(0)
    assert alignment(source[:, :20, :20], target[:, :20, :20], mask[:, :20, :20], SPACING) is None
    assert alignment(source, target, np.zeros_like(mask), SPACING) is None
    assert alignment(np.zeros_like(source), target, mask, SPACING) is None
    assert alignment(np.random.default_rng(0).normal(size=source.shape), target, mask, SPACING) is None


def planted(path: Path, shifts: dict[str, int], flipped: tuple[str, ...] = ()) -> list[Problem]:
    def plant(patient: str, arrays: Arrays) -> None:
        source, target, mask = tissue(zlib.crc32(patient.encode()))
        if patient in flipped:
            source = source[:, :, ::-1]
        arrays["source"] = np.roll(source, shifts.get(patient, 0), axis=2).astype(np.float32)
        arrays["target"], arrays["mask"] = np.rint(target).astype(np.int16), mask

    return check(write(path, splits={"train": 2, "val": 1, "test": 10}, change=plant))


def test_check_names_the_cases_and_the_way(tmp_path: Path) -> None:
    assert planted(tmp_path / "good.h5", {}) == []
    (found,) = planted(tmp_path / "d.h5", {"test3": 4, "train1": -2})
    assert (found.severity, found.where) == ("warning", "pairs")
    assert "beside target in 2 of 13 cases: test3/s1 by 4." in found.what
    assert "; train1/s1 by 2." in found.what
    assert "register" in found.advice


def test_check_names_mirrored_sources(tmp_path: Path) -> None:
    (found,) = (problem for problem in planted(tmp_path / "d.h5", {}, flipped=("test3",)) if problem.where == "pairs")
    assert "mirrored left to right in 1 of 13 cases: test3/s1" in found.what


def test_a_common_shift_is_taken_for_a_fault_of_the_import() -> None:
    def off(y: float, x: float) -> Alignment:
        return Alignment((0.0, y, x), 3.0, 0, 1.5, (0.5, 0.5, 0.5), 1.0)

    def advice(*found: Alignment) -> str:
        statistics = PairStatistics({CaseKey(f"p{number}", "s"): one for number, one in enumerate(found)})
        ((_, advice, cases),) = statistics.findings()
        assert len(cases) == len(found), "every pair is listed, where the words name three"
        return advice

    assert "origin or axis" in advice(off(3, 0.2), off(3.1, 0), off(2.8, -0.3))
    assert "register" in advice(off(3, 0), off(-3, 0), off(0, 3))
