"""Metrics of sets in a leaderboard: one value of all images, with the metric's own interval and bias."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import pytest
from made_records import made

from benchmark import leaderboard
from benchmark.contracts.specs import MetricSpec

METRICS = {"kid": MetricSpec("kid", "x:y", label="KID", higher_is_better=False, level="distribution", digits=4)}


def of_set(value: float, *, spread: float | None = 0.1, bias: float | None = None) -> dict[str, Any]:
    interval = [None, None] if spread is None else [value - spread, value + spread]
    return {
        "state": "scored",
        "level": "distribution",
        "mean": value,
        "interval": interval,
        "bias": bias,
        "n": 120,
        "patients": {},
        "n_expected": 12,
        "n_scored": 0,
        "n_failed": 0,
        "unit": "",
    }


def table(scores: dict[tuple[str, int], dict[str, Any]]) -> leaderboard.Table:
    """A table ranked by KID, of (model, seed) and its score."""
    records = [
        made(
            {
                "state": "done",
                "task": "mr-ct",
                "model": name,
                "name": name,
                "seed": seed,
                "preset": "small",
                "profile": "sets/1",
                "profile_definition": {"id": "sets/1", "unit": "HU", "primary": "kid", "metrics": [{"metric": "kid"}]},
                "dataset": {"name": "data", "content_sha256": "0" * 64, "simulated": True},
                "scores": {"kid": score},
            }
        )
        for (name, seed), score in scores.items()
    ]
    (table,) = leaderboard.build(records, METRICS).tables
    return table


def test_seeds_are_averaged_but_share_their_patients() -> None:
    scores = {("a", 0): of_set(0.3, spread=0.1, bias=0.02), ("a", 1): of_set(0.4, spread=0.3, bias=0.04)}
    (row,) = table(scores).rows
    score = row.scores["kid"]
    assert score.interval.mean == pytest.approx(0.35)
    assert score.interval.half_width == pytest.approx(0.2)
    assert score.interval.n == 12
    assert score.seed_sd == pytest.approx(0.1 / math.sqrt(2))
    assert score.bias == pytest.approx(0.03)


def test_models_are_ranked_but_not_tested_and_the_bias_is_said() -> None:
    made = table({("a", 0): of_set(0.5, bias=0.26), ("b", 0): of_set(0.3, bias=0.05), ("c", 0): of_set(0.9)})
    assert [(row.name, row.rank) for row in made.rows] == [("b", 1), ("a", 2), ("c", 3)]
    notes = " ".join(made.notes)
    assert "KID has no values of patients to test with: the order is not tested." in notes
    assert "of all predictions against all targets" in notes
    assert "by up to about 0.26" in notes
    assert "Wilcoxon" not in notes
    board = leaderboard.Leaderboard((made,), None, ())
    assert "0.30 ±0.10" in leaderboard.to_text(board, 140)
    best = next(csv.DictReader(io.StringIO(leaderboard.to_csv(board))))
    assert [float(best[name]) for name in ("mean", "low95", "high95", "patients")] == pytest.approx([0.3, 0.2, 0.4, 12])


def test_a_set_that_is_too_small_is_a_dash_with_its_reason() -> None:
    refused = {"state": "skipped", "reason": "too few for KID: 12 slices"}
    made = table({("a", 0): of_set(0.5, spread=None), ("b", 0): refused})
    assert "KID of b: too few for KID: 12 slices" in made.notes
    assert not made.rows[1].scores["kid"].known
    assert math.isnan(made.rows[0].scores["kid"].interval.half_width)
    assert not any("too high" in note for note in made.notes)
