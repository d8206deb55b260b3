"""``benchmark status`` and ``benchmark explain``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli import completion
from benchmark.store.stops import POLICIES, Stop

if TYPE_CHECKING:
    from benchmark.plan.claim import CellSpec
    from benchmark.store.index import Brief
    from benchmark.store.record import Record


def status(
    run: Annotated[
        Path | None,
        typer.Argument(help="Run folder; default: the latest under results/.", autocompletion=completion.runs),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every cell of a run with its state and, where it is not done, the reason.

    benchmark status results/full-small-1seed
    """
    from benchmark import load_run
    from benchmark.cli.text import columns, count, echo, echo_json, minutes, warn
    from benchmark.runs.needs import Experience
    from benchmark.runs.read import FINE

    found = load_run(run)
    warn(f"{found.path}/{name}: {reason}" for name, reason in found.unreadable)
    about, experience = found.about, Experience()
    planned = {cell.spec.id: cell for cell in about.cells}
    rows = []
    for spec, brief in found.overview():
        rows.append(_row(spec, brief))
        if spec.id in planned:
            experience.learn(planned[spec.id], brief)
    for row in rows:
        ahead = row["id"] in planned and row["state"] not in FINE
        row["expected_s"] = experience.expected_seconds(planned[row["id"]]) if ahead else None
    if json:
        echo_json(rows)
        return
    echo(f"{found.path}: grid {about.grid}, preset {about.preset}, {count(len(rows), 'cell')}")
    for line in columns(
        [["cell", "task", "model", "seed", "state", "train s", "MB", "remarks"], *(_line(row) for row in rows)]
    ):
        echo(line)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    echo(", ".join(f"{number} {state}" for state, number in sorted(counts.items())))
    if (left := rest(rows)) is not None:
        workers = max(1, counts.get("running", 0))
        ends = f", {minutes(left / workers)} with the {count(workers, 'worker')} now at work" if workers > 1 else ""
        echo(f"about {minutes(left)} of work left{ends}, as finished cells went")
    for stop, number in stopped(rows).items():
        policy = POLICIES[stop]
        following = "go on by themselves" if policy.continues else "wait for the next 'benchmark run'"
        echo(f"stopped ({stop}): {count(number, 'cell')}, {policy.says}; such cells {following}")


def rest(rows: list[dict[str, Any]]) -> float | None:
    """Seconds of work that are left, one cell after the other; ``None`` where there are none, or nobody knows."""
    ahead = [row["expected_s"] for row in rows if row["state"] in ("planned", "running", "timeout", "failed")]
    known = [float(seconds) for seconds in ahead if seconds is not None]
    return sum(known) if known and len(known) == len(ahead) else None


def stopped(rows: list[dict[str, Any]]) -> dict[Stop, int]:
    """How many cells stopped before their end, by what stopped them, in the order of the policies."""
    numbers = {stop: sum(row["stop"] == stop for row in rows) for stop in POLICIES}
    return {stop: number for stop, number in numbers.items() if number}


def _row(spec: CellSpec, cell: Brief | Record) -> dict[str, Any]:
    return {
        "id": spec.id,
        "task": spec.task,
        "model": spec.name,
        "seed": spec.seed,
        "state": cell.state,
        "reason": cell.reason,
        "stop": cell.stop,
        "attempt": cell.attempt,
        "train_s": cell.timings.train_s,
        "peak_memory_mb": cell.peak_memory_mb,
        "peak_gpu_memory_mb": cell.peak_gpu_memory_mb,
        "health": [asdict(finding) for finding in cell.health],
    }


def _line(row: dict[str, Any]) -> list[str]:
    return [
        row["id"],
        row["task"],
        row["model"],
        str(row["seed"]),
        f"{row['state']} ({row['stop']})" if row["stop"] else row["state"],
        _rounded(row["train_s"]),
        _rounded(row["peak_memory_mb"]),
        row["reason"] or "; ".join(f"{found['term']}: {found['fault']}" for found in row["health"]),
    ]


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def explain(
    cell: Annotated[
        str,
        typer.Argument(
            metavar="RUN/CELL",
            help="A cell: task/model/s0 of a run, its id, or the start of either.",
            autocompletion=completion.cells,
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a cell is made of, its state, and what the next run would do with it.

    benchmark explain results/full-small-1seed/mr-ct/pix2pix/s0
    """
    from benchmark import load_run
    from benchmark.cli.text import columns, echo, echo_json
    from benchmark.store.address import cells_of

    run, named = cells_of(cell)
    found = load_run(run.path).find(named, verify=True)
    if json:
        echo_json(
            [
                {"cell": record.title, **_row(record.spec, record), "next_run": _next(record.state)}
                | {"spec": record.spec.to_json()}
                for record in (one.record for one in found)
            ]
        )
        return
    for one in found:
        echo(f"{one.id}  {one.title}  {one.state}{f': {one.reason}' if one.reason else ''}")
        echo(f"next run: {_next(one.state)}")
        for finding in one.record.health:
            echo(f"{finding.term} looks {finding.fault}: {finding.detail}")
        for line in columns([[name, value] for name, value in _flat(one.record.spec.to_json())]):
            echo(f"  {line}")


def _next(state: str) -> str:
    if state == "done":
        return "nothing: it is done and its files are whole"
    if state == "stale":
        return "nothing: the plan has another cell in its place"
    return "it is run, from its checkpoint where there is one"


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += _flat(item, f"{prefix}{key}.")
        else:
            lines.append((f"{prefix}{key}", str(item)))
    return lines
