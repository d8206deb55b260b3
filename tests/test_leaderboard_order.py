"""The order of a leaderboard: what may not change it, and what the missing do to it."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_leaderboard import METRICS, record, scored

from benchmark import leaderboard
from benchmark.contracts.specs import MetricUse, ProfileSpec
from benchmark.store.record import Record

PATIENTS = 7
Scores = dict[str, dict[str, list[float | None]]]
"""By model and metric, a value for each patient."""
DIRECTIONS = {"psnr": 1.0, "mae": -1.0, "lpips": -1.0}


def records(scores: Scores, task: str = "pet-ct") -> list[Record]:
    return [
        record(name, by_metric["psnr"], task=task, scores={m: scored(v) for m, v in by_metric.items() if m != "psnr"})
        for name, by_metric in scores.items()
    ]


def order(scores: Scores, *, tasks: int = 1) -> dict[tuple[str, str], int]:
    """For each pair of models: whether the first stands before (-1), beside (0) or behind the second."""
    made = [each for task in range(tasks) for each in records(scores, f"task{task}")]
    board = leaderboard.build(made, METRICS)
    rows = board.overall.rows if board.overall else board.tables[0].rows
    ranks = {row.name: row.rank or 99 for row in rows}
    return {(a, b): (ranks[a] > ranks[b]) - (ranks[a] < ranks[b]) for a, b in itertools.combinations(sorted(ranks), 2)}


def tables(metrics: tuple[str, ...]) -> st.SearchStrategy[Scores]:
    values = st.lists(st.integers(0, 9).map(float), min_size=PATIENTS, max_size=PATIENTS)
    return st.dictionaries(st.sampled_from("abcde"), st.fixed_dictionaries(dict.fromkeys(metrics, values)), min_size=2)


def dominated(scores: Scores) -> dict[str, list[float]]:
    """Worse than every other on every patient under every metric."""
    found = {}
    for metric in next(iter(scores.values())):
        sign = DIRECTIONS[metric]
        worst = [min(sign * s[metric][p] for s in scores.values()) for p in range(PATIENTS)]  # type: ignore[operator]
        found[metric] = [sign * (value - 1.0) for value in worst]
    return found


@settings(max_examples=30, deadline=None)
@given(tables(("psnr", "mae", "lpips")), st.sampled_from([1, 2]))
def test_a_dominated_entry_changes_no_pair_under_several_metrics(scores: Scores, tasks: int) -> None:
    before = order(scores, tasks=tasks)
    after = order({**scores, "worst": dominated(scores)}, tasks=tasks)  # type: ignore[dict-item]
    assert {pair: after[pair] for pair in before} == before
    assert all(after[pair] == -1 for pair in after if pair[1] == "worst")


@settings(max_examples=30, deadline=None)
@given(tables(("psnr",)), st.lists(st.integers(0, 9).map(float), min_size=PATIENTS, max_size=PATIENTS))
def test_no_entry_at_all_changes_a_pair_under_one_metric(scores: Scores, values: list[float]) -> None:
    before = order(scores)
    after = order({**scores, "new": {"psnr": list(values)}})
    assert {pair: after[pair] for pair in before} == before


@settings(max_examples=20, deadline=None)
@given(tables(("psnr", "mae")), st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(scores: Scores, shuffle: random.Random) -> None:
    made = records(scores)
    shuffled = list(made)
    shuffle.shuffle(shuffled)
    assert leaderboard.to_json(leaderboard.build(shuffled, METRICS)) == leaderboard.to_json(
        leaderboard.build(made, METRICS)
    )


@settings(max_examples=20, deadline=None)
@given(tables(("psnr", "mae")), st.permutations("abcde"))
def test_names_do_not_matter(scores: Scores, names: list[str]) -> None:
    renamed = dict(zip("abcde", names, strict=True))
    before = order(scores)
    after = order({renamed[name]: values for name, values in scores.items()})
    for (a, b), found in before.items():
        first, second = renamed[a], renamed[b]
        assert found == (after[first, second] if first < second else -after[second, first])


def test_ranks_are_averaged_over_metrics_with_their_directions() -> None:
    psnr = {name: [value + i / 10 for i in range(PATIENTS)] for name, value in (("a", 30.0), ("b", 29.0), ("c", 20.0))}
    mae = {name: [value + i / 10 for i in range(PATIENTS)] for name, value in (("a", 9.0), ("b", 5.0), ("c", 50.0))}
    board = leaderboard.build(records({n: {"psnr": list(psnr[n]), "mae": list(mae[n])} for n in "abc"}), METRICS)
    (table,) = board.tables
    assert table.ranked_by == ("psnr", "mae")
    assert [(row.name, row.rank, row.mean_rank) for row in table.rows] == [("a", 1, 1.5), ("b", 1, 1.5), ("c", 3, 3.0)]
    text = leaderboard.to_text(board)
    assert "1=" in text
    assert "Ranked by leads two by two under PSNR and MAE" in text
    definition = {**records({"a": {"psnr": [1.0]}})[0].profile_definition, "ranked_by": ["mae"]}
    chosen = [
        replace(each, profile_definition=definition)
        for each in records({n: {"psnr": list(psnr[n]), "mae": list(mae[n])} for n in "abc"})
    ]
    (table,) = leaderboard.build(chosen, METRICS).tables
    assert table.ranked_by == ("mae",)
    assert [row.name for row in table.rows] == ["b", "a", "c"]


def test_a_model_with_a_missing_patient_comes_after_those_with_none() -> None:
    easy = [40.0] * 11
    made = [
        record("skips", [None, *easy]),
        record("skips-two", [None, None, *easy[1:]]),
        record("whole", [20.0 + i / 9 for i in range(12)]),
        record("worse", [10.0 + i / 7 for i in range(12)]),
    ]
    (table,) = leaderboard.build(made, METRICS).tables
    assert [row.name for row in table.rows] == ["whole", "worse", "skips", "skips-two"]
    assert table.rows[2].scores["psnr"].missing == 1
    assert "PSNR of skips: undefined on 1 of 12 patients" in table.notes
    assert any(note.startswith("Models with missing patients come after") for note in table.notes)
    text = leaderboard.to_text(leaderboard.build(made, METRICS))
    assert "[11/12]" in text
    assert not table.rows[2].best, "a mean over easier patients cannot be the best"


def test_failed_patients_are_told_from_undefined_ones() -> None:
    made = [record("m", None, scores={"psnr": scored([20.0, None, None, None], n_failed=2)}), record("n", [1.0] * 4)]
    (table,) = leaderboard.build(made, METRICS).tables
    score = table.rows[1].scores["psnr"]
    assert (score.expected, score.interval.n, score.failed, score.missing) == (4, 1, 2, 3)
    assert "PSNR of m: failed on 2 and undefined on 1 of 4 patients" in table.notes


def test_a_model_without_a_metric_that_ranks_has_no_rank() -> None:
    whole = {"mae": scored([5.0, 6.0, 7.0])}
    made = [record("a", [20.0, 21.0, 22.0], scores=whole), record("b", [20.0, 21.0, 23.0])]
    (table,) = leaderboard.build(made, METRICS).tables
    assert [(row.name, row.rank) for row in table.rows] == [("a", 1), ("b", None)]
    assert "No rank for b: no MAE." in table.notes


@pytest.mark.parametrize("patients", [4, 8, 12])
@pytest.mark.parametrize("exact", [None, 300.0, 120.0, 97.0, 80.0, 60.0])
def test_one_exact_patient_puts_nobody_first(exact: float | None, patients: int) -> None:
    """Worse by 5 dB on all others: neither infinity nor what rounding leaves of it decides a rank, mark or mean."""
    better = scored([30.0 + i / 9 for i in range(patients)])
    values: list[float | None] = [exact, *(25.0 + i / 9 for i in range(1, patients))]
    worse = scored(values, **({"infinite": ["p000"]} if exact is None else {}))
    made = [
        record(name, None, seed=seed, scores={"psnr": psnr})
        for name, psnr in (("better", better), ("a-worse", worse))
        for seed in range(2)
    ]
    (table,) = leaderboard.build(made, METRICS).tables
    assert [(row.name, row.rank) for row in table.rows] == [("better", 1), ("a-worse", 2)]
    assert table.rows[0].best["psnr"] == "best"
    if exact is None or exact > 96.4:
        shown = table.rows[1].scores["psnr"]
        assert (shown.perfect, shown.interval.n) == (1, patients - 1)
        assert shown.interval.mean < 27.0


def test_exact_is_best_where_the_rest_is_equal_and_lost_when_it_is_an_error() -> None:
    made = [
        record("a", None, scores={"psnr": scored([None, 30.0, 31.0], infinite=["p000"])}),
        record("b", [40.0, 30.0, 31.0]),
    ]
    assert [row.name for row in leaderboard.build(made, METRICS).tables[0].rows] == ["a", "b"]
    endless = scored([None, 1.0, 1.0], infinite=["p000"])
    by_mae = {"primary": "mae", "ranked_by": ["mae"]}
    finite = scored([9.0, 9.0, 9.0])
    made = [
        record("a", [1.0] * 3, scores={"mae": endless}, profile_definition=by_mae),
        record("b", [1.0] * 3, scores={"mae": finite}, profile_definition=by_mae),
    ]
    assert [row.name for row in leaderboard.build(made, METRICS).tables[0].rows] == ["b", "a"]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2))
def test_friends_of_a_participant_change_no_pair_of_the_others(seed: int, tasks: int) -> None:
    """Three near-copies of one entry, under three metrics that disagree: the others stand as they stood."""
    rng = random.Random(seed)
    scores: Scores = {
        name: {metric: [rng.gauss(20.0, 2.0) for _ in range(PATIENTS)] for metric in DIRECTIONS} for name in "abcde"
    }
    friends = {
        f"c{copy}": {
            metric: [value + rng.gauss(0.0, 1e-6) for value in values] for metric, values in scores["c"].items()
        }  # type: ignore[operator]
        for copy in range(3)
    }
    before = order(scores, tasks=tasks)
    after = order({**scores, **friends}, tasks=tasks)  # type: ignore[dict-item]
    assert {pair: after[pair] for pair in before} == before


def test_a_profile_ranks_by_metrics_that_it_has() -> None:
    uses = (MetricUse("mae"), MetricUse("psnr"))
    assert ProfileSpec("p", 1, uses, primary="mae", ranked_by=("psnr",)).ranked_by == ("psnr",)
    with pytest.raises(ValueError, match="ranked by 'ssim'"):
        ProfileSpec("p", 1, uses, primary="mae", ranked_by=("psnr", "ssim"))
