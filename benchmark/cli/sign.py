"""``benchmark sign``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sign(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
    *,
    key: Annotated[
        Path,
        typer.Option("--key", help="Private SSH key; or a public one, if an SSH agent holds the private half."),
    ],
) -> None:
    """Sign a run's records with an SSH key, so that others can tell whether they are the ones that you published.

    Writes signed.txt (what sha256sum reads) and signed.txt.sig. Check the run first: a signature says who stands for
    the records, not that they are true. A run that changes later is signed again.

    benchmark sign results/full-small-1seed --key ~/.ssh/id_ed25519
    """
    from benchmark import load_run
    from benchmark.cli.text import count, echo
    from benchmark.store.signature import LIST, SIGNATURE

    signed = load_run(run)
    number = signed.sign(key)
    echo(f"signed {count(number, 'record')} and the plan; pass on {LIST} and {SIGNATURE} of {signed.path} with the run")
