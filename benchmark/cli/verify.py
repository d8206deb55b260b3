"""``benchmark verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score the stored predictions of every finished cell again and compare with what is recorded.

    Exit 1 if a file was altered or a number differs.

    benchmark verify results/full-small-1seed
    """
    from benchmark import load_run
    from benchmark.cli.text import count, echo, echo_json

    rows = []
    for cell, problem in load_run(run).verify():
        rows.append({"cell": cell.title, "id": cell.id, "holds": not problem, "problem": problem})
        if problem and not json:
            echo(f"{cell.title}: {problem}")
    good = sum(bool(row["holds"]) for row in rows)
    if json:
        echo_json(rows)
    else:
        bad = f", {len(rows) - good} do not" if good < len(rows) else ""
        echo(f"{count(good, 'cell holds', 'cells hold')} what they say{bad}")
    raise typer.Exit(0 if good == len(rows) else 1)
