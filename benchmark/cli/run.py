"""``benchmark run``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from benchmark.cli import completion
from benchmark.contracts.presets import PRESETS
from benchmark.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from benchmark.runs.start import Device, PlannedRun, Precision

WHAT, TRAINING, HOW, WHERE = "What to run", "Training and scoring", "How to run it", "Where it is kept"


def run(
    grid: Annotated[
        str,
        typer.Option(
            metavar="GRID",
            help="A grid by name ('benchmark list grids'), or your own .toml file.",
            autocompletion=completion.grids,
            rich_help_panel=WHAT,
        ),
    ] = "full",
    preset: Annotated[
        str,
        typer.Option(
            metavar="PRESET",
            help=f"How large: {', '.join(PRESETS)}.",
            autocompletion=completion.names("preset"),
            rich_help_panel=WHAT,
        ),
    ] = "small",
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N", help="Training seeds: N runs every cell with seeds 0 .. N-1.", min=1, rich_help_panel=WHAT
        ),
    ] = 1,
    tasks: Annotated[
        str,
        typer.Option(
            metavar="TASK,...",
            help="Only these tasks of the grid, separated by commas.",
            autocompletion=completion.lists("task"),
            rich_help_panel=WHAT,
        ),
    ] = "",
    models: Annotated[
        str,
        typer.Option(
            metavar="MODEL,...",
            help="Only these models, separated by commas; models the grid does not list are added.",
            autocompletion=completion.lists("model"),
            rich_help_panel=WHAT,
        ),
    ] = "",
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="TASK=FILE.h5",
            help="Use your own data for a task; a task that nobody offers is what its file says. Repeatable.",
            autocompletion=completion.data,
            rich_help_panel=WHAT,
        ),
    ] = None,
    data_seed: Annotated[
        int,
        typer.Option(metavar="N", help="Seed of the embedded data: other patients, other noise.", rich_help_panel=WHAT),
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the cells and stop.", rich_help_panel=WHAT)] = False,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--parameter",
            metavar="NAME.OPTION=VALUE",
            help="An option of a model, a task, the executor or an observer. Repeatable.",
            autocompletion=completion.parameters,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Training steps for every model, instead of the preset's.",
            min=1,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="A field of the training recipe, for every model, e.g. flip=yes. Repeatable.",
            autocompletion=completion.recipe,
            rich_help_panel=TRAINING,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE",
            help="Metric profile, instead of each task's own.",
            autocompletion=completion.names("profile"),
            rich_help_panel=TRAINING,
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="fp32|bf16",
            help="Part of a cell's identity.",
            autocompletion=completion.words("fp32", "bf16"),
            rich_help_panel=TRAINING,
        ),
    ] = "fp32",
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Score stored predictions again.", rich_help_panel=TRAINING)
    ] = False,
    device: Annotated[
        str,
        typer.Option(
            metavar="auto|cpu|cuda",
            help="Where to compute.",
            autocompletion=completion.words("auto", "cpu", "cuda"),
            rich_help_panel=HOW,
        ),
    ] = "auto",
    cuda_graphs: Annotated[
        bool,
        typer.Option("--cuda-graphs", help="With --device cuda: replay training steps as graphs.", rich_help_panel=HOW),
    ] = False,
    jobs: Annotated[
        str, typer.Option(metavar="N|auto", help="Cells at once; auto: one for each core.", rich_help_panel=HOW)
    ] = "auto",
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long a cell may take.", min=0.001, rich_help_panel=HOW)
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How cells are run; 'benchmark list executors'.",
            autocompletion=completion.names("executor"),
            rich_help_panel=HOW,
        ),
    ] = "local",
    observe: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="Tell these observers what the run does; 'benchmark list observers'.",
            autocompletion=completion.lists("observer"),
            rich_help_panel=HOW,
        ),
    ] = "",
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each event.", rich_help_panel=HOW)
    ] = False,
    results: Annotated[
        Path, typer.Option(metavar="DIR", help="Where run folders are kept.", rich_help_panel=WHERE)
    ] = Path("results"),
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Name of the run folder; default from grid, preset and seeds.", rich_help_panel=WHERE
        ),
    ] = "",
    datasets: Annotated[
        Path, typer.Option(metavar="DIR", help="Where built data sets are kept.", rich_help_panel=WHERE)
    ] = Path("datasets"),
) -> None:
    """Train, translate and score every cell of a grid, then print a leaderboard for each task.

    The same command again finishes what is missing and leaves finished cells alone.

    benchmark run --grid full --preset smoke
    benchmark run --models medgan,pix2pix --tasks mr-ct --seeds 3
    benchmark run --data mr-ct=datasets/sts-mr-ct.h5
    benchmark run --grid my.toml -p medgan.blocks=3 --dry-run
    """
    from benchmark import plan_run
    from benchmark.cli.text import warn
    from benchmark.registry.plugins import registry

    warn(registry().warnings())
    if cuda_graphs and device != "cuda":
        raise UsageError("--cuda-graphs: say --device cuda too")
    given = _parameters(parameter or [])
    executor_options = given.pop(executor, {})
    observers = _names(observe)
    observer_options = {name: given.pop(name) for name in observers if name in given}
    planned = plan_run(
        grid,
        preset=preset,
        seeds=seeds,
        tasks=_names(tasks),
        models=_names(models),
        data=_data(data or []),
        parameters=given,
        recipe=_recipe(recipe or [], preset),
        steps=steps,
        profile=profile,
        precision=cast("Precision", precision),
        data_seed=data_seed,
        datasets=datasets,
        results=results,
        name=name,
    )
    if dry_run:
        _show_plan(planned, json)
        return
    how = {
        "device": cast("Device", device),
        "cuda_graphs": cuda_graphs,
        "jobs": _jobs(jobs),
        "timeout": timeout,
        "rescore": rescore,
        "executor": executor,
        "executor_options": executor_options,
        "observe": observers,
        "observer_options": observer_options,
    }
    _start(planned, how, json)


def _start(planned: PlannedRun, how: dict[str, Any], json: bool) -> None:
    from benchmark import executors
    from benchmark.cli.events import json_lines
    from benchmark.cli.leaderboard import print_and_write
    from benchmark.cli.live import display
    from benchmark.cli.text import echo

    chosen, _ = executors.chosen(planned.registry, how["executor"], how["executor_options"])
    # a scheduler's SIGTERM is a Ctrl-C from somebody in a hurry: checkpoints are written all the same
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with json_lines(planned) if json else display(planned, plain=chosen.foreground) as observer:
            run = planned.start(**how, observer=observer, note={"command": sys.argv[1:]})
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command continues where it stopped") from None
    print_and_write(run.path, form="" if json else "terminal")
    states, exit_code = run.states, 0 if run.ok else 1
    if json:
        from benchmark.cli.events import end

        end(run.path, states, exit_code)
    else:
        echo("cells: " + ", ".join(f"{number} {state}" for state, number in states.items()))
        if exit_code:
            echo(f"some cells are not done; why: benchmark status {run.path}")
    raise typer.Exit(exit_code)


def _show_plan(planned: PlannedRun, json: bool) -> None:
    from benchmark.cli.text import columns, count, echo, echo_json

    cells = [(cell.spec, cell.skip) for cell in planned.cells]
    if json:
        rows = [
            {"id": spec.id, "task": spec.task, "model": spec.name, "seed": spec.seed, "skip": skip}
            for spec, skip in cells
        ]
        echo_json({"run": str(planned.path), "cells": rows, "left_out": dict(planned.plan.left_out)})
        return
    table = [
        [spec.id, spec.task, spec.name, f"seed {spec.seed}", f"skipped: {skip}" if skip else ""] for spec, skip in cells
    ]
    for line in columns(table):
        echo(line)
    for name, reason in planned.plan.left_out.items():
        echo(f"without {name}: {reason}")
    echo(f"{count(len(cells), 'cell')} -> {planned.path}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _jobs(text: str) -> int:
    if text == "auto":
        return 0
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--jobs {text!r}: give a number of cells at once, or auto")
    return int(text)


def _data(items: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for item in items:
        task, separator, path = item.partition("=")
        if not separator or not task or not path:
            raise UsageError(f"--data {item!r}: write TASK=FILE.h5")
        found[task] = Path(path)
    return found


def _recipe(items: list[str], preset: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for item in items:
        name, separator, value = item.partition("=")
        if not separator or not name:
            raise UsageError(f"--recipe {item!r}: write FIELD=VALUE; 'benchmark show preset {preset}' lists them")
        if name in given:
            raise UsageError(f"--recipe {item!r}: {name} was given before")
        given[name] = value
    return given


def _parameters(items: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for item in items:
        left, separator, value = item.partition("=")
        owner, dot, option = left.rpartition(".")
        if not separator or not dot or not owner or not option:
            raise UsageError(f"-p {item!r}: write NAME.OPTION=VALUE, e.g. medgan.blocks=3")
        found.setdefault(owner, {})[option] = value
    return found
