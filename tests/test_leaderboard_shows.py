"""What else a leaderboard shows: metrics of whole splits, stages, marks of the best, colour, unreadable cells."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from test_leaderboard import HOSTILE, METRICS, ladder, record

from benchmark import leaderboard
from benchmark.contracts.specs import MetricSpec
from benchmark.leaderboard.export import plain_field

KID = MetricSpec("kid", "x:y", label="KID", higher_is_better=False, level="distribution")


def of_split(value: float | None, low: float, high: float) -> dict[str, Any]:
    return {
        "state": "scored", "level": "distribution", "mean": value, "interval": [low, high], "n": 640, "patients": {},
        "n_expected": 4, "n_scored": 0, "n_failed": 0, "slices_excluded": 0, "unit": "",
    }  # fmt: skip


def build(records: list[dict[str, Any]]) -> leaderboard.Leaderboard:
    return leaderboard.build(records, METRICS | {"kid": KID})


def test_a_metric_of_the_whole_split_has_its_own_interval_and_ranks_nothing() -> None:
    made = [
        record("a", [20.0, 21.0, 22.0, 23.0], kind="fixed", scores={"kid": of_split(0.5, 0.4, 0.6)}),
        record("b", [30.0, 31.0, 32.0, 33.0], kind="fixed", scores={"kid": of_split(0.1, 0.0, 0.45)}),
        record("c", [10.0, 11.0, 12.0, 13.0], kind="fixed", scores={"kid": of_split(0.9, 0.8, 1.0)}),
    ]
    (table,) = build(made).tables
    assert table.ranked_by == ("psnr",)
    assert [row.name for row in table.rows] == ["b", "a", "c"]
    score = table.rows[0].scores["kid"]
    assert (score.interval.mean, score.interval.low, score.interval.high, score.interval.n) == (0.1, 0.0, 0.45, 4)
    assert [row.best.get("kid") for row in table.rows] == ["best", "tied", None]
    assert not any("KID" in note and "missing" in note for note in table.notes)
    assert "KID: of all predictions against all targets; ± is the metric's own 95 % interval." in table.notes
    rows = list(csv.DictReader(io.StringIO(leaderboard.to_csv(build(made)))))
    assert {row["level"] for row in rows if row["metric"] == "kid"} == {"distribution"}


def test_a_table_that_such_a_metric_leads_has_no_other_order() -> None:
    definition = {"primary": "kid", "metrics": [{"metric": "kid"}], "unit": ""}
    made = [
        record(name, [psnr] * 4, profile_definition=definition, scores={"kid": of_split(value, 0.0, 1.0)})
        for name, psnr, value in (("a", 30.0, 0.5), ("b", 20.0, 0.1), ("c", 10.0, 0.1))
    ]
    board = build(made)
    (table,) = board.tables
    assert [(row.name, row.rank, row.rank_range, row.tier) for row in table.rows] == [
        ("b", 1, None, ""),
        ("c", 1, None, ""),
        ("a", 3, None, ""),
    ]
    assert not table.comparisons
    assert "1=" in leaderboard.to_text(board)
    assert board.overall is None


def test_stages_are_a_small_table_of_their_own() -> None:
    measured = {
        "I: Dice": {"mean": 0.5, "patients": {"p0": 0.4, "p1": 0.6, "p2": None}, "n_expected": 3, "n_scored": 2}
    }
    made = [record("two", [1.0, 2.0, 3.0], stages=measured), record("one", [1.0, 2.0, 3.0])]
    board = build(made)
    stages = board.tables[0].stages
    assert stages is not None
    assert stages.rows["two"]["I: Dice"].mean == pytest.approx(0.5)
    assert stages.rows["two"]["I: Dice"].n == 2
    text = leaderboard.to_text(board)
    assert "stage by stage" in text
    assert "I: Dice" in text
    assert build([record("one", [1.0])]).tables[0].stages is None


def test_the_best_of_a_column_and_what_is_tied_with_it_are_marked() -> None:
    values = [20.0 + i / 3 for i in range(12)]
    tied = [value - 0.01 + 0.1 * (-1) ** i for i, value in enumerate(values)]
    far = [value - 3.0 for value in values]
    made = {"best": values, "tied": tied, "far": far}
    board = build([record(name, list(each), kind="fixed") for name, each in made.items()])
    rows = {row.name: row.best.get("psnr") for row in board.tables[0].rows}
    assert rows == {"best": "best", "tied": "tied", "far": None}
    latex, markdown = leaderboard.to_latex(board), leaderboard.to_markdown(board)
    assert latex.count(r"\textbf{") == 1
    assert latex.count(r"\underline{") == 1
    assert markdown.count("**") == 2
    assert [line for line in latex.splitlines() if r"\usepackage" in line and not line.startswith("%")] == []
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 1
    assert latex.count("{") == latex.count("}")


def test_colour_is_only_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    board = build(ladder({"best": 1.0, "far": 0.0}))
    shown = Terminal()
    leaderboard.print_terminal(board, shown)
    assert "\x1b[1;32m" in shown.getvalue()
    plain = io.StringIO()
    leaderboard.print_terminal(board, plain)
    assert "\x1b" not in plain.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    muted = Terminal()
    leaderboard.print_terminal(board, muted)
    assert "\x1b" not in muted.getvalue()


def test_colour_changes_no_column() -> None:
    import re

    board = build(ladder({"best": 1.0, "tied": 0.995, "far": 0.0}))
    coloured = re.sub(r"\x1b\[[\d;]*m", "", leaderboard.to_text(board, colour=True))
    assert coloured.startswith(leaderboard.to_text(board))


def test_cells_that_cannot_be_read_are_rows_and_the_rest_goes_on() -> None:
    pieces = replace(record("pieces", [1.0, 2.0]), dataset=None)
    board = leaderboard.build([*ladder({"good": 1.0}), pieces], METRICS, unreadable=[("0123abcd", f"torn {HOSTILE}")])
    assert [row.name for row in board.tables[0].rows] == ["good"]
    assert {cell.cell for cell in board.unreadable} == {"0123abcd", pieces.id}
    text, table = leaderboard.to_text(board), leaderboard.to_csv(board)
    for shown in (text, leaderboard.to_markdown(board), leaderboard.to_latex(board), table):
        assert "0123abcd" in shown
        assert "\x1b" not in shown
    rows = list(csv.DictReader(io.StringIO(table)))
    assert sum(row["state"] == "unreadable" for row in rows) == 2
    assert len(json.loads(leaderboard.to_json(board))["unreadable"]) == 2


def test_frame_csv_and_json_have_the_same_rows() -> None:
    made = [*ladder({"good": 1.0, "far": 0.0}), record("lost", [20.0, None, 22.0], kind="fixed")]
    board = build([*made, record("broken", state="failed", reason=HOSTILE, kind="fixed")])
    frame = leaderboard.to_frame(board)
    of_csv = list(csv.DictReader(io.StringIO(leaderboard.to_csv(board))))
    of_json = json.loads(leaderboard.to_json(board))["rows"]
    assert list(frame) == list(of_csv[0]) == list(of_json[0])
    assert len(frame) == len(of_csv) == len(of_json) == 4
    assert [row["state"] for row in of_json].count("failed") == 1
    for name in frame:
        for value, text, plain in zip(
            frame[name], (row[name] for row in of_csv), (row[name] for row in of_json), strict=True
        ):
            assert str(plain_field(plain)) == text, name
            assert value == plain or (plain is None and value != value) or value is plain, name


def test_a_record_that_is_bad_in_the_middle_leaves_nothing_behind() -> None:
    bad = record("bad", [1.0, 2.0], scores={"mae": {"state": "scored", "mean": 1.0, "patients": {"ghost": 1.0}}})
    senseless = replace(bad.scores["psnr"], infinite=("unknown",))
    bad = replace(bad, scores={"mae": bad.scores["mae"], "psnr": senseless})
    (table,) = leaderboard.build([record("good", [1.0, 2.0]), bad], METRICS).tables
    assert table.patients == 2
    assert table.rows[0].scores["psnr"].missing == 0


def test_models_with_few_seeds_are_marked() -> None:
    made = [record("three", [1.0, 2.0], seed=seed) for seed in range(3)] + [record("one", [3.0, 4.0])]
    made.append(record("fixed", [0.5, 1.0], baseline=True))
    text = leaderboard.to_text(build(made))
    assert "one ‡" in text
    assert "three ‡" not in text
    assert "fixed † ‡" not in text


def test_many_patients_get_bca_intervals() -> None:
    skewed = [float(2 ** (i % 7)) for i in range(30)]
    (table,) = build([record("m", skewed)]).tables
    interval = table.rows[0].scores["psnr"].interval
    assert interval.high - interval.mean > 1.05 * (interval.mean - interval.low)
    assert any("BCa" in note for note in table.notes)
    (few,) = build([record("m", skewed[:10])]).tables
    interval = few.rows[0].scores["psnr"].interval
    assert interval.high - interval.mean == pytest.approx(interval.mean - interval.low)


def test_seeds_widen_ranks_by_resampling() -> None:
    """Two models whose seeds overlap completely are not parted, however sure each patient is."""
    made = []
    for name, levels in (("a", (20.0, 24.0, 22.5)), ("b", (19.0, 23.5, 21.5))):
        made += [record(name, [v + i / 10 for i in range(12)], seed=s) for s, v in enumerate(levels)]
    (table,) = build(made).tables
    assert {row.rank_range for row in table.rows} == {(1, 2)}
    assert {row.tier for row in table.rows} == {"a"}
    assert table.comparisons[0].adjusted_p < 0.01
