"""A reproduced table prints what was published beside ours, and how far the orders agree."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_leaderboard import METRICS, record

from benchmark import leaderboard
from benchmark.statistics.agreement import kendall

PUBLISHED = {
    "task": "pet-ct",
    "source": "Nobody et al., table <1>",
    "note": "other patients",
    "scores": {"a": {"psnr": 30.0}, "b": {"psnr": 20.0}, "absent": {"psnr": 10.0, "vif": 0.5}},
}


def records() -> list[dict[str, object]]:
    return [record("a", [24.0, 26.0]), record("b", [22.0, 21.0]), record("c", [2.0, 1.0])]


def test_the_table_holds_ours_and_theirs_and_their_agreement() -> None:
    (table,) = leaderboard.build(records(), METRICS, published=[PUBLISHED]).tables
    (beside,) = table.published
    assert [column.name for column in beside.columns] == ["psnr"]
    assert {row.name: (row.ours.get("psnr"), row.published["psnr"]) for row in beside.rows} == {
        "a": (25.0, 30.0),
        "b": (21.5, 20.0),
        "absent": (None, 10.0),
    }
    assert beside.agreement["psnr"].n == 2
    assert beside.agreement["psnr"].tau == 1.0


def test_every_form_shows_it_and_escapes_what_the_grid_says() -> None:
    board = leaderboard.build(records(), METRICS, published=[PUBLISHED])
    assert "30.00" in leaderboard.to_text(board)
    assert "Kendall" in leaderboard.to_text(board)
    assert r"\<1\>" in leaderboard.to_markdown(board)
    assert r"\textless{}1\textgreater{}" in leaderboard.to_latex(board)
    assert '"tau": 1.0' in leaderboard.to_json(board)


@pytest.mark.parametrize("change", [{"task": "mr-ct"}, {"scores": {"x": {"psnr": 1.0}}}])
def test_a_table_about_something_else_is_left_out(change: dict[str, object]) -> None:
    (table,) = leaderboard.build(records(), METRICS, published=[{**PUBLISHED, **change}]).tables
    assert table.published == ()


def test_tau_and_its_p_agree_with_counting_every_order() -> None:
    ours = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}
    theirs = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 5.0, "e": 4.0}

    def concordance(order: tuple[float, ...]) -> int:
        pairs = [(i, j) for i in range(5) for j in range(i)]
        return sum(1 if order[i] > order[j] else -1 for i, j in pairs)

    seen = concordance(tuple(theirs.values()))
    every = [abs(concordance(order)) for order in permutations(range(1, 6))]
    agreement = kendall(ours, theirs)
    assert agreement.tau == pytest.approx(seen / 10)
    assert agreement.p == pytest.approx(sum(each >= abs(seen) for each in every) / len(every))


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(-10, 10), min_size=2))
def test_tau_turns_its_sign_with_the_order(values: dict[str, float]) -> None:
    places = {name: float(place) for place, name in enumerate(sorted(values))}
    forward, backward = kendall(values, places), kendall({name: -value for name, value in values.items()}, places)
    if math.isnan(forward.tau):
        assert len(set(values.values())) == 1
    else:
        assert forward.tau == pytest.approx(-backward.tau)
        assert -1 <= forward.tau <= 1
