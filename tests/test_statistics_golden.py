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

from benchmark.statistics.intervals import t_interval
from benchmark.statistics.paired import compare_all, differences, holm, signed_rank, smallest_p
from benchmark.statistics.ranks import competition_ranks, mean_ranks

GOLDEN = Path(__file__).parents[1] / "plugins" / "benchmark-metrics" / "tests" / "golden"


def entries() -> list[dict[str, Any]]:
    return [
        entry
        for entry in json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
        if entry["case"].startswith("stats_")
        and entry["use"] == "match"
        and entry["metric"] != "median"  # the harness reports none
        and entry["settings"].get("zero_method") != "pratt"  # zeros kept: another convention
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
    match entry["metric"]:
        case "wilcoxon_p":
            return signed_rank(values).p
        case "wilcoxon_Wplus":
            return signed_rank(values).w_plus
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
            zeros = dict.fromkeys(map(str, range(len(scores))), 0.0)
            models = {m: dict(zip(zeros, column, strict=True)) for m, column in columns.items()}
            return [compare_all({"a": model, "b": zeros})[0].sd for model in models.values()]
    raise AssertionError(entry["metric"])


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
    assert len(entries()) == 113
    assert len(Counter(entry["metric"] for entry in entries())) == 13


def test_compare_all_gives_the_table_of_the_readme() -> None:
    scores = table("stats_a")
    models = {f"m{i}": {f"p{row}": value for row, value in enumerate(scores[:, i])} for i in range(4)}
    found = {(c.first, c.second): (c.p, c.adjusted_p) for c in compare_all(models)}
    assert found[("m0", "m1")] == pytest.approx((0.01953125, 0.05859375))
    assert found[("m2", "m3")] == pytest.approx((0.00195312, 0.01171875), abs=1e-8)
    assert len(found) == 6
