"""Rows that were trained otherwise than the rest are marked, with what was otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.leaderboard.capacity import with_differences
from benchmark.leaderboard.tables import Row

USUAL = {"steps": 300, "updates a step": 1.0, "learning_rate": 0.003, "flip": False}


def rows(*trainings: dict[str, Any]) -> list[Row]:
    made = [
        Row(f"m{number}", "m", baseline=False, seeds=(0,), scores={"mae": None}, training={**USUAL, **training})  # type: ignore[dict-item]
        for number, training in enumerate(trainings)
    ]
    return with_differences(made)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"updates a step": 3.0}, "updates a step 3 instead of 1"),
        ({"steps": 600}, "steps 600 instead of 300"),
        ({"learning_rate": 0.001}, "learning_rate 0.001 instead of 0.003"),
        ({"flip": True}, "flip True instead of False"),
    ],
)
def test_what_is_not_as_in_most_rows_is_said(training: dict[str, Any], said: str) -> None:
    assert [row.otherwise for row in rows({}, training, {})] == [(), (said,), ()]


def test_equal_trainings_are_not_marked() -> None:
    assert not any(row.otherwise for row in rows({}, {}, {}))


def test_where_nothing_is_usual_each_says_its_own() -> None:
    assert [row.otherwise for row in rows({}, {"steps": 600})] == [("steps 300",), ("steps 600",)]


def test_what_nobody_trained_is_not_compared() -> None:
    fixed = Row("copy", "copy", baseline=True, seeds=(0,), scores={})
    assert with_differences([fixed])[0].otherwise == ()
