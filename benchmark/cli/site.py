"""``benchmark site``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def site(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write: new, or a site written before.")],
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN ...", help="Run folders; older ones first.")] = None,
    first: Annotated[
        list[Path] | None, typer.Option("--runs", metavar="RUN ...", help="The same, said with its name.")
    ] = None,
    title: Annotated[str, typer.Option(help="What stands at the top of every page.")] = "Benchmark results",
    url: Annotated[str, typer.Option(help="Address that the site will have, for RSS.")] = "",
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Score stored predictions again before a run is taken.")
    ] = False,
    cases: Annotated[bool, typer.Option("--cases/--no-cases", help="Reports with images, or without.")] = True,
    megabytes: Annotated[float, typer.Option("--limit", metavar="MB", help="Most that a report may have.")] = 15.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a static site of many runs: leaderboards over runs, histories of methods, reports, JSON and RSS.

    A run whose files do not hold what its records say is named and not taken; exit 1 then. Works from a folder.

    benchmark site public --runs results/ours-2025 results/ours-2026 --title "Our lab"
    """
    from benchmark.cli.text import count, echo, echo_json
    from benchmark.errors import UsageError
    from benchmark.report.site import write_site

    if not megabytes > 0:
        raise UsageError(f"--limit {megabytes:g}: give megabytes, such as 15")
    written = write_site(
        folder,
        [*(first or ()), *(runs or ())],
        title=title,
        url=url,
        rescore=rescore,
        cases=cases,
        budget=int(megabytes * 1e6),
    )
    rejected = {one.label: one.reason for one in written.rejected}
    if json:
        echo_json({"path": str(written.path), "runs": list(written.runs), "rejected": rejected})
    else:
        for label, reason in rejected.items():
            echo(f"not taken: {label}: {reason}")
        echo(f"{written.path}/index.html: {count(len(written.runs), 'run')}")
    raise typer.Exit(1 if rejected else 0)
