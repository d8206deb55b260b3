"""The time left that a run shows: exact where everything is known, close where it has to be guessed."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cell.job import Progress
from benchmark.cli.live import Board, Row, minutes
from benchmark.executors import Event
from benchmark.runs.time_left import Pace, makespan

SECONDS = st.lists(st.integers(0, 50).map(float), max_size=6)


@given(SECONDS, SECONDS, st.integers(1, 4))
def test_makespan_is_what_workers_that_take_the_next_cell_need(
    running: list[float], waiting: list[float], slots: int
) -> None:
    running = running[:slots]
    clock, busy, queue = 0.0, list(running), list(waiting)
    while busy or queue:
        while queue and len(busy) < slots:
            busy.append(queue.pop(0))
        step = min(busy)
        clock += step
        busy = [left - step for left in busy if left > step]
    assert makespan(running, waiting, slots) == pytest.approx(clock)


def test_a_cell_takes_as_long_as_its_model_did_or_else_what_its_cost_says() -> None:
    pace = Pace()
    assert pace.expected("a", 1.0) is None
    assert pace.rest("a", 1.0, elapsed=5.0, share=0.0) is None
    pace.learn("a", cost=1.0, seconds=10.0, tail=2.0)
    assert pace.expected("a", 1.0) == 10.0
    assert pace.expected("b", 3.0) == pytest.approx(30.0)
    assert pace.rest("b", 3.0, elapsed=0.0, share=0.0) == pytest.approx(30.0)
    assert pace.rest("b", 3.0, elapsed=5.0, share=0.5) == pytest.approx(5.0 + 2.0)
    assert pace.rest("b", 3.0, elapsed=5.0, share=1.0) == pytest.approx(2.0)
    assert pace.rest("a", 1.0, elapsed=60.0, share=0.0) == pytest.approx(6.0)  # late: not done at any moment


def test_without_declared_costs_being_right_the_estimate_comes_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty cells on two workers, costs wrong by up to a factor of two: from a third of the run on, 25 % at most."""
    draw = random.Random(0)
    speed = {model: draw.uniform(0.7, 1.4) for model in "abcdefghij"}
    cells = [
        (f"t{task}/{model}/s0", model, 1.0 + index) for task in range(6) for index, model in enumerate("abcdefghij")
    ]
    takes = {title: 3.0 * cost * speed[model] * draw.uniform(0.9, 1.1) for title, model, cost in cells}
    clock = 0.0
    monkeypatch.setattr("benchmark.cli.live.time.monotonic", lambda: clock)
    board = Board({title: Row("planned", model, cost) for title, model, cost in cells})
    queue = sorted(cells, key=lambda cell: -cell[2])
    total = makespan([], [takes[title] for title, _, _ in queue], 2)
    running: dict[str, float] = {}
    errors = []
    for _ in itertools.count():
        while queue and len(running) < 2:
            title = queue.pop(0)[0]
            running[title] = clock + takes[title]
            board.note(Event("started", title))
        if not running:
            break
        title = min(running, key=lambda each: running[each])
        clock = running.pop(title)
        board.note(Event("progress", title, progress=Progress(10, 10, {}, 1.0)))
        board.note(Event("finished", title, "done"))
        for each, end in running.items():
            share = 1 - (end - clock) / takes[each]
            board.note(Event("progress", each, progress=Progress(int(1000 * share), 1000, {}, 1.0)))
        left = board.seconds_left()
        if left is not None and total / 3 < clock < 0.97 * total:
            errors.append(abs(left - (total - clock)) / (total - clock))
    assert clock == pytest.approx(total)
    assert len(errors) > 20
    assert max(errors) < 0.25


def test_nothing_is_said_before_anything_is_known() -> None:
    board = Board({"t/a/s0": Row("planned", "a", 1.0), "t/b/s0": Row("planned", "b", 1.0)})
    assert board.seconds_left() is None
    board.note(Event("started", "t/a/s0"))
    assert board.seconds_left() is None


def test_durations_are_for_people() -> None:
    assert [minutes(value) for value in (None, 0.2, 89, 91, 3600, 6000)] == [
        "",
        "1 s",
        "89 s",
        "2 min",
        "60 min",
        "1.7 h",
    ]
