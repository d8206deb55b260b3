"""``benchmark leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.status import find_run
from benchmark.plugins import Registry, registry

if TYPE_CHECKING:
    from benchmark.store import RunFolder


FORMATS = ("terminal", "markdown", "json", "csv", "latex")


def leaderboard(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The same as --format markdown.")] = False,
    form: Annotated[str, typer.Option("--format", help=f"What to print: {', '.join(FORMATS)}.")] = "terminal",
) -> None:
    """Print the leaderboards of a run, and write them anew beside it (.md, .csv, .json, .tex)."""
    from benchmark.errors import unknown_name

    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    print_and_write(find_run(run), registry(), form="json" if json else "markdown" if markdown else form)


def print_and_write(folder: RunFolder, found: Registry, form: str = "terminal") -> None:
    """Derive the leaderboards from the cells, write them into the run folder and print them."""
    from benchmark import atomic
    from benchmark import leaderboard as boards
    from benchmark.cli.text import echo

    specs = {kind: {name: offer.spec for name, offer in found.all(kind).items()} for kind in ("metric", "task")}
    published = folder.about().get("published", ())
    built = boards.build(folder.stream(), specs["metric"], specs["task"], published, folder.unreadable())
    texts = {
        "md": boards.to_markdown(built),
        "csv": boards.to_csv(built),
        "json": boards.to_json(built),
        "tex": boards.to_latex(built),
    }
    for suffix, text in texts.items():
        atomic.write_text(folder.path / f"leaderboard.{suffix}", text)
    if form == "terminal":
        echo()
        boards.print_terminal(built)
        echo(f"written: {folder.path}/leaderboard.md, .csv, .json, .tex")
    else:
        typer.echo(texts[{"markdown": "md", "latex": "tex"}.get(form, form)])
