"""The command line: one module a command; each parses, calls the library, prints."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from benchmark._version import __version__
from benchmark.cli import (
    bundle,
    cancel,
    compare,
    completion,
    data,
    degrade,
    doctor,
    evaluate,
    export,
    figure,
    leaderboard,
    listing,
    merge,
    plugins,
    report,
    run,
    sanity,
    sign,
    site,
    status,
    translate,
    tune,
    verify,
    weights,
)
from benchmark.cli.help import Command, Group
from benchmark.cli.streams import give_up_output, open_closed
from benchmark.errors import BenchmarkError, Detached, Interrupted, explain

EXIT_CODES = {
    0: "done: every cell is done, or skipped for a reason that is shown; every check passed",
    1: "something failed: a cell, a check, a file that cannot be written",
    2: "the request cannot be carried out: an unknown name or option, a file that is not there or cannot be used",
    130: "interrupted (Ctrl-C, SIGTERM); the same command continues where it stopped",
}
"""What every command exits with."""

RUNS, RESULTS, MODELS, CATALOGUE, SETUP = "Runs", "Results", "Trained models", "Catalogue and data", "Set-up"

app = typer.Typer(
    name="benchmark",
    cls=Group,
    help="Benchmark of medical image-to-image translation: train, score and rank models under one protocol.\n\n"
    "benchmark run --grid full --preset smoke\nbenchmark leaderboard\nbenchmark show model medgan",
    epilog="Exit codes: 0 done, 1 something failed, 2 wrong request, 130 interrupted. "
    "More: benchmark COMMAND --help, and docs/cli.md.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, name, function, short in (
    (RUNS, "run", run.run, "Train, translate and score a grid; print leaderboards."),
    (RUNS, "tune", tune.tune, "The same number of trials for each model; a grid."),
    (RUNS, "status", status.status, "Every cell of a run, its state and the reason."),
    (RUNS, "explain", status.explain, "What a cell is made of, and its state."),
    (RUNS, "cancel", cancel.cancel, "End the jobs of a run that go on without it."),
    (RUNS, "verify", verify.verify, "Score stored predictions again and compare."),
    (RUNS, "sign", sign.sign, "Sign a run's records with an SSH key."),
    (RUNS, "merge", merge.merge, "Bring cells made on several machines into one run."),
    (RESULTS, "leaderboard", leaderboard.leaderboard, "The leaderboards of a run."),
    (RESULTS, "report", report.report, "One HTML file of runs: tables, plots, cases."),
    (RESULTS, "site", site.site, "A static site of many runs."),
    (RESULTS, "figure", figure.figure, "A figure for a paper: cases with errors, or ranks."),
    (RESULTS, "compare", compare.compare, "Did a change help? Two runs, paired."),
    (RESULTS, "evaluate", evaluate.evaluate, "Score predictions made anywhere."),
    (MODELS, "translate", translate.translate, "Translate NIfTI volumes with a trained cell."),
    (MODELS, "bundle", bundle.bundle, "A folder with a trained model, to be passed on."),
    (MODELS, "export", export.export, "Export a trained cell's model to ONNX."),
    (CATALOGUE, "list", listing.list_components, "Models, tasks, metrics, profiles, grids, presets."),
    (CATALOGUE, "show", listing.show, "One component and its options."),
):
    app.command(name, short_help=short, rich_help_panel=panel)(function)
data.app.command("degrade", short_help="Simulate motion, low counts, low dose.")(degrade.degrade)
data.app.command("sanity", short_help="Try every metric on graded distortions.")(sanity.sanity)
for panel, group, name, short in (
    (CATALOGUE, data.app, "data", "Build, import, inspect and check data sets."),
    (SETUP, plugins.app, "plugins", "All plugins; write a new one, check one."),
    (SETUP, weights.app, "weights", "Pretrained weights: which are here, fetch the others."),
):
    app.add_typer(group, name=name, short_help=short, rich_help_panel=panel, cls=Group)
app.command(rich_help_panel=SETUP, short_help="Check this installation and say what to do.")(doctor.doctor)
app.command(rich_help_panel=SETUP, short_help="Completion for bash, zsh and fish.")(completion.completion)
for each in (app, data.app, plugins.app, weights.app):
    for command in each.registered_commands:
        command.cls = Command


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
        from benchmark.registry.plugins import disable

        disable(no_plugin)


def main() -> None:
    """Entry point: errors become one line and an exit code of :data:`EXIT_CODES`."""
    if completion.VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    open_closed()
    try:
        app(prog_name="benchmark")
    except BrokenPipeError:
        give_up_output()
        sys.exit(1)
    except Exception as error:
        if os.environ.get("BENCHMARK_DEBUG"):
            raise
        code = error.exit_code if isinstance(error, BenchmarkError) else 1
        more = "" if isinstance(error, BenchmarkError | OSError) else " (a traceback: benchmark --debug ...)"
        _complain(f"{'' if isinstance(error, Interrupted | Detached) else 'error: '}{explain(error)}{more}")
        sys.exit(code)


def _complain(text: str) -> None:
    from benchmark.cli.text import safe

    print(safe(text), file=sys.stderr)
