"""``benchmark leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark.leaderboard import Leaderboard
    from benchmark.registry.plugins import Registry
    from benchmark.store.folder import RunFolder

FORMATS = ("terminal", "markdown", "json", "csv", "latex")
ROUND_IT = 7
"""Lines that a run prints before and after its brief leaderboard."""
EXPORTS = ("challenger", "grand-challenge", "hugging-face")


def leaderboard(
    run: Annotated[Path | None, typer.Argument(help="Run folder; default: the latest under results/.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The same as --format markdown.")] = False,
    form: Annotated[str, typer.Option("--format", help=f"What to print: {', '.join(FORMATS)}.")] = "terminal",
    budget: Annotated[str, typer.Option(metavar="N", help="Only the tables of this budget; nothing is written.")] = "",
    plot: Annotated[bool, typer.Option("--plot", help="Draw rank brackets instead of tables.")] = False,
    columns: Annotated[
        str, typer.Option(help="With --format latex: only these columns beside rank and model, separated by commas.")
    ] = "",
    export: Annotated[
        str, typer.Option(help=f"Write scores for others to read instead, into --to: {', '.join(EXPORTS)}.")
    ] = "",
    to: Annotated[Path | None, typer.Option(help="Folder for --export; default: the format's name, in RUN.")] = None,
    hub_dataset: Annotated[str, typer.Option(help="Hugging Face: OWNER/NAME of the benchmark's data set there.")] = "",
) -> None:
    """Print the leaderboards of a run, and write them anew beside it (.md, .csv, .json, .tex).

    benchmark leaderboard results/full-small-1seed --plot
    benchmark leaderboard results/full-small-1seed --export challenger
    """
    from benchmark import load_run
    from benchmark.errors import UsageError, unknown_name
    from benchmark.leaderboard import to_latex
    from benchmark.registry.plugins import registry
    from benchmark.store.folder import RunFolder

    if form not in FORMATS:
        raise unknown_name("format", form, FORMATS)
    if export:
        write_export(RunFolder(load_run(run).path, salvage=True), registry(), export, to, hub_dataset)
        return
    if plot:
        from benchmark.leaderboard import to_brackets
        from benchmark.leaderboard.terminal import show

        built = load_run(run).leaderboard()
        show(lambda screen: to_brackets(built, screen.width, colour=screen.colour))
        return
    if columns:
        if form != "latex":
            raise UsageError("--columns goes with --format latex")
        asked = [name.strip() for name in columns.split(",") if name.strip()]
        typer.echo(to_latex(load_run(run).leaderboard(), asked))
        return
    form = "json" if json else "markdown" if markdown else form
    if budget:
        from benchmark.leaderboard.budgets import at_budget

        chosen = load_run(run)
        print_board(at_budget(chosen.leaderboard(), budget, str(chosen.path)), form)
        return
    print_and_write(load_run(run).path, form)


def write_export(folder: RunFolder, found: Registry, export: str, to: Path | None, hub_dataset: str) -> None:
    """Write the run's scores in the format of challengeR, Grand Challenge or Hugging Face, and say where."""
    from benchmark import atomic
    from benchmark.cli.text import count, echo, warn
    from benchmark.errors import UsageError, unknown_name
    from benchmark.leaderboard import build
    from benchmark.leaderboard.collect import collect
    from benchmark.leaderboard.exchange import challenger, grand_challenge, hugging_face

    if export not in EXPORTS:
        raise unknown_name("export format", export, EXPORTS)
    metrics = {name: offer.spec for name, offer in found.all("metric").items()}
    unreadable = list(folder.unreadable())
    if export == "hugging-face":
        texts = hugging_face(build(folder.stream(), metrics), hub_dataset)
    else:
        groups = collect(folder.stream()).groups
        texts = (challenger if export == "challenger" else grand_challenge)(groups, metrics)
    if not texts:
        raise UsageError(f"{folder.path}: no cell has scores yet; 'benchmark status {folder.path}' shows them")
    target = to or folder.path / export
    for path, text in texts.items():
        atomic.write_text(target / path, text)
    echo(f"{count(len(texts), 'file')} in {target}, such as {min(texts)}")
    warn(f"{cell}: {reason}; left out" for cell, reason in unreadable)


def print_and_write(path: Path, form: str = "terminal") -> dict[str, int]:
    """Derive the leaderboards from the cells, write them into the run folder, and print them if ``form`` says how;
    returns how many cells are in which state.

    ``brief``: what fits one screen.
    """
    from benchmark import atomic, load_run
    from benchmark import leaderboard as boards
    from benchmark.cli.text import echo, warn

    built, states = load_run(path).leaderboard_and_states()
    texts = {
        "md": boards.to_markdown(built),
        "csv": boards.to_csv(built),
        "json": boards.to_json(built),
        "tex": boards.to_latex(built),
    }
    unwritable = ""
    try:
        for suffix, text in texts.items():
            atomic.write_text(path / f"leaderboard.{suffix}", text)
    except OSError as error:  # a run that may only be read is shown all the same
        unwritable = f"leaderboard files not written into {path}: {error.strerror or error}"
        warn([unwritable])
    if form == "terminal":
        echo()
        boards.print_terminal(built)
        if not unwritable:
            echo(f"written: {path}/leaderboard.md, .csv, .json, .tex")
    elif form == "brief":
        from benchmark.leaderboard.terminal import show

        echo()
        show(lambda screen: boards.to_brief(built, screen.width, screen.height - ROUND_IT, colour=screen.colour))
        echo()
    elif form:
        typer.echo(texts[{"markdown": "md", "latex": "tex"}.get(form, form)])
    return states


def print_board(board: Leaderboard, form: str) -> None:
    """Print leaderboards in one of :data:`FORMATS`, and write nothing."""
    from benchmark import leaderboard as boards
    from benchmark.cli.text import echo

    if form == "terminal":
        echo()
        boards.print_terminal(board)
        return
    writers = {"markdown": boards.to_markdown, "csv": boards.to_csv, "json": boards.to_json, "latex": boards.to_latex}
    typer.echo(writers[form](board))
