"""Predictions in another unit are refused; those of another patient, place or side are scored and told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmark.data.format.cases import Case
from benchmark.data.format.schema import CaseKey
from benchmark.errors import UsageError
from benchmark.evaluation.plausibility import Doubts, require_plausible

Volume = NDArray[np.float64]
Change = Callable[[Volume], Volume]


def head(patient: str = "p0", *, unit: str = "HU") -> Case:
    """A lopsided head with skull, brain and sinuses, whose span is so wide that air is less than half of it below 0."""
    random = np.random.default_rng(list(patient.encode()))
    rows, columns = np.mgrid[-1:1:48j, -1:1:48j]
    radius = np.broadcast_to(np.hypot(rows * 1.15 - 0.05, columns * 1.3 + 0.1), (8, 48, 48))
    texture = gaussian_filter(random.normal(size=(16, 64, 64)), (2, 4, 4))[4:-4, 8:-8, 8:-8]
    values = np.where(radius < 0.9, 40 + 400 * texture, -1000.0)
    values = np.where((radius < 0.9) & (radius > 0.78), 1400.0, values)
    values[:, 30:38, 14:20] = -900.0
    values[1:3, 12:16, 28:32] = 900.0
    if unit == "SUV":
        values = np.clip((values + 1000) / 300, 0, None)
    mask = radius < 0.9
    return Case(CaseKey(patient, "s"), values, values, mask, None, (3.0, 2.0, 2.0), np.eye(4))


def blurred(values: Volume) -> Volume:
    """As a modest model gives it back."""
    return gaussian_filter(values, (0, 1.2, 1.2)) + 25


@pytest.mark.parametrize(
    "change",
    [
        lambda hu: hu + 1024,
        lambda hu: hu + 1000,
        lambda hu: hu - 1024,
        lambda hu: np.clip((hu + 1024) / 3024 * 255, 0, 255).round(),
        lambda hu: blurred(hu) + 1024,
        lambda hu: np.clip((blurred(hu) + 1024) / 3024 * 255, 0, 255),
        lambda hu: (hu + 1000) / 1000 * 0.0096,
        lambda hu: hu / 10,
        lambda hu: (hu - hu.mean()) / hu.std(),
    ],
)
def test_another_unit_is_refused_for_wide_targets_too(change: Change) -> None:
    case = head()
    with pytest.raises(UsageError, match="cannot be in HU"):
        require_plausible(change(case.target.astype(float)), case, "HU")


@pytest.mark.parametrize("change", [lambda suv: suv * 5000, lambda suv: suv / 70, lambda suv: suv + 6])
def test_an_uptake_on_another_scale_is_refused(change: Change) -> None:
    case = head(unit="SUV")
    with pytest.raises(UsageError, match="cannot be in SUV"):
        require_plausible(change(case.target.astype(float)), case, "SUV")


@pytest.mark.parametrize(
    "change",
    [
        lambda hu: hu,
        blurred,
        lambda hu: hu + 150,
        lambda hu: gaussian_filter(hu, 3),
        lambda hu: hu[..., ::-1],
        lambda hu: np.full_like(hu, 40.0),
        lambda hu: np.random.default_rng(0).normal(0, 500, hu.shape),
    ],
)
def test_bad_predictions_in_the_right_unit_are_scored(change: Change) -> None:
    case = head()
    require_plausible(change(case.target.astype(float)), case, "HU")


@pytest.mark.parametrize("change", [lambda grey: grey * 4, lambda grey: grey / 4])
def test_units_without_landmarks_know_no_other_scale(change: Change) -> None:
    case = head(unit="SUV")
    require_plausible(change(case.target.astype(float)), case, "a.u.")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda hu: np.zeros_like(hu), "all zero"),
        (lambda hu: np.full_like(hu, -1000.0), "constant"),
        (lambda hu: blurred(hu)[..., ::-1], "mirrored left to right"),
        (lambda hu: blurred(hu)[:, ::-1], "mirrored top to bottom"),
        (lambda hu: hu[::-1], "with its slices in reverse order"),
        (lambda hu: blurred(hu).transpose(0, 2, 1), "rows and columns exchanged"),
        (lambda hu: np.roll(blurred(hu), 4, axis=2), "shifted"),
        (lambda hu: np.roll(hu, -3, axis=1), "shifted"),
    ],
)
def test_what_lies_wrong_or_says_nothing_is_told(change: Change, fault: str) -> None:
    doubts = Doubts()
    case = head()
    doubts.add(change(case.target.astype(float)), case)
    assert list(doubts.by_fault) == [fault]
    (finding,) = doubts.findings()
    assert finding.detail.startswith("1 of 1: p0/s")


def test_one_image_for_two_patients_is_told() -> None:
    doubts = Doubts()
    image = head("p0").target.astype(float)
    for patient in ("p0", "p1", "p2"):
        doubts.add(image, head(patient))
    assert doubts.by_fault["the same image"] == ["p0/s and p1/s", "p0/s and p2/s"]


@pytest.mark.parametrize("change", [lambda hu: hu, blurred, lambda hu: gaussian_filter(hu, (0, 2, 2)) * 0.8])
def test_sound_predictions_are_left_in_peace(change: Change) -> None:
    doubts = Doubts()
    for patient in ("p0", "p1", "p2"):
        case = head(patient)
        doubts.add(change(case.target.astype(float)), case)
    assert doubts.findings() == ()
