"""Leaderboards from made-up records: what is shown, what is not compared, and what is escaped."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import random
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import made

from benchmark import leaderboard
from benchmark.contracts.specs import MetricSpec, TaskSpec
from benchmark.store.record import Record

METRICS = {
    spec.name: spec
    for spec in (
        MetricSpec("psnr", "x:y", label="PSNR", higher_is_better=True, unit="dB", digits=2),
        MetricSpec("mae", "x:y", label="MAE", higher_is_better=False, unit="target"),
        MetricSpec("mse", "x:y", label="MSE", higher_is_better=False, unit="target^2"),
        MetricSpec("lpips", "x:y", label="LPIPS", higher_is_better=False),
    )
}
HOSTILE = "<b>|`x`*_\x1b[31m\n=\\textbf{$%&#"


def scored(values: list[float | None], **more: Any) -> dict[str, Any]:
    patients = {f"p{index:03}": value for index, value in enumerate(values)}
    known = [value for value in values if value is not None]
    return {
        "state": "scored",
        "mean": sum(known) / len(known) if known else None,
        "patients": patients,
        "n_expected": len(values),
        "n_scored": len(known),
        **more,
    }


def record(
    name: str,
    psnr: list[float | None] | None = None,
    *,
    task: str = "pet-ct",
    seed: int = 0,
    state: str = "done",
    reason: str = "",
    data: str = "data",
    scores: dict[str, Any] | None = None,
    profile: str = "physical/1",
    **more: Any,
) -> Record:
    facts: dict[str, Any] = {
        "id": f"{state}{data}",
        "state": state,
        "reason": reason,
        "task": task,
        "model": name,
        "name": name,
        "baseline": False,
        "seed": seed,
        "preset": "small",
        "profile": profile,
    }
    if state in ("done", "stale"):
        facts |= {
            "profile_definition": {"id": profile, "unit": "HU", "primary": "psnr", "metrics": [{"metric": "mae"}]},
            "dataset": {
                "name": data,
                "content_sha256": hashlib.sha256(data.encode()).hexdigest(),
                "simulated": True,
            },
            "scores": {"psnr": scored(psnr or []), **(scores or {})},
            "parameters": {"generator_a": 1_000_000, "generator_b": 234_000, "discriminator": 9},
            "timings": {"train_s": 81.2, "inference_ms_per_slice": 3.21},
            "peak_memory_mb": 700.4,
            "device": "cpu",
            "precision": "fp32",
        }
    return made(facts | more)


def ladder(steps: dict[str, float], patients: int = 12, task: str = "pet-ct") -> list[Record]:
    """Models without seeds whose PSNR differ by constants, with a little noise of their own."""
    records = []
    for name, step in steps.items():
        rng = random.Random(f"{name}{task}")
        values = [20 + step + i / 10 + rng.gauss(0, 0.05) for i in range(patients)]
        records.append(record(name, values, task=task, kind="fixed"))
    return records


def build(records: list[Record]) -> leaderboard.Leaderboard:
    return leaderboard.build(records, METRICS)


def only(records: list[Record]) -> leaderboard.Table:
    (table,) = build(records).tables
    return table


def names(table: leaderboard.Table) -> list[str]:
    return [row.name for row in table.rows]


def test_a_training_that_looks_wrong_is_named_with_its_seeds_unless_it_is_a_baseline() -> None:
    dead = [{"term": "discriminator", "fault": "dead", "detail": "at most 0"}]
    same = [{"term": "output", "fault": "constant", "detail": "never mind"}]
    records = [record("gan", [20.0, 21.0], seed=seed, health=dead if seed else []) for seed in (0, 1, 2)]
    records += [record("mean", [18.0, 19.0], baseline=True, health=same), record("fine", [21.0, 22.0], health=[])]
    table = only(records)
    said = [note for note in table.notes if "looks wrong" in note]
    assert len(said) == 1
    assert said[0].startswith("Training of gan looks wrong: discriminator: dead (seeds 1, 2).")


def everything(records: list[dict[str, Any]]) -> tuple[str, ...]:
    board = build(records)
    return (
        leaderboard.to_text(board, 140),
        leaderboard.to_markdown(board),
        leaderboard.to_csv(board),
        leaderboard.to_latex(board),
        leaderboard.to_json(board),
    )


def test_ranks_by_the_primary_metric_and_says_what_is_separated() -> None:
    table = only(ladder({"low": 0.0, "high": 4.0, "middle": 2.0}))
    assert names(table) == ["high", "middle", "low"]
    assert [(row.rank, row.rank_range, row.tier) for row in table.rows] == [
        (1, (1, 1), "a"),
        (2, (2, 2), "b"),
        (3, (3, 3), "c"),
    ]
    interval = table.rows[0].scores["psnr"].interval
    assert interval.low < interval.mean < interval.high
    assert interval.n == 12


def test_ties_are_ties() -> None:
    values = [20.0 + i / 3 for i in range(12)]
    worse = [value - 5 - i / 50 for i, value in enumerate(values)]
    made = [
        record("one", list(values), kind="fixed"),
        record("two", values[::-1], kind="fixed"),
        record("three", list(worse), kind="fixed"),
    ]
    assert [(row.name, row.rank, row.tier) for row in only(made).rows] == [
        ("one", 1, "a"),
        ("two", 1, "a"),
        ("three", 3, "b"),
    ]
    text = leaderboard.to_text(build(made))
    assert text.count("1=* (1-2)") == 2
    assert "3 (3)" in text


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_records_does_not_matter(order: random.Random) -> None:
    records = [
        *ladder({"a": 0.0, "b": 0.1, "c": 3.0}),
        record("d", state="failed", reason="out of memory"),
        record("b", [30.0] * 12, seed=1),
        record("a", [1.0], task="mr-ct"),
        record("b", [2.0], task="mr-ct"),
    ]
    shuffled = list(records)
    order.shuffle(shuffled)
    assert everything(shuffled) == everything(records)


def test_seeds_are_averaged_by_patient() -> None:
    table = only([record("m", [1.0, 5.0], seed=0), record("m", [3.0, 5.0], seed=1), record("m", [5.0, None], seed=2)])
    (row,) = table.rows
    assert row.seeds == (0, 1, 2)
    assert (row.scores["psnr"].interval.mean, row.scores["psnr"].interval.n) == (4.0, 2)
    assert row.scores["psnr"].seed_sd == pytest.approx(1.0)
    assert not any("seeds:" in note for note in table.notes)
    assert "PSNR: 1 of 6 values missing (3 seeds x 2 patients)" in table.notes
    single = only([record("m", [1.0, 5.0])])
    assert any(note.startswith("‡ Single seed") for note in single.notes)
    assert math.isnan(single.rows[0].scores["psnr"].seed_sd)
    mixed = only([record("m", [1.0, 5.0], seed=s) for s in (0, 1)] + [record("n", [1.0, 5.0])])
    assert any(note.startswith("‡ Fewer than 3 seeds: ") for note in mixed.notes)
    one_short = only([record("m", [1.0, 5.0], seed=s) for s in range(3)] + [record("n", [1.0, 5.0])])
    assert any(note.startswith("‡ Fewer than 3 seeds (n): ") for note in one_short.notes)


@pytest.mark.parametrize("state", ["planned", "running", "failed", "timeout", "skipped"])
def test_cells_that_are_not_done_are_rows(state: str) -> None:
    records = [*ladder({"good": 1.0}), record("bad", state=state, reason="the reason", profile="physical")]
    assert names(only(records)) == ["good", "bad"]
    text, markdown, table, latex, data = everything(records)
    for shown in (text, markdown, latex):
        assert f"{state}: the reason" in shown
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(r["state"], r["reason"]) for r in rows if r["model"] == "bad"] == [(state, "seed 0: the reason")]
    assert json.loads(data)["tables"][0]["rows"][1]["problems"] == [{"seed": 0, "state": state, "reason": "the reason"}]


def test_a_seed_that_failed_is_named_beside_the_seeds_that_did_not() -> None:
    records = [record("m", [1.0, 2.0]), record("m", seed=1, state="failed", reason="boom", profile="physical")]
    text = leaderboard.to_text(build(records))
    assert "seed 1 failed: boom" in text
    assert only(records).rows[0].rank == 1


def test_a_run_where_nothing_is_done_still_has_its_rows() -> None:
    records = [record("m", state="planned"), record("n", state="failed", reason="boom")]
    text = everything(records)[0]
    assert "planned" in text
    assert "failed: boom" in text
    assert "nothing to rank yet" in everything([])[0]


def test_a_metric_skipped_everywhere_is_one_footnote_and_no_column_of_dashes() -> None:
    missing = {"lpips": {"state": "skipped", "reason": "weights missing: put them there"}}
    records = [record(name, [20.0 + i, 21.0, 22.0], scores=missing) for i, name in enumerate("abc")]
    text, markdown, *_ = everything(records)
    for shown in (text, markdown):
        assert shown.count("weights missing") == 1
        assert "LPIPS: weights missing: put them there" in shown
    assert "| – |" not in markdown
    assert "LPIPS" not in markdown.replace("LPIPS: weights missing", "")


def test_what_the_data_say_of_themselves_stands_under_the_table() -> None:
    records = [record(name, [20.0 + i, 21.0, 22.0]) for i, name in enumerate("ab")]
    remarks = ("The source knew the target.",)
    records = [replace(each, dataset=replace(each.dataset, remarks=remarks)) for each in records]  # type: ignore[type-var]
    for shown in everything(records)[:2]:
        assert shown.count("The source knew the target.") == 1


def test_a_metric_missing_for_one_model_names_it() -> None:
    records = [
        record("a", [20.0, 21.0], scores={"lpips": scored([0.1, 0.2])}),
        record("b", [20.0, 21.0], scores={"lpips": {"state": "skipped", "reason": "weights missing"}}),
        record("c", [20.0, 21.0]),
    ]
    notes = only(records).notes
    assert "LPIPS of b: weights missing" in notes
    assert "LPIPS of c: not scored" in notes


def test_undefined_and_perfect_patients_are_counted() -> None:
    table = only(
        [
            record("perfect", None, scores={"psnr": scored([30.0, None, None], infinite=["p001", "p002"])}),
            record("gaps", [20.0, 21.0, None]),
            record("none", [None, None, None]),
        ]
    )
    assert any(note.startswith("PSNR of perfect: exact on 2 of 3 patients, who are left out") for note in table.notes)
    assert "PSNR of gaps: undefined on 1 of 3 patients" in table.notes
    assert names(table) == ["perfect", "gaps", "none"]
    assert table.rows[2].rank is None


@pytest.mark.parametrize(
    ("patients", "verdict"), [(1, "1 patient cannot"), (3, "3 patients cannot"), (7, "In brackets")]
)
def test_small_samples_say_so(patients: int, verdict: str) -> None:
    table = only(ladder({"a": 0.0, "b": 5.0, "c": 9.0}, patients))
    assert any(note.startswith(verdict) for note in table.notes)
    if patients < 6:
        assert {row.rank_range for row in table.rows} == {(1, 3)}
        assert any("with 3 models" in note and "6 patients could" in note for note in table.notes)
    if patients == 1:
        assert "±" not in leaderboard.to_text(build(ladder({"a": 0.0, "b": 5.0}, 1))).split("Ranked")[0]


@pytest.mark.parametrize(
    "change",
    [
        {"data": "other"},
        {"profile": "physical/2"},
        {"preset": "medium"},
        {"task": "mr-ct"},
        {"profile_definition": {"id": "physical/1", "unit": "HU", "primary": "psnr", "region": "image"}},
    ],
)
def test_what_may_not_be_compared_has_tables_of_its_own(change: dict[str, Any]) -> None:
    board = build([record("a", [20.0, 21.0]), record("b", [30.0, 31.0], **change)])
    assert len(board.tables) == 2
    assert all(len(table.rows) == 1 and not table.comparisons for table in board.tables)


def test_stale_cells_are_counted_but_not_ranked() -> None:
    board = build([record("a", [20.0]), record("b", [99.0], state="stale", reason="replaced")])
    assert names(board.tables[0]) == ["a"]
    assert "1 stale cell is" in board.notes[0]
    assert "1 stale cell is" in leaderboard.to_text(board)


def test_headings_hold_units_directions_and_the_nature_of_the_data() -> None:
    records = [record("a", [20.0, 22.0], scores={"mae": scored([9.0, 8.0]), "mse": scored([99.0, 98.0])})]
    task = TaskSpec(
        "pet-ct", "x:y", source_modality="PET", target_modality="CT",
        source_unit="SUV", target_unit="HU", profile="physical",
    )  # fmt: skip
    board = leaderboard.build(records, METRICS, {"pet-ct": task})
    markdown = leaderboard.to_markdown(board)
    assert "## pet-ct: PET to CT" in markdown
    assert "SIMULATED DATA" in markdown
    assert r"| PSNR ↑ \[dB\] | MAE ↓ \[HU\] | MSE ↓ \[HU²\] |" in markdown
    data = records[0].dataset
    assert data is not None
    own = [replace(records[0], dataset=replace(data, source_modality="FLAIR", target_modality="T2 | w"))]
    assert r"## pet-ct: FLAIR to T2 \| w" in leaderboard.to_markdown(leaderboard.build(own, METRICS, {"pet-ct": task}))
    real = [replace(records[0], dataset=replace(data, simulated=False))]
    assert "SIMULATED" not in "".join(everything(real)[:2])


def test_models_without_a_common_patient_are_not_separated() -> None:
    table = only([record("a", [20.0, None]), record("b", [None, 10.0])])
    assert [row.rank_range for row in table.rows] == [(1, 2), (1, 2)]
    assert any(note.startswith("0 patients cannot separate any pair") for note in table.notes)


def test_costs_and_baselines() -> None:
    fixed = record("copy", [20.0], baseline=True, parameters={}, timings={"train_s": 0.0})
    rows = {row.name: row for row in only([record("m", [21.0]), fixed]).rows}
    assert rows["m"].parameters == 1_234_000
    assert rows["copy"].parameters is None
    text = leaderboard.to_text(build([record("m", [21.0]), fixed]))
    assert "1.23M" in text
    assert "copy †" in text
    assert "† baseline" in text
    other = record("n", [20.0], device="NVIDIA H100")
    assert any("Times are not comparable" in note for note in only([record("m", [21.0]), other]).notes)


def test_rows_scored_by_different_sources_are_pointed_out() -> None:
    notes = only([record("a", [1.0], score_key="x"), record("b", [2.0], score_key="y")]).notes
    assert any("different versions of the metrics" in note for note in notes)


def test_a_metric_nobody_describes_is_shown_but_not_ranked_by() -> None:
    board = leaderboard.build([record("a", [20.0]), record("b", [21.0])], {})
    assert [row.rank for row in board.tables[0].rows] == [None, None]
    assert "psnr: no installed plugin describes this metric" in board.tables[0].notes


def test_overall_ranks_only_models_that_are_everywhere() -> None:
    board = build(
        ladder({"a": 5.0, "b": 3.0, "c": 0.0}) + ladder({"a": 5.0, "b": 0.0, "c": 3.0, "two-stage": 9.0}, task="mr-ct")
    )
    assert board.overall is not None
    rows = {row.name: row for row in board.overall.rows}
    assert [row.name for row in board.overall.rows] == ["a", "b", "c", "two-stage"]
    assert (rows["a"].mean_rank, rows["a"].wins, rows["a"].rank) == (1.5, 1, 1)
    assert (rows["b"].mean_rank, rows["c"].mean_rank) == (3.0, 3.0)
    # beaten once and beating once by three each, give or take the noise that was added
    assert {rows["b"].rank, rows["c"].rank} == {2, 3}
    assert rows["b"].rank_interval == rows["c"].rank_interval == (2, 3)
    assert (rows["two-stage"].rank, rows["two-stage"].ranked_in, rows["two-stage"].leading) == (None, 1, 1)
    text = leaderboard.to_text(board)
    assert "All tasks" in text
    assert "not scored in every table" in text
    assert build(ladder({"a": 1.0})).overall is None


def test_overall_counts_a_task_and_data_set_once() -> None:
    def as_profile(records: list[Record], profile: str) -> list[Record]:
        return [
            replace(
                each,
                spec=replace(each.spec, profile=profile),
                profile_definition={**each.profile_definition, "id": profile},
            )
            for each in records
        ]

    small = ladder({"b": 5.0, "a": 3.0})
    made = ladder({"a": 5.0, "b": 3.0, "c": 0.0}) + ladder({"a": 5.0, "b": 3.0, "c": 0.0}, task="mr-ct")
    # twice more, with fewer models and the other way round: neither may count
    board = build(made + as_profile(small, "another/1") + as_profile(small, "zz-another/2"))
    assert len(board.tables) == 4
    assert board.overall is not None
    assert board.overall.headings == ("mr-ct", "pet-ct")
    assert all("physical/1" in key for key in board.overall.tables)
    assert [(row.name, row.mean_rank, row.ranked_in) for row in board.overall.rows] == [
        ("a", 1.0, 2),
        ("b", 2.0, 2),
        ("c", 3.0, 2),
    ]
    (note,) = [note for note in board.overall.notes if note.startswith("One table for a task and data set")]
    left_out = [table.key for table in board.tables if "another" in table.profile]
    assert all(key in note for key in left_out)
    # another data set of the same task is other evidence
    other = ladder({"a": 5.0, "b": 3.0, "c": 0.0})
    sha256 = hashlib.sha256(b"other").hexdigest()
    other = [replace(each, dataset=replace(each.dataset, content_sha256=sha256)) for each in other]  # type: ignore[type-var]
    assert len(build(made + other).overall.tables) == 3  # type: ignore[union-attr]
    # and one task under two profiles is nothing to average over
    assert build(small + as_profile(small, "another/1")).overall is None


def test_hostile_names_and_reasons_stay_text() -> None:
    records = [
        record(HOSTILE, [20.0, 21.0], model="m"),
        record("=cmd()", [20.5, 21.0], model="m"),
        record("x", state="failed", reason=HOSTILE, profile="physical"),
    ]
    text, markdown, table, latex, data = everything(records)
    for shown in (text, markdown, table, latex):
        assert "\x1b" not in shown
    assert len({line.count("|") - line.count(r"\|") for line in markdown.splitlines() if line.startswith("|")}) == 1
    assert "<b>" not in markdown.replace(r"\<", "")
    assert r"\textbf{$" not in latex
    rows = list(csv.DictReader(io.StringIO(table)))
    assert {row["model"] for row in rows} >= {"'=cmd()"}
    assert {row["state"] for row in rows} == {"done", "failed"}
    assert HOSTILE in {row["name"] for row in json.loads(data)["tables"][0]["rows"]}


def test_csv_has_a_row_for_each_task_model_and_metric() -> None:
    records = [record(name, [20.0, 21.0], scores={"mae": scored([1.0, 2.0])}) for name in "ab"]
    rows = list(csv.DictReader(io.StringIO(everything(records)[2])))
    assert [(row["model"], row["metric"]) for row in rows] == [
        ("a", "psnr"),
        ("a", "mae"),
        ("b", "psnr"),
        ("b", "mae"),
    ]
    assert float(rows[1]["mean"]) == 1.5
    assert rows[1]["unit"] == "HU"
    assert (rows[0]["primary"], rows[1]["primary"]) == ("true", "false")


def test_json_holds_no_nan() -> None:
    data = everything([record("a", [20.0]), record("b", [None])])[4]
    parsed = json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert parsed["schema"] == 2
    interval = parsed["tables"][0]["rows"][0]["scores"]["psnr"]["interval"]
    assert (interval["mean"], interval["low"]) == (20.0, None)


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_text_fits_the_terminal(width: int) -> None:
    scores = {"mae": scored([90.0, 80.0]), "mse": scored([9e4, 8e4]), "lpips": scored([0.1, 0.2])}
    records = [record(name, [20.0, 22.0], scores=scores) for name in ("a-model-with-a-name", "b")]
    text = leaderboard.to_text(build(records), width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("a-model-with-a-name") == {80: 2, 100: 2, 120: 1, 160: 1}[width]


def test_a_stream_without_unicode_gets_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    leaderboard.print_terminal(build(ladder({"a": 0.0, "b": 1.0})), stream)
    stream.flush()
    shown = stream.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "PSNR ^" in shown
    assert "?" not in shown


@given(st.floats(1e-4, 1e6), st.floats(1e-3, 0.3))
@settings(max_examples=50, deadline=None)
def test_a_column_shows_at_least_two_digits_of_its_interval(mean: float, spread: float) -> None:
    records = [record("a", [1.0, 2.0], scores={"mae": scored([mean, mean * (1 + spread)])})]
    markdown = everything(records)[1]
    row = next(line for line in markdown.splitlines() if line.startswith("| 1"))
    cell = row.split(" | ")[6].strip("*")
    value, half = cell.split(" ±")
    decimals = len(value.partition(".")[2])
    assert decimals <= METRICS["mae"].digits
    assert float(value) == pytest.approx(mean * (1 + spread / 2), abs=0.51 * 10**-decimals)
    assert decimals == METRICS["mae"].digits or len(half.replace(".", "").lstrip("0")) >= 2


def test_imports_nothing_heavy() -> None:
    code = (
        "import benchmark.leaderboard, sys;"
        "print([m for m in ('scipy', 'pandas', 'torch', 'h5py', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
