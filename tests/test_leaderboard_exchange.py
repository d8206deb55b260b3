"""What other programs read of our scores: challengeR, Grand Challenge, the Hugging Face Hub."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path, PurePosixPath
from statistics import fmean

import pytest
from command_line import CommandLine
from hypothesis import given, settings
from hypothesis import strategies as st
from test_leaderboard import HOSTILE, METRICS, record, scored

from benchmark.contracts.specs import MetricSpec
from benchmark.errors import UsageError
from benchmark.leaderboard import build
from benchmark.leaderboard.collect import collect
from benchmark.leaderboard.exchange import challenger, grand_challenge, hugging_face

LOW, HIGH = [20.0, 21.0, 22.0, 23.0], [24.0, 26.0, 25.0, 27.0]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_challenger_gets_its_four_columns_means_over_seeds_and_na() -> None:
    second: list[float | None] = [22.0, 23.0, None, 25.0]
    groups = collect([record("a", list(LOW)), record("a", second, seed=1), record("b", list(HIGH))]).groups
    found = challenger(groups, METRICS)
    assert set(found) == {"physical-1/psnr.large-better.csv"}
    table = rows(found["physical-1/psnr.large-better.csv"])
    assert list(table[0]) == ["Task", "TestCase", "Algorithm", "MetricValue"]
    assert {row["Task"] for row in table} == {"pet-ct"}
    a = {row["TestCase"]: row["MetricValue"] for row in table if row["Algorithm"] == "a"}
    assert [a[patient] for patient in ("p000", "p001", "p003")] == ["21.0", "22.0", "24.0"]
    undefined = challenger(collect([record("c", [20.0, None])]).groups, METRICS)["physical-1/psnr.large-better.csv"]
    assert rows(undefined)[1]["MetricValue"] == "NA"


def test_challenger_is_told_the_direction_and_not_given_what_has_none() -> None:
    metrics = METRICS | {"bias": MetricSpec("bias", "x:y", label="bias", higher_is_better=None)}
    scores = {name: scored(list(LOW), unit="HU", level="slice") for name in ("mae", "bias")}
    made = record("a", scores=scores)
    listed = [*made.profile_definition["metrics"], {"metric": "bias"}]
    made = replace(made, profile_definition={**made.profile_definition, "metrics": listed})
    files = {file for file, text in challenger(collect([made]).groups, metrics).items() if "23.0" in text}
    assert files == {"physical-1/mae.small-better.csv"}


def test_grand_challenge_gets_results_by_patient_and_aggregates() -> None:
    groups = collect([record("a", [20.0, 22.0, None]), record("b", [24.0, 25.0, 26.0])]).groups
    found = grand_challenge(groups, METRICS)
    assert set(found) == {"pet-ct/a/metrics.json", "pet-ct/b/metrics.json"}
    read = json.loads(found["pet-ct/a/metrics.json"])
    assert read["simulated"] is True
    assert read["seeds"] == [0]
    assert [each["psnr"] for each in read["results"]] == [20.0, 22.0, None]
    aggregate = read["aggregates"]["psnr"]
    assert (aggregate["mean"], aggregate["mean_of_those"]) == (None, 21.0)
    assert (aggregate["count"], aggregate["missing"]) == (2, 1)
    full = json.loads(found["pet-ct/b/metrics.json"])["aggregates"]["psnr"]
    assert (full["min"], full["50pc"], full["max"], full["std"]) == (24.0, 25.0, 26.0, 1.0)


def test_the_hub_gets_an_entry_a_metric_that_says_what_it_is() -> None:
    board = build([record("a", list(LOW)), record("b", list(HIGH))], METRICS)
    found = hugging_face(board, "lab/bench")
    text = found["a/.eval_results/medgan-benchmark.yaml"]
    # lines as YAML has them; strings are JSON's, which is a subset
    lines = text.splitlines()
    assert lines[:3] == ["- dataset:", '    id: "lab/bench"', '    task_id: "pet-ct.psnr"']
    assert float(lines[3].removeprefix("  value: ")) == fmean(LOW)
    notes = json.loads(lines[4].removeprefix("  notes: "))
    for said in ("simulated data", "physical/1", "4 of 4 patients", "95 % interval", "dB"):
        assert said in notes
    with pytest.raises(UsageError, match="--hub-dataset"):
        hugging_face(board, "not an id")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=90), min_size=1, max_size=4, unique=True), st.text(min_size=1))
def test_no_name_leaves_the_folder_or_meets_another(names: list[str], task: str) -> None:
    records = [record(name, list(LOW), task=task) for name in [*names, HOSTILE, "../../up", "=1+1"]]
    records = list({made.name: made for made in records}.values())
    files = [*grand_challenge(collect(records).groups, METRICS), *challenger(collect(records).groups, METRICS)]
    files += hugging_face(build(records, METRICS), "a/b")
    assert len(files) == len(set(files)) == 2 * len(records) + 1
    for file in files:
        parts = PurePosixPath(file).parts
        assert not PurePosixPath(file).is_absolute()
        assert ".." not in parts
        assert all(part.isascii() and part.isprintable() for part in parts)


def test_the_command_line_writes_them_and_refuses_what_it_does_not_know(toy: CommandLine, finished: Path) -> None:
    toy.adopt(finished)
    done = toy("leaderboard", "results/run", "--export", "challenger")
    assert done.returncode == 0, done.stderr
    assert list((toy.folder / "results/run/challenger").rglob("*-better.csv"))
    toy("leaderboard", "results/run", "--export", "grand-challenge", "--to", "elsewhere")
    assert list((toy.folder / "elsewhere").rglob("metrics.json"))
    assert toy("leaderboard", "results/run", "--export", "hugging-face").returncode == 2
    unknown = toy("leaderboard", "results/run", "--export", "challengr")
    assert unknown.returncode == 2
    assert "challenger" in unknown.stderr


def test_every_format_read_back_says_what_our_table_says() -> None:
    records = [record("a", list(LOW)), record("a", [22.0, 23.0, 24.0, 25.0], seed=1), record("b", list(HIGH))]
    board, groups = build(records, METRICS), collect(records).groups
    ours = {row.name: row.scores["psnr"].interval.mean for row in board.tables[0].rows}
    assert ours == {"a": 22.5, "b": 25.5}
    table = rows(challenger(groups, METRICS)["physical-1/psnr.large-better.csv"])
    by_name = {name: [float(row["MetricValue"]) for row in table if row["Algorithm"] == name] for name in ours}
    assert {name: fmean(values) for name, values in by_name.items()} == ours
    files = grand_challenge(groups, METRICS)
    assert {
        name: json.loads(files[f"pet-ct/{name}/metrics.json"])["aggregates"]["psnr"]["mean"] for name in ours
    } == ours
    hub = hugging_face(board, "lab/bench")
    texts = {name: hub[f"{name}/.eval_results/medgan-benchmark.yaml"].splitlines() for name in ours}
    assert {name: float(lines[3].removeprefix("  value: ")) for name, lines in texts.items()} == ours


def test_who_leaves_out_the_hard_patients_gains_nothing_by_it() -> None:
    honest, picky = [20.0, 21.0, 30.0, 31.0], [None, None, 29.0, 30.0]
    records = [record("honest", honest), record("picky", list(picky))]
    board, groups = build(records, METRICS), collect(records).groups
    assert [row.name for row in sorted(board.tables[0].rows, key=lambda row: row.rank or 99)] == ["honest", "picky"]
    files = grand_challenge(groups, METRICS)
    means = {
        name: json.loads(files[f"pet-ct/{name}/metrics.json"])["aggregates"]["psnr"]["mean"]
        for name in ("honest", "picky")
    }
    assert means == {"honest": 25.5, "picky": None}
    values = rows(challenger(groups, METRICS)["physical-1/psnr.large-better.csv"])
    assert [row["MetricValue"] for row in values if row["Algorithm"] == "picky"] == ["NA", "NA", "29.0", "30.0"]


def test_what_is_undefined_for_everybody_is_nobodys_gap() -> None:
    groups = collect([record("a", [20.0, None, 22.0]), record("b", [24.0, None, 26.0])]).groups
    aggregate = json.loads(grand_challenge(groups, METRICS)["pet-ct/a/metrics.json"])["aggregates"]["psnr"]
    assert (aggregate["mean"], aggregate["missing"]) == (21.0, 0)
