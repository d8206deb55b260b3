"""``benchmark status`` and ``benchmark explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.store import RunFolder


def find_run(path: Path | None) -> RunFolder:
    """The run folder that a user means: given, or the only or latest one in the folder given.

    Raises:
        UsageError: there is none.
    """
    from benchmark.store import RunFolder

    start = path or Path("results")
    if (start / "run.json").is_file():
        return RunFolder(start)
    runs = sorted(start.glob("*/run.json"), key=lambda file: file.stat().st_mtime)
    if not runs:
        raise UsageError(f"no run in {start}; give the folder that 'benchmark run' printed")
    if path is not None and len(runs) > 1:
        names = ", ".join(str(file.parent) for file in runs[-5:])
        raise UsageError(f"{start} holds {len(runs)} runs; give one of them: {names}")
    return RunFolder(runs[-1].parent)


def status(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every cell of a run with its state and, where it is not done, the reason."""
    from benchmark.cli.text import columns, echo, echo_json

    folder = find_run(run)
    records = folder.records(verify=True)
    rows = [_row(record) for record in records]
    if json:
        echo_json(rows)
        return
    about = folder.about()
    echo(f"{folder.path}: grid {about['grid']}, preset {about['preset']}, {len(records)} cells")
    for line in columns(
        [["cell", "task", "model", "seed", "state", "train s", "MB", "remarks"], *(_line(r) for r in rows)]
    ):
        echo(line)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    echo(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))


def _row(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": record["id"],
        "task": record["task"],
        "model": record["name"],
        "seed": record["seed"],
        "state": record["state"],
        "reason": record.get("reason", ""),
        "train_s": record.get("timings", {}).get("train_s"),
        "peak_memory_mb": record.get("peak_memory_mb"),
        "health": record.get("health", []),
    }


def _line(row: dict[str, Any]) -> list[str]:
    return [
        row["id"],
        row["task"],
        row["model"],
        str(row["seed"]),
        row["state"],
        _rounded(row["train_s"]),
        _rounded(row["peak_memory_mb"]),
        row["reason"] or "; ".join(f"{found['term']}: {found['fault']}" for found in row["health"]),
    ]


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def explain(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    cell: Annotated[str, typer.Argument(help="Cell: its id, the start of it, or task/model/s0.")],
) -> None:
    """Say what a cell is made of, its state, and what the next run would do with it."""
    from benchmark.cli.text import columns, echo

    folder = find_run(run)
    matches = [r for r in folder.records(verify=True) if r["id"].startswith(cell) or _title(r) == cell]
    if not matches:
        raise UsageError(f"no cell {cell!r} in {folder.path}; see 'benchmark status {folder.path}'")
    for record in matches:
        reason = f": {record['reason']}" if record.get("reason") else ""
        echo(f"{record['id']}  {_title(record)}  {record['state']}{reason}")
        echo(f"next run: {_next(record['state'])}")
        for found in record.get("health", ()):
            echo(f"{found['term']} looks {found['fault']}: {found['detail']}")
        for line in columns([[name, value] for name, value in _flat(record["spec"])]):
            echo(f"  {line}")


def _title(record: dict[str, Any]) -> str:
    return f"{record['task']}/{record['name']}/s{record['seed']}"


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
