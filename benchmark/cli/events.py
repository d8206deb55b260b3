"""What ``benchmark run --json`` prints: one JSON object a line, each with ``event`` and ``time``."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from benchmark.cli.live import Board
from benchmark.runs.execute import Observer

if TYPE_CHECKING:
    from benchmark.executors import Event
    from benchmark.runs.start import PlannedRun

EVENTS: Mapping[str, str] = {
    "plan": "first of all: `run` (the folder), `grid`, `preset`, and `cells` with `cell`, `id`, `task`, `model`, "
    "`seed` and `state`, which is `planned` for those that will be run",
    "message": "`text` for a person: data are built or checked",
    "started": "`cell` has begun",
    "progress": "`cell` has trained `step` of `steps`, with `losses` and `images_per_s`",
    "retry": "the process of `cell` died and it is started again; `reason`",
    "elsewhere": "another run on the same folder has `cell`, `reason` says which; its ending is told too",
    "finished": "`cell` has ended: `state`, `reason` unless done, `seconds`, and `seconds_left` of the whole run",
    "end": "last of all: `run`, `states` (cells by state), `exit_code`, files `leaderboard` and `report` (or null)",
}
"""Names and meanings, for the documentation."""


@contextlib.contextmanager
def json_lines(planned: PlannedRun) -> Iterator[Observer]:
    """An observer that prints events as JSON."""
    board = Board.of(planned.plan)

    def plan(cells: list[tuple[str, str]]) -> None:
        board.planned(cells)
        listed = [
            {
                "cell": spec.title,
                "id": spec.id,
                "task": spec.task,
                "model": spec.name,
                "seed": spec.seed,
                "state": board.rows[spec.title].state,
            }
            for spec in (cell.spec for cell in planned.cells)
        ]
        about = {"run": str(planned.path), "grid": planned.plan.grid, "preset": planned.plan.preset}
        _print("plan", {**about, "cells": listed})

    def event(event: Event) -> None:
        board.note(event)
        facts: dict[str, Any] = {"cell": event.title}
        if event.progress is not None:
            facts |= {"step": event.progress.step, "steps": event.progress.steps}
            facts |= {"losses": {name: _finite(value) for name, value in event.progress.losses.items()}}
            facts |= {"images_per_s": _finite(round(event.progress.images_per_second, 2))}
        if event.kind in ("retry", "elsewhere"):
            facts["reason"] = event.reason
        if event.kind == "finished":
            left = board.seconds_left()
            facts |= {"state": event.state, "reason": event.reason}
            facts |= {"seconds": round(board.rows[event.title].seconds, 3)}
            facts |= {"seconds_left": None if left is None else round(left, 1)}
        _print(event.kind, facts)

    yield Observer(plan, event, lambda text: _print("message", {"text": text}))


def end(run: Path, states: Mapping[str, int], exit_code: int, report: Path | None) -> None:
    """Print the last event."""
    leaderboard = str(run / "leaderboard.json")
    files = {"leaderboard": leaderboard, "report": str(report) if report else None}
    _print("end", {"run": str(run), "states": dict(states), "exit_code": exit_code, **files})


def _print(event: str, facts: Mapping[str, Any]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    typer.echo(json.dumps({"event": event, "time": now, **facts}, allow_nan=False))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
