"""``benchmark verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def verify(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
    signers: Annotated[
        Path | None,
        typer.Option(
            "--signers",
            help="Allowed signers (man ssh-keygen), NAME and public key a line: one of them must have signed the run.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score the stored predictions of every finished cell again and compare with what is recorded.

    Exit 1 if a file was altered, a number differs, or with --signers the signature does not hold.

    benchmark verify results/full-small-1seed
    benchmark verify results/full-small-1seed --signers allowed_signers
    """
    from benchmark import load_run
    from benchmark.cli.text import count, echo, echo_json, warn

    rows: list[dict[str, Any]] = []
    by = ""
    checked = load_run(run)
    unreadable = checked.unreadable
    warn(f"{checked.path}/{name}: {reason}" for name, reason in unreadable)
    if signers is not None:
        signed = checked.signature(signers)
        by = f"; signed by {signed.signer}" if not signed.faults else "; the signature does not hold"
        for path, fault in signed.faults.items():
            rows.append({"cell": path, "id": "", "holds": False, "problem": f"signature: {fault}"})
            if not json:
                echo(f"{path}: signature: {fault}")
    faults = len(rows)
    for cell, problem in checked.verify():
        rows.append({"cell": cell.title, "id": cell.id, "holds": not problem, "problem": problem})
        if problem and not json:
            echo(f"{cell.title}: {problem}")
    cells = rows[faults:]
    good = sum(bool(row["holds"]) for row in cells)
    if json:
        echo_json(rows)
    else:
        bad = f", {len(cells) - good} do not" if good < len(cells) else ""
        echo(f"{count(good, 'cell holds', 'cells hold')} what they say{bad}{by}")
    raise typer.Exit(0 if good == len(rows) and not unreadable else 1)
