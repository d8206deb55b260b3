"""``benchmark leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.status import find_run
from benchmark.plugins import Registry, registry

if TYPE_CHECKING:
    from benchmark.store import RunFolder


def leaderboard(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Print the leaderboards of a run, and write them anew beside it (.md, .csv, .json, .tex)."""
    print_and_write(find_run(run), registry(), form="json" if json else "markdown" if markdown else "terminal")


def print_and_write(folder: RunFolder, found: Registry, form: str = "terminal") -> None:
    """Derive the leaderboards from the cells, write them into the run folder and print them."""
    from benchmark import atomic
    from benchmark import leaderboard as boards
    from benchmark.cli.text import echo

    specs = {kind: {name: offer.spec for name, offer in found.all(kind).items()} for kind in ("metric", "task")}
    built = boards.build(folder.records(), specs["metric"], specs["task"], folder.about().get("published", ()))
    texts = {
        "md": boards.to_markdown(built),
        "csv": boards.to_csv(built),
        "json": boards.to_json(built),
        "tex": boards.to_latex(built),
    }
    for suffix, text in texts.items():
        atomic.write_text(folder.path / f"leaderboard.{suffix}", text)
    if form == "json":
        typer.echo(texts["json"])
    elif form == "markdown":
        typer.echo(texts["md"])
    else:
        echo()
        boards.print_terminal(built)
        echo(f"written: {folder.path}/leaderboard.md, .csv, .json, .tex")
