"""A scan handed in twice at two resolutions is found; different people are left in peace."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from benchmark.data.checks.resampled import BLOCKS, same_scans, thumbnail
from benchmark.data.format.schema import CaseKey

Image = NDArray[np.float64]
SHAPE = (18, 64, 56)


def person(seed: int) -> Image:
    """A lopsided body in HU, of its own size and with tissue of its own."""
    random = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij")
    inside = (x + 0.1) ** 2 / random.uniform(0.5, 0.8) + (y - 0.1) ** 2 / random.uniform(0.4, 0.7) + z**2 / 4 < 1
    field = gaussian_filter(random.normal(size=SHAPE), (2, 5, 5))
    tissue = np.digitize(field, np.quantile(field[inside], [0.3, 0.6, 0.9]))
    return np.where(inside, np.array([-90.0, 40, 60, 700])[tissue], -1000.0)


def shown(*scans: Image) -> list[tuple[str, str]]:
    thumbnails = {}
    for number, scan in enumerate(scans):
        small = thumbnail(scan, scan > -500)
        assert small is not None
        assert small.shape == BLOCKS
        thumbnails[CaseKey(f"p{number}", "s1")] = small
    return [(first.patient, second.patient) for first, second in same_scans(thumbnails)]


COPIES: dict[str, Callable[[Image], Image]] = {
    "coarser in the plane": lambda scan: zoom(scan, (1, 0.6, 0.6), order=1, mode="nearest"),
    "finer": lambda scan: zoom(scan, (1, 1.7, 1.7), order=1, mode="nearest"),
    "thicker slices": lambda scan: zoom(scan, (0.5, 1, 1), order=1, mode="nearest"),
    "other pixels and another contrast": lambda scan: 0.5 * zoom(scan, (0.8, 0.9, 0.7), order=1, mode="nearest") - 300,
    "with air around": lambda scan: np.pad(
        zoom(scan, (1, 0.8, 0.8), order=1, mode="nearest"), ((2, 1), (9, 4), (3, 8)), constant_values=-1000
    ),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("people", [3, 9])
def test_a_copy_on_another_grid_is_found(how: str, people: int) -> None:
    scans = [person(seed) for seed in range(people)]
    copy = COPIES[how](scans[1])
    if how == "other pixels and another contrast":
        small = thumbnail(copy, copy > -550)
        assert small is not None
        thumbnails = {CaseKey(f"p{seed}", "s1"): thumbnail(scan, scan > -500) for seed, scan in enumerate(scans)}
        assert [*same_scans({**thumbnails, CaseKey("copy", "s1"): small})] == [  # type: ignore[dict-item]
            (CaseKey("p1", "s1"), CaseKey("copy", "s1"))
        ]
        return
    assert shown(*scans, copy) == [("p1", f"p{people}")]


def test_many_copies_of_one_scan_are_each_said_once() -> None:
    visits = [person(0), person(1), *(COPIES[how](person(0)) for how in ("finer", "thicker slices"))]
    assert shown(*visits) == [("p0", "p2"), ("p0", "p3")]


@pytest.mark.parametrize("people", [2, 5, 12])
def test_different_people_are_left_in_peace(people: int) -> None:
    assert shown(*(person(seed) for seed in range(people))) == []


def test_studies_of_one_patient_and_small_bodies_say_nothing() -> None:
    small = thumbnail(person(0), person(0) > -500)
    assert small is not None
    assert [*same_scans({CaseKey("p", "s1"): small, CaseKey("p", "s2"): small})] == []
    assert thumbnail(person(0)[:3], person(0)[:3] > -500) is None
    assert thumbnail(person(0), np.zeros(SHAPE, bool)) is None
