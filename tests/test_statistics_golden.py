"""Values of scipy, statsmodels and full enumeration; see the README beside golden.json."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from test_leaderboard import METRICS, record

from benchmark import leaderboard
from benchmark.contracts.specs import MetricSpec
from benchmark.statistics.comparisons import compare_all, difference_of
from benchmark.statistics.intervals import t_interval
from benchmark.statistics.paired import differences, holm, signed_rank
from benchmark.statistics.power import smallest_p
from benchmark.statistics.ranks import competition_ranks, mean_ranks

GOLDEN = Path(__file__).parents[1] / "plugins" / "benchmark-metrics" / "tests" / "golden"


def entries() -> list[dict[str, Any]]:
    return [
        entry
        for entry in json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
        if entry["case"].startswith("stats_") and entry["use"] == "match"
    ]


def table(case: str) -> np.ndarray:
    with np.load(GOLDEN / "inputs.npz") as arrays:
        return arrays[f"{case}/scores"]


def compute(entry: dict[str, Any]) -> Any:
    scores, settings = table(entry["case"]), entry["settings"]
    columns = {f"m{index}": scores[:, index].tolist() for index in range(scores.shape[1])}
    patients = [{model: values[row] for model, values in columns.items()} for row in range(len(scores))]
    higher = settings.get("better") == "higher"
    if "pair" in settings:
        values = differences(*(columns[model] for model in settings["pair"].split("-")))
        zeros = "rank" if settings.get("zero_method") == "pratt" else "drop"
    match entry["metric"]:
        case "wilcoxon_p":
            return signed_rank(values, zeros).p
        case "wilcoxon_Wplus":
            return signed_rank(values, zeros).w_plus
        case "mean_difference":
            return fmean(values)
        case "t_interval_95_of_mean_difference":
            return [t_interval(values).low, t_interval(values).high]
        case "t_interval_95_of_mean":
            interval = t_interval(columns[settings["method"]])
            return [interval.low, interval.high]
        case "holm_adjusted_p" | "holm_reject_at_0.05":
            pairs = itertools.combinations(columns.values(), 2)
            adjusted = holm([signed_rank(differences(*pair)).p for pair in pairs])
            return adjusted if entry["metric"] == "holm_adjusted_p" else [float(p <= 0.05) for p in adjusted]
        case "smallest_possible_p":
            return [smallest_p(settings["n"]), smallest_p(settings["n"], settings["tests"])]
        case "mean_rank":
            return list(mean_ranks(patients, higher_is_better=higher).values())
        case "ranking_by_mean_rank":
            return list(
                competition_ranks(mean_ranks(patients, higher_is_better=higher), higher_is_better=False).values()
            )
        case "ranking_by_mean":
            means = {model: fmean(values) for model, values in columns.items()}
            return list(competition_ranks(means, higher_is_better=higher).values())
        case "mean":
            return [t_interval(values).mean for values in columns.values()]
        case "sd":
            zero = np.zeros(len(scores))
            return [difference_of(column, zero, higher_is_better=True).sd for column in scores.T]
        case "median":
            return [_median(column.tolist()) for column in scores.T]
    raise AssertionError(entry["metric"])


def _median(column: list[float]) -> float:
    """As a leaderboard reports it."""
    board = leaderboard.build([record("m", column)], METRICS)
    return board.tables[0].rows[0].scores["psnr"].median


@pytest.mark.parametrize(
    "entry", entries(), ids=lambda e: f"{e['case']}-{e['metric']}-{e['settings'].get('pair', '')}-{e['implementation']}"
)
def test_matches(entry: dict[str, Any]) -> None:
    if entry["metric"] == "wilcoxon_p" and entry["settings"].get("input") == "two columns of floats":
        columns = table(entry["case"])
        first, second = (columns[:, int(name[1:])].tolist() for name in entry["settings"]["pair"].split("-"))
        assert signed_rank(differences(first, second)).p == pytest.approx(entry["value"], abs=entry["atol"])
        return
    assert compute(entry) == pytest.approx(entry["value"], abs=entry["atol"] or 1e-15)


def test_every_kind_of_entry_is_there() -> None:
    assert len(entries()) == 119
    assert len(Counter(entry["metric"] for entry in entries())) == 14


def test_compare_all_gives_the_table_of_the_readme() -> None:
    scores = table("stats_a").T
    compared = compare_all(["m0", "m1", "m2", "m3"], {"score": scores}, {"score": False}, "score")
    found = {(c.first, c.second): (c.p, c.adjusted_p) for c in compared}
    assert found[("m0", "m1")] == pytest.approx((0.01953125, 0.05859375))
    assert found[("m2", "m3")] == pytest.approx((0.00195312, 0.01171875), abs=1e-8)
    assert len(found) == 6


@pytest.mark.parametrize(("case", "direction", "order"), [("stats_a", False, "2103"), ("stats_b", True, "210")])
def test_a_leaderboard_of_a_table_has_its_order(case: str, direction: bool, order: str) -> None:
    spec = MetricSpec("psnr", "x:y", label="score", higher_is_better=direction)
    columns = table(case).T
    board = leaderboard.build([record(f"m{i}", values.tolist()) for i, values in enumerate(columns)], {"psnr": spec})
    assert [row.name for row in board.tables[0].rows] == [f"m{i}" for i in order]
