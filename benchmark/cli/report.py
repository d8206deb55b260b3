"""``benchmark report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders; default: the latest under results/.")] = None,
    to: Annotated[Path | None, typer.Option(help="File to write; default: report.html in the first run.")] = None,
    cases: Annotated[bool, typer.Option("--cases/--no-cases", help="With images of the cases, or without.")] = True,
    megabytes: Annotated[float, typer.Option("--limit", metavar="MB", help="Most that the file may have.")] = 15.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write one self-contained HTML file: tables, plots, every case beside its truth. It opens offline.

    Several runs are ranked together where data, profile and preset are the same.

    benchmark report results/full-small-1seed --to report.html
    """
    from benchmark.cli.text import echo, echo_json
    from benchmark.errors import UsageError
    from benchmark.report import write_report

    if not megabytes > 0:
        raise UsageError(f"--limit {megabytes:g}: give megabytes, such as 15")
    written = write_report(runs or [], to, cases=cases, budget=int(megabytes * 1e6))
    left_out = {task: list(texts) for task, texts in written.left_out if texts}
    if json:
        echo_json({"path": str(written.path), "bytes": written.size, "left_out": left_out})
        return
    echo(f"{written.path} ({written.size / 1e6:.1f} MB)")
    for task, texts in left_out.items():
        echo(f"left out of {task}: {'; '.join(texts)}")
