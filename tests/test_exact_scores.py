"""Scores without an error left to measure decide no mean: an unchanged slice, a copied target, what rounding leaves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark.scoring.aggregate import Values
from benchmark.scoring.exact import EXACT_DB, exact_from, mean_of

PATIENTS = tuple("abcdefgh")


def means(slices: np.ndarray, exact: float | None = None) -> list[float]:
    """Decibels ``(patients, slices)`` as patients' means; with ``exact`` in place of each patient's last slice."""
    values = Values(by_study=False, exact=exact_from("dB", higher_is_better=True))
    for patient, row in zip(PATIENTS, slices.tolist(), strict=True):
        values.add(patient, "s1", [*row[:-1], row[-1] if exact is None else exact])
    cohort = values.cohort(PATIENTS)
    assert cohort.infinite == ()
    return [value for value in cohort.patients.values() if value is not None]


@pytest.mark.parametrize("exact", [math.inf, 300.0, 150.0, EXACT_DB])
def test_one_exact_slice_of_each_patient_lifts_nobody_over_a_better_model(exact: float) -> None:
    rng = np.random.default_rng(0)
    good = 30 + rng.normal(0.0, 1.0, (8, 10))
    cheat = good - 5 + rng.normal(0.0, 0.5, (8, 10))
    ours, theirs = means(good), means(cheat, exact)
    assert all(their < our - 2 for our, their in zip(ours, theirs, strict=True))
    assert all(their <= best for their, best in zip(theirs, cheat.max(axis=1), strict=True))


def test_being_right_is_not_punished_and_its_size_does_not_count() -> None:
    worse, better = [20.0, 24.0, 22.0], [20.0, 24.0, math.inf]
    assert mean_of(better, EXACT_DB) == mean_of([20.0, 24.0, 200.0], EXACT_DB) > mean_of(worse, EXACT_DB)


def test_what_is_exact_throughout_is_infinite_and_an_endless_error_is_no_merit() -> None:
    assert mean_of([math.inf, 120.0], EXACT_DB) == math.inf
    assert exact_from("HU", higher_is_better=False) is None
    assert mean_of([1.0, math.inf], None) == math.inf
