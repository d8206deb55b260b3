"""What a table may claim of models whose training seeds vary, and what stands beside a rank."""

from __future__ import annotations

import csv
import io
import random
from typing import Any

import pytest
from test_leaderboard import METRICS, record, scored

from benchmark import leaderboard


def trained(
    name: str, level: float, seeds: int = 3, *, seed_sd: float = 0.05, patients: int = 12, **more: Any
) -> list[dict[str, Any]]:
    """Records of one model, its seeds about a level."""
    rng = random.Random(name)
    own = [level + i / 3 + rng.gauss(0.0, 0.1) for i in range(patients)]
    made = []
    for seed in range(seeds):
        shift = rng.gauss(0.0, seed_sd)
        made.append(record(name, [value + shift for value in own], seed=seed, **more))
    return made


def table(*records: list[dict[str, Any]]) -> leaderboard.Table:
    (found,) = leaderboard.build([each for some in records for each in some], METRICS).tables
    return found


def brackets(found: leaderboard.Table) -> dict[str, tuple[int, int] | None]:
    return {row.name: row.rank_range for row in found.rows}


def test_one_seed_separates_no_trained_model_from_anything() -> None:
    fixed = [trained(name, level, 1, kind="fixed") for name, level in (("copy", 10.0), ("map", 15.0))]
    found = table(trained("a", 30.0, 1), trained("b", 20.0, 1), *fixed)
    assert brackets(found) == {"a": (1, 4), "b": (1, 4), "map": (1, 3), "copy": (2, 4)}
    assert {row.name for row in found.rows if row.best} == {"a", "b", "map", "copy"}
    (line,) = [note for note in found.notes if note.startswith("‡")]
    assert "--seeds 3" in line


def test_seeds_that_agree_let_patients_decide() -> None:
    found = table(trained("a", 30.0), trained("b", 29.0), trained("c", 28.0))
    assert brackets(found) == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}
    assert [row.best.get("psnr") for row in found.rows] == ["best", None, None]


def test_seeds_that_vary_hold_back_what_every_patient_says() -> None:
    found = table(trained("a", 30.0, seed_sd=2.0), trained("b", 29.0, seed_sd=2.0))
    assert brackets(found) == {"a": (1, 2), "b": (1, 2)}
    assert found.comparisons[0].adjusted_p < 0.01 < 0.05 < found.comparisons[0].claim_p
    assert all(row.best for row in found.rows)


def test_a_model_of_one_seed_is_judged_by_how_much_the_others_vary() -> None:
    assert brackets(table(trained("a", 30.0), trained("b", 29.0, 1)))["a"] == (1, 1)
    found = table(trained("a", 30.0, seed_sd=2.0), trained("b", 29.0, 1))
    assert brackets(found)["a"] == (1, 2)
    assert any("different seeds" in note for note in found.notes)


@pytest.mark.parametrize(
    ("more", "seeded"),
    [
        ({"kind": "fixed"}, False),
        ({"kind": "fitted"}, False),
        ({"kind": "trained", "baseline": True}, True),
        ({"kind": "evaluated"}, False),
    ],
)
def test_the_record_says_whether_a_model_has_seeds(more: dict[str, Any], seeded: bool) -> None:
    assert [row.seeded for row in table(trained("m", 20.0, 1, **more)).rows] == [seeded]


def test_submissions_are_judged_as_handed_in_unless_beside_trained_models() -> None:
    handed_in = [trained(name, level, 1, kind="evaluated") for name, level in (("ours", 30.0), ("theirs", 20.0))]
    found = table(*handed_in)
    assert brackets(found) == {"ours": (1, 1), "theirs": (2, 2)}
    assert any("judged as handed in" in note for note in found.notes)
    assert brackets(table(*handed_in, trained("gan", 25.0, 1))) == dict.fromkeys(("ours", "gan", "theirs"), (1, 3))


def test_capacity_and_operations_stand_beside_the_rank_where_they_are_not_matched() -> None:
    def cost(weights: int, operations: float) -> dict[str, Any]:
        times = {"timings": {"train_s": 700.0 if weights < 5_000_000 else 100.0}}  # other work on the machine
        counted = {"training": {"steps": 100, "flops_per_step": operations}}
        return {"parameters": {"generator": weights}, **times, **(counted if operations else {})}

    def records(medgan: float) -> list[dict[str, Any]]:
        return [
            *trained("medgan", 30.0, **cost(6_000_000, medgan)),
            *trained("pix2pix", 29.0, **cost(1_000_000, 1.0e9)),
            *trained("pan", 28.0, **cost(1_050_000, 1.5e9)),
            *trained("copy", 10.0, 1, kind="fixed", parameters={}, timings={"train_s": 0.0}),
        ]

    board = leaderboard.build(records(7.0e9), METRICS)
    text = leaderboard.to_text(board)
    line = next(line.split() for line in text.splitlines() if "medgan" in line)
    assert line[:8] == ["1*", "(1)", "medgan", "6M", "(5.7x)", "100", "(4.7x)", line[7]]
    assert "gives all generators the same capacity" in text
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(leaderboard.to_csv(board)))}
    assert float(rows["medgan"]["capacity"]) == pytest.approx(6_000 / 1_050)
    assert rows["pan"]["capacity"] == rows["pix2pix"]["capacity"] == rows["copy"]["capacity"] == ""
    assert float(rows["medgan"]["compute"]) == pytest.approx(7.0 / 1.5)
    uncounted = {row.name: row for row in leaderboard.build(records(0.0), METRICS).tables[0].rows}
    assert {row.compute for row in uncounted.values()} == {None}, "compared only where all were counted"


def test_an_order_over_tasks_claims_only_what_all_tables_hold() -> None:
    def both(order: str, seeds: int) -> list[dict[str, Any]]:
        made = []
        for task, best_first in (("one", "abc"), ("two", order)):
            for place, name in enumerate(best_first):
                made += trained(name, 30.0 - place, seeds, task=task, data=task)
        return made

    agreeing = leaderboard.build(both("abc", 3), METRICS).overall
    assert agreeing is not None
    assert [row.rank_interval for row in agreeing.rows] == [(1, 1), (2, 2), (3, 3)]
    single = leaderboard.build(both("abc", 1), METRICS).overall
    assert single is not None
    assert {row.rank_interval for row in single.rows} == {(1, 3)}
    assert any("take this order as a tie" in note for note in single.notes)
    turned = leaderboard.build(both("cba", 3), METRICS).overall
    assert turned is not None
    assert {row.rank_interval for row in turned.rows} == {(1, 3)}


@pytest.mark.parametrize("values", [[25.0] * 12, [25.0], [None] * 11 + [25.0]])
def test_predictions_that_are_all_equal_and_tables_of_one_patient_are_ties(values: list[float | None]) -> None:
    made = [[record(name, list(values), seed=seed) for seed in range(3)] for name in "ab"]
    found = table(*made)
    assert brackets(found) == {"a": (1, 2), "b": (1, 2)}
    assert {row.rank for row in found.rows} == {1}


def test_a_model_in_one_table_only_has_no_place_in_the_overall_order() -> None:
    made = [*trained("a", 30.0), *trained("b", 20.0), *trained("a", 30.0, task="mr-ct", data="x")]
    made += [*trained("b", 20.0, task="mr-ct", data="x"), *trained("c", 10.0, task="mr-ct", data="x")]
    overall = leaderboard.build(made, METRICS).overall
    assert overall is not None
    assert [(row.name, row.rank) for row in overall.rows] == [("a", 1), ("b", 2), ("c", None)]
    assert any("not scored in every table" in note for note in overall.notes)


def test_a_crowd_is_ordered_and_not_tested() -> None:
    made = [record(f"m{at:03}", [20.0 + at / 7, 21.0 + at / 7], kind="fixed") for at in range(130)]
    found = table(made)
    assert [row.rank for row in found.rows] == list(range(1, 131))
    assert {row.rank_range for row in found.rows} == {None}
    assert not found.comparisons
    assert any(note.startswith("130 models: ordered by mean rank and not tested") for note in found.notes)


def test_scores_without_a_direction_or_patients_rank_nothing() -> None:
    nothing = [record(name, [None, None], scores={"mae": scored([None, None])}) for name in "ab"]
    assert {row.rank for row in table(nothing).rows} == {None}
