"""``benchmark merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of one grid, made on several machines.")],
    to: Annotated[Path, typer.Option("--to", help="Run folder to bring the cells into: new, or of the same grid.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring cells of one grid together in one run: the same claims, every file compared with its hash.

    Nothing that is there is replaced. Cells that contradict each other are named, the first stays; exit 1 then.

    benchmark merge node1/full-small-3seeds node2/full-small-3seeds --to results/full-small-3seeds
    """
    from benchmark.cli.text import count, echo, echo_json
    from benchmark.runs.merge import merge as merge_runs

    done = merge_runs(runs, to)
    if json:
        conflicts = [
            {"cell": conflict.cell, "runs": [str(path) for path in conflict.runs], "reason": conflict.reason}
            for conflict in done.conflicts
        ]
        facts = {"run": str(done.path), "copied": done.copied, "there": done.there, "damaged": done.damaged}
        echo_json({**facts, "conflicts": conflicts, "missing": done.missing})
        raise typer.Exit(0 if done.ok else 1)
    for conflict in done.conflicts:
        first, second = conflict.runs
        echo(f"conflict: {conflict.cell} of {second}: {conflict.reason}; that of {first} stays")
    for cell, reason in done.damaged.items():
        echo(f"not taken: {cell}: {reason}")
    there = f", {len(done.there)} there already" if done.there else ""
    missing = f", {count(len(done.missing), 'cell')} still to be done" if done.missing else ""
    echo(f"{done.path}: {count(len(done.copied), 'cell')} copied{there}{missing}")
    raise typer.Exit(0 if done.ok else 1)
