"""Two runs beside each other: what a change did, patient by patient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from test_leaderboard import METRICS, record

from benchmark.errors import UsageError
from benchmark.runs.compare import compare

BEFORE = [20.0 + 0.1 * number for number in range(12)]


def better(by: float) -> list[float | None]:
    return [value + by + 0.01 * (number % 3) for number, value in enumerate(BEFORE)]


def test_a_change_that_helps_every_patient_is_found_better() -> None:
    (change,) = compare([record("a", list(BEFORE))], [record("a", better(1.0))], METRICS).changes
    assert (change.task, change.model, change.metric, change.seeds) == ("pet-ct", "a", "psnr", 1)
    assert change.difference.interval.mean == pytest.approx(1.01)
    assert change.difference.interval.n == 12
    assert change.second - change.first == pytest.approx(1.01)
    assert change.adjusted_p == pytest.approx(2 / 2**12)
    assert change.verdict == "better"
    (back,) = compare([record("a", better(1.0))], [record("a", list(BEFORE))], METRICS).changes
    assert back.verdict == "worse"
    assert back.difference.interval.mean == pytest.approx(-1.01)


def test_a_change_that_helps_some_is_not_separated_and_holm_counts_all_rows() -> None:
    mixed = [value + (0.5 if number % 2 else -0.5) for number, value in enumerate(BEFORE)]
    found = compare(
        [record("a", list(BEFORE)), record("b", list(BEFORE))], [record("a", better(1.0)), record("b", mixed)], METRICS
    ).changes
    assert [change.verdict for change in found] == ["better", "not separated"]
    assert found[0].adjusted_p == pytest.approx(2 * 2 / 2**12)


def test_only_seeds_that_both_runs_have_count_and_patients_are_averaged_over_them() -> None:
    first = [record("a", list(BEFORE), seed=seed) for seed in (0, 1)]
    second = [record("a", better(1.0), seed=0), record("a", better(3.0), seed=1), record("a", better(90.0), seed=2)]
    (change,) = compare(first, second, METRICS).changes
    assert change.seeds == 2
    assert change.difference.interval.mean == pytest.approx(2.01)


def test_patients_without_a_value_in_one_run_are_left_out() -> None:
    values: list[float | None] = better(1.0)
    values[3] = None
    (change,) = compare([record("a", list(BEFORE))], [record("a", values)], METRICS).changes
    assert change.difference.interval.n == 11


def test_what_is_in_one_run_only_is_named() -> None:
    found = compare([record("a", list(BEFORE)), record("b", list(BEFORE))], [record("a", better(1.0))], METRICS)
    assert found.left_out == ("pet-ct/b: only in the first run",)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ([record("a", list(BEFORE), data="other")], "other data"),
        ([record("a", list(BEFORE), profile="medgan-8bit/1")], "physical/1 and medgan-8bit/1"),
        ([record("b", list(BEFORE))], "no done cell of the same task, model and seed"),
        ([record("a", list(BEFORE), seed=5)], "no seed in both runs"),
        ([], "no done cell"),
    ],
)
def test_what_cannot_be_compared_is_refused(second: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        compare([record("a", list(BEFORE))], second, METRICS)


def test_an_unknown_metric_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="psnr"):
        compare([record("a", list(BEFORE))], [record("a", better(1.0))], METRICS, "ssim")


@pytest.mark.slow
def test_the_command_line_compares_and_prints_other_forms(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished, "one")
    other = ("--name", "two", "-p", "toy-affine.bias=no")
    assert toy("run", "--grid", "toy", "--preset", "smoke", *other).returncode == 0
    done = toy("compare", "results/one", "results/two", "--json")
    assert done.returncode == 0, done.stderr
    changes = {change["model"]: change for change in json.loads(done.stdout)["changes"]}
    assert changes["toy-copy"]["difference"] == 0
    assert changes["toy-copy"]["verdict"] == "not separated"
    assert changes["toy-affine"]["patients"] == 3
    assert "verdict" in toy("compare", "results/one", "results/two").stdout
    assert r"\toprule" in toy("leaderboard", "results/one", "--format", "latex").stdout
    assert toy("leaderboard", "results/one", "--format", "pdf").returncode == 2


def test_a_corrupted_cell_is_a_row_and_the_rest_goes_on(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished)
    cell = toy.records("results/run")["toy-mean"]["id"]
    place = toy.folder / "results/run/cells" / cell / "record.json"
    place.write_text(place.read_text().replace("toy-mean", "toy-evil", 1))
    shown = toy("leaderboard", "results/run")
    assert shown.returncode == 0, shown.stderr
    assert "torn or was altered" in shown.stdout
    assert "toy-affine" in shown.stdout
