"""What ``benchmark run`` shows while it works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmark.cli.text import count, echo, minutes, safe
from benchmark.runs.execute import Observer
from benchmark.runs.needs import FIXED_COST
from benchmark.runs.time_left import Pace, makespan

if TYPE_CHECKING:
    from rich.console import RenderableType

    from benchmark.cell.job import Progress
    from benchmark.executors import Event
    from benchmark.plan.expand import Plan
    from benchmark.runs.start import PlannedRun


QUIET_SECONDS = 30.0
"""In plain lines, the longest silence while cells make progress."""


@dataclass
class Row:
    """One cell on the screen."""

    state: str
    model: str
    cost: float
    reason: str = ""
    progress: Progress | None = None
    started: float = 0.0
    trained: float = 0.0
    """When its last training step was reported."""
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """How much of its training is done."""
        return self.progress.step / max(1, self.progress.steps) if self.progress else 0.0


@dataclass
class Board:
    """The state of all cells, and an estimate of the time left."""

    rows: dict[str, Row]
    pace: Pace = field(default_factory=Pace)
    slots: int = 0
    """Most cells that were seen to run at once."""

    @classmethod
    def of(cls, plan: Plan) -> Board:
        """All cells of a plan, none started."""
        return cls({cell.spec.title: Row("planned", cell.alike, cell.cost + FIXED_COST) for cell in plan.cells})

    def planned(self, cells: list[tuple[str, str]]) -> int:
        """Take in what is there already; returns how many cells are done."""
        for title, state in cells:
            self.rows[title].state = state
        return self.count("done")

    def note(self, event: Event) -> None:
        """Take in an event."""
        row, now = self.rows[event.title], time.monotonic()
        if event.kind == "started":
            row.state, row.started, row.progress = "running", now, None
            self.slots = max(self.slots, self.count("running"))
        elif event.kind == "progress":
            row.progress, row.trained = event.progress, now
        elif event.kind == "retry":
            row.state, row.reason = "retrying", event.reason
        elif event.kind == "elsewhere":
            row.state, row.reason = "elsewhere", event.reason
        else:
            row.state, row.reason = event.state, event.reason
            row.seconds = now - row.started if row.started else 0.0
            if row.state == "done" and row.seconds:
                self.pace.learn(row.model, row.cost, row.seconds, now - row.trained if row.share >= 1 else None)

    def count(self, *states: str) -> int:
        """How many cells are in one of these states."""
        return sum(row.state in states for row in self.rows.values())

    def rest(self, row: Row) -> float | None:
        """Seconds left of a running cell."""
        return self.pace.rest(row.model, row.cost, time.monotonic() - row.started, row.share)

    def seconds_left(self) -> float | None:
        """Time left of the whole run; ``None`` as long as nothing has taken time."""
        running = [self.rest(row) for row in self.rows.values() if row.state == "running"]
        expected = [
            self.pace.expected(row.model, row.cost)
            for row in sorted(self.rows.values(), key=lambda row: -row.cost)
            if row.state in ("planned", "retrying", "elsewhere")
        ]
        known, ahead = ([each for each in some if each is not None] for some in (running, expected))
        if len(known) < len(running) or len(ahead) < len(expected) or not (known or ahead):
            return None
        return makespan(known, ahead, self.slots)


@contextlib.contextmanager
def display(run: PlannedRun, *, plain: bool = False) -> Iterator[Observer]:
    """An observer that shows a run; ``plain``: lines, even on a terminal."""
    board = Board.of(run.plan)

    def planned(cells: list[tuple[str, str]]) -> None:
        total = count(len(run.cells), "cell")
        echo(f"{run.plan.grid} grid, preset {run.plan.preset}, {total} -> {run.path}")
        if kept := board.planned(cells):
            echo(f"{kept} of {len(board.rows)} cells are done already")

    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not plain:
        from rich.console import Console
        from rich.live import Live

        console = Console()
        with Live(console=console, get_renderable=lambda: _table(board), refresh_per_second=4, transient=True):
            yield Observer(planned, board.note, lambda text: console.print(safe(text), markup=False, highlight=False))
    else:
        said = time.monotonic()

        def event(event: Event) -> None:
            nonlocal said
            board.note(event)
            now = time.monotonic()
            if event.kind in ("retry", "finished"):
                echo(_line(board, event))
            elif event.kind == "progress" and now - said > QUIET_SECONDS:
                echo(_running(board))
            else:
                return
            said = now

        yield Observer(planned, event, echo)


def _running(board: Board) -> str:
    """Where the running cells stand, for somebody who reads a log file."""
    steps = [
        f"{title} {row.progress.step}/{row.progress.steps}"
        for title, row in board.rows.items()
        if row.state == "running" and row.progress
    ]
    left = board.seconds_left()
    return f"running: {', '.join(steps)}" + (f"; about {minutes(left)} left" if left else "")


def _line(board: Board, event: Event) -> str:
    row = board.rows[event.title]
    ended = len(board.rows) - board.count("planned", "running", "retrying", "elsewhere")
    what = event.state if event.kind == "finished" else "retrying"
    took = f" {row.seconds:.0f} s" if row.seconds else ""
    left = board.seconds_left()
    ahead = f"; about {minutes(left)} left" if left and ended < len(board.rows) else ""
    reason = f": {event.reason}" if event.reason else ""
    return f"[{ended}/{len(board.rows)}] {event.title} {what}{took}{reason}{ahead}"


def _table(board: Board) -> RenderableType:
    """Running cells with step, loss and speed; the rest as counts."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, expand=False)
    for heading in ("cell", "state", "step", "loss", "images/s", "left"):
        table.add_column(heading, justify="left" if heading in ("cell", "state", "loss") else "right")
    for title, row in board.rows.items():
        if row.state in ("running", "failed", "timeout", "retrying", "elsewhere"):
            table.add_row(*(Text(safe(cell)) for cell in _cells(board, title, row)))
    left = board.seconds_left()
    counts = f"{board.count('done')} done, {board.count('running')} running, {board.count('planned')} to come"
    if bad := board.count("failed", "timeout"):
        counts += f", {bad} failed"
    counts += f" of {len(board.rows)}"
    return Group(table, Text(f"{counts}; about {minutes(left)} left" if left is not None else counts))


def _cells(board: Board, title: str, row: Row) -> tuple[str, str, str, str, str, str]:
    progress = row.progress
    if row.state != "running":
        return title, row.state, "", row.reason[:60], "", ""
    if progress is None:
        return title, row.state, "", "", "", ""
    losses = " ".join(f"{name} {value:.3g}" for name, value in list(progress.losses.items())[:3])
    speed = progress.images_per_second
    return title, row.state, f"{progress.step}/{progress.steps}", losses, f"{speed:.0f}", minutes(board.rest(row))
