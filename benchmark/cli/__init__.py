"""The command line: one module a command; each parses, calls the library, prints."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from benchmark import __version__
from benchmark.cli import (
    compare,
    data,
    degrade,
    doctor,
    evaluate,
    export,
    leaderboard,
    listing,
    plugins,
    run,
    sanity,
    status,
    translate,
    verify,
    weights,
)
from benchmark.errors import BenchmarkError, Interrupted

app = typer.Typer(
    name="benchmark",
    help="Benchmark of medical image-to-image translation: train, score and rank models under one protocol.\n\n"
    "Start with: benchmark run --grid full --preset smoke",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, function, short in (
    ("run", run.run, "Train, translate and score a grid; print leaderboards."),
    ("status", status.status, "Every cell of a run, its state and the reason."),
    ("leaderboard", leaderboard.leaderboard, "The leaderboards of a run."),
    ("evaluate", evaluate.evaluate, "Score predictions made anywhere."),
    ("compare", compare.compare, "Did a change help? Two runs, paired."),
    ("explain", status.explain, "What a cell is made of, and its state."),
    ("verify", verify.verify, "Score stored predictions again and compare."),
    ("translate", translate.translate, "Translate NIfTI volumes with a trained cell."),
    ("export", export.export, "Export a trained cell's model to ONNX."),
    ("list", listing.list_components, "Models, tasks, metrics, profiles, grids, presets."),
    ("show", listing.show, "One component and its options."),
    ("doctor", doctor.doctor, "Check this installation and say what to do."),
):
    app.command(name, short_help=short)(function)
data.app.command("degrade", short_help="Simulate motion, low counts, low dose.")(degrade.degrade)
data.app.command("sanity", short_help="Try every metric on graded distortions.")(sanity.sanity)
app.add_typer(data.app, name="data", help="Build, import, inspect and check data sets.")
app.add_typer(plugins.app, name="plugins", short_help="All plugins; write a new one, check one.")
app.add_typer(weights.app, name="weights", help="Pretrained weights: which are here, fetch the others.")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"benchmark {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    no_plugin: Annotated[
        list[str] | None,
        typer.Option("--no-plugin", metavar="NAME", help="Switch a plugin off for this command. Repeatable."),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    if debug:
        os.environ["BENCHMARK_DEBUG"] = "1"
    if no_plugin:
        from benchmark.plugins import disable

        disable(no_plugin)


def main() -> None:
    """Entry point: errors become one line and an exit code (1 failed, 2 usage, 130 interrupted)."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("BENCHMARK_DEBUG"):
            raise
        from benchmark.executors.worker import explain

        code = error.exit_code if isinstance(error, BenchmarkError) else 1
        more = "" if isinstance(error, BenchmarkError | OSError) else " (a traceback: benchmark --debug ...)"
        _complain(f"{'' if isinstance(error, Interrupted) else 'error: '}{explain(error)}{more}")
        sys.exit(code)


def _complain(text: str) -> None:
    from benchmark.cli.text import safe

    print(safe(text), file=sys.stderr)
