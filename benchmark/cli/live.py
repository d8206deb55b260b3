"""What ``benchmark run`` shows while it works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmark.cli.text import echo, safe
from benchmark.running import Observer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from benchmark.executors.local import Event
    from benchmark.jobs import Progress
    from benchmark.plan import Plan


QUIET_SECONDS = 30.0
"""In plain lines, the longest silence while cells make progress."""


@dataclass
class Row:
    """One cell on the screen."""

    state: str
    cost: float
    reason: str = ""
    progress: Progress | None = None
    started: float = 0.0
    seconds: float = 0.0


@dataclass
class Board:
    """The state of all cells, and an estimate of the time left."""

    rows: dict[str, Row]
    began: float = field(default_factory=time.monotonic)

    def note(self, event: Event) -> None:
        """Take in an event."""
        row = self.rows[event.title]
        if event.kind == "started":
            row.state, row.started = "running", time.monotonic()
        elif event.kind == "progress":
            row.progress = event.progress
        elif event.kind == "retry":
            row.state, row.reason = "retrying", event.reason
        else:
            row.state, row.reason = event.state, event.reason
            row.seconds = time.monotonic() - row.started if row.started else 0.0

    def count(self, *states: str) -> int:
        """How many cells are in one of these states."""
        return sum(row.state in states for row in self.rows.values())

    def seconds_left(self) -> float | None:
        """Time left, from the cost of what is finished in this run and of what is not; ``None`` early on."""
        finished = sum(row.cost for row in self.rows.values() if row.seconds)
        ahead = 0.0
        for row in self.rows.values():
            if row.state in ("planned", "retrying"):
                ahead += row.cost
            elif row.state == "running":
                share = row.progress.step / max(1, row.progress.steps) if row.progress else 0.0
                ahead += row.cost * (1 - share)
                finished += row.cost * share
        elapsed = time.monotonic() - self.began
        return elapsed * ahead / finished if finished and elapsed > 5 else None


@contextlib.contextmanager
def display(plan: Plan) -> Iterator[Observer]:
    """An observer that shows a run of this plan."""
    board = Board({cell.spec.title: Row("planned", cell.cost + 0.1) for cell in plan.cells})

    def planned(cells: list[tuple[str, str]]) -> None:
        for title, state in cells:
            board.rows[title].state = state
        if kept := board.count("done"):
            echo(f"{kept} of {len(board.rows)} cells are done already")
        board.began = time.monotonic()

    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from rich.console import Console
        from rich.live import Live

        console = Console()
        with Live(console=console, get_renderable=lambda: _table(board), refresh_per_second=4, transient=True):
            yield Observer(planned, board.note, lambda text: console.print(safe(text), markup=False))
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
    ended = len(board.rows) - board.count("planned", "running", "retrying")
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
        if row.state in ("running", "failed", "timeout", "retrying"):
            table.add_row(*(Text(safe(cell)) for cell in _cells(title, row)))
    left = board.seconds_left()
    counts = f"{board.count('done')} done, {board.count('running')} running, {board.count('planned')} to come"
    if bad := board.count("failed", "timeout"):
        counts += f", {bad} failed"
    counts += f" of {len(board.rows)}"
    return Group(table, Text(f"{counts}; about {minutes(left)} left" if left is not None else counts))


def _cells(title: str, row: Row) -> tuple[str, str, str, str, str, str]:
    progress = row.progress
    if row.state != "running":
        return title, row.state, "", row.reason[:60], "", ""
    if progress is None:
        return title, row.state, "", "", "", ""
    losses = " ".join(f"{name} {value:.3g}" for name, value in list(progress.losses.items())[:3])
    speed = progress.images_per_second
    elapsed = time.monotonic() - row.started
    left = elapsed * (progress.steps - progress.step) / max(1, progress.step)
    return title, row.state, f"{progress.step}/{progress.steps}", losses, f"{speed:.0f}", minutes(left)


def minutes(seconds: float | None) -> str:
    """A duration for people."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
