"""Tables of a challenge: what was handed in, wherever it was scored; nothing said of training that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest
from test_leaderboard import METRICS, record, scored

from benchmark.leaderboard import build
from benchmark.leaderboard.layout import sheet
from benchmark.store.record import Record

BEST, GOOD, POOR = ([30.0 + n for n in range(8)], [29.5 + n for n in range(8)], [20.0 + n for n in range(8)])


def handed_in(name: str, values: list[Any], **more: Any) -> Record:
    return record(name, list(values), kind="evaluated", preset="external", **more)


def test_predictions_have_neither_preset_nor_seeds() -> None:
    (table,) = build([handed_in("a", BEST), handed_in("b", POOR)], METRICS).tables
    about = sheet(table).about
    assert "profile physical/1" in about
    for word in ("preset", "seed", "external"):
        assert word not in about


def test_a_run_says_both_with_predictions_beside_it() -> None:
    (table,) = build([record("a", list(BEST)), handed_in("b", POOR)], METRICS).tables
    assert "single seed, profile physical/1, preset small" in sheet(table).about


@pytest.mark.parametrize("first", ["run", "elsewhere"])
def test_a_cell_from_another_machine_joins_the_table_of_its_data(first: str) -> None:
    cells = [record("trained", list(GOOD)), handed_in("a", BEST)]
    tables = build(cells if first == "run" else cells[::-1], METRICS).tables
    assert [sorted(row.name for row in table.rows) for table in tables] == [["a", "trained"]]


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": {"content_sha256": "1" * 64}},
        {"profile": "other/1"},
        {"task": "mr-ct"},
    ],
)
def test_but_no_table_of_other_data_profile_or_task(other: dict[str, Any]) -> None:
    assert len(build([record("trained", list(GOOD)), handed_in("a", BEST, **other)], METRICS).tables) == 2


def test_where_two_presets_would_fit_it_stays_alone() -> None:
    cells = [record("m", list(GOOD)), record("m", list(GOOD), preset="paper"), handed_in("a", BEST)]
    assert sorted(len(table.rows) for table in build(cells, METRICS).tables) == [1, 1, 1]


def test_who_lacks_patients_is_missing_them_and_not_as_good_as_the_best() -> None:
    picky = {"psnr": scored([None, None, *BEST[2:]], unit="dB", n_failed=2)}
    (table,) = build([handed_in("full", GOOD), handed_in("picky", [], scores=picky)], METRICS).tables
    ranks = {row[1].split()[0]: row[0] for row in sheet(table).body}
    assert ranks["picky"].startswith("2")
    assert "*" not in ranks["picky"]
    row = next(row for row in table.rows if row.name == "picky")
    assert "missing on 2" in row.scores["psnr"].reason
    assert "failed" not in row.scores["psnr"].reason
