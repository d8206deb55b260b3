"""``benchmark run``."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.settings import options_from, read
from benchmark.errors import Interrupted
from benchmark.settings.setting import HOW, WHAT
from benchmark.settings.statement import RunSettings

if TYPE_CHECKING:
    from benchmark.runs.memory import Forecast
    from benchmark.runs.start import PlannedRun


@options_from(RunSettings)
def run(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the cells and stop.", rich_help_panel=WHAT)] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each event.", rich_help_panel=HOW)
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report/--no-report", envvar="BENCHMARK_REPORT", help="Write report.html at the end.", rich_help_panel=HOW
        ),
    ] = True,
    **typed: Any,
) -> None:
    """Train, translate and score every cell of a grid, then print a leaderboard for each task.

    The same command again finishes what is missing and leaves finished cells alone.

    benchmark run --grid full --preset smoke
    benchmark run --models medgan,pix2pix --tasks mr-ct --seeds 3
    benchmark run --data mr-ct=datasets/sts-mr-ct.h5
    benchmark run --grid my.toml -p medgan.blocks=3 --dry-run
    """
    from benchmark.cli.text import warn
    from benchmark.registry.plugins import registry
    from benchmark.runs.start import plan_of

    warn(registry().warnings())
    settings = settings_from(typed)
    planned = plan_of(settings)
    if dry_run:
        _show_plan(planned, settings, json)
    else:
        _start(planned, settings, json=json, report=report)


def settings_from(typed: Mapping[str, Any]) -> RunSettings:
    """What was typed, as settings: ``-p`` sets options of the executor and of observers too.

    Raises:
        UsageError: text that no value can be read from, or a value that cannot be.
    """
    settings = RunSettings(**read(RunSettings, typed))
    parameters = dict(settings.options)
    executor_options = parameters.pop(settings.executor, {})
    observer_options = {name: parameters.pop(name) for name in settings.observe if name in parameters}
    return replace(
        settings, parameters=parameters, executor_options=executor_options, observer_options=observer_options
    )


def _start(planned: PlannedRun, settings: RunSettings, *, json: bool, report: bool) -> None:
    from benchmark import executors
    from benchmark.cli.events import json_lines
    from benchmark.cli.leaderboard import print_and_write
    from benchmark.cli.live import display
    from benchmark.cli.streams import outliving
    from benchmark.cli.text import echo
    from benchmark.runs.read import FINE
    from benchmark.runs.start import carry_out

    executor = executors.choose(planned.registry, settings.executor, settings.executor_options)
    settings = replace(settings, note={"command": sys.argv[1:]})
    # a scheduler's SIGTERM is a Ctrl-C from somebody in a hurry: checkpoints are written all the same
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with json_lines(planned) if json else display(planned, plain=executor.spec.foreground) as observer:
            run = carry_out(planned, settings, executor, outliving(observer))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command continues where it stopped") from None
    states = print_and_write(run.path, form="" if json else "brief")
    page = _report(run.path) if report else None
    exit_code = 0 if states.keys() <= FINE else 1
    if json:
        from benchmark.cli.events import end

        end(run.path, states, exit_code, page)
    else:
        if page:
            echo(f"report: {page}")
        echo(f"tables: benchmark leaderboard {run.path}   also leaderboard.md, .csv, .json, .tex there")
        echo("cells: " + ", ".join(f"{number} {state}" for state, number in states.items()))
        if exit_code:
            echo(f"some cells are not done; why: benchmark status {run.path}")
        elif settings.seed_numbers == (0,) and any(cell.kind == "trained" and not cell.skip for cell in planned.cells):
            echo(f"trained once: what another training would change is not known. To go on from here: {_on(run.path)}")
    raise typer.Exit(exit_code)


def _report(run: Path) -> Path | None:
    """The report of a run that has ended; that it cannot be written is said, and changes nothing about the run."""
    from benchmark.cli.text import warn
    from benchmark.errors import explain
    from benchmark.report import write_report

    try:
        return write_report([run]).path
    except Exception as error:
        warn([f"no report: {explain(error)}; to try again: benchmark report {run}"])
        return None


def _on(run: Path) -> str:
    """The command that was typed, with the seeds that a table needs and into the same folder: nothing is done twice."""
    from benchmark.leaderboard.tables import ENOUGH_SEEDS

    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word in ("--seeds", "--name"):
            next(words, None)
        elif not word.startswith(("--seeds=", "--name=")):
            kept.append(word)
    return shlex.join(["benchmark", *kept, "--seeds", str(ENOUGH_SEEDS), "--name", run.name])


def _show_plan(planned: PlannedRun, settings: RunSettings, json: bool) -> None:
    from benchmark.cli.text import columns, count, echo, echo_json
    from benchmark.runs.memory import earlier_records, forecast

    cells = [(cell.spec, cell.skip) for cell in planned.cells]
    memory = forecast(planned.cells, earlier_records(planned.path))
    if json:
        rows = [
            {"id": spec.id, "task": spec.task, "model": spec.name, "seed": spec.seed, "skip": skip}
            | {"memory_mb": memory.cells.get(spec.id), "memory_known": spec.id in memory.known}
            | ({"budget": spec.budget.to_json()} if spec.budget else {})
            for spec, skip in cells
        ]
        about = {"left_out": dict(planned.plan.left_out), "notes": list(planned.plan.notes)}
        echo_json({"run": str(planned.path), "cells": rows, **about})
        return
    table = [
        [spec.id, spec.task, spec.name, f"seed {spec.seed}", str(spec.budget or ""), f"skipped: {skip}" if skip else ""]
        for spec, skip in cells
    ]
    for line in columns(table):
        echo(line)
    for name, reason in planned.plan.left_out.items():
        echo(f"without {name}: {reason}")
    for note in planned.plan.notes:
        echo(note)
    for line in _memory_lines(memory, settings):
        echo(line)
    echo(f"{count(len(cells), 'cell')} -> {planned.path}")


def _memory_lines(memory: Forecast, settings: RunSettings) -> Iterator[str]:
    """What the cells will take, and whether this machine has it."""
    from benchmark.cli.text import count
    from benchmark.executors.lanes import Lanes, devices
    from benchmark.executors.local import available_cores
    from benchmark.runs.memory import machine_mb

    if not memory.cells:
        return
    if guessed := len(memory.cells) - len(memory.known):
        rest = f"of {count(guessed, 'cell')} no one like it has run, and the least is taken: torch and the slices"
    else:
        rest = "as finished cells of the same models took"
    yield f"memory: up to {max(memory.cells.values()) / 1000:.1f} GB a cell ({rest})"
    if settings.executor != "local":
        return
    lanes = Lanes.of(devices(settings.device), settings.jobs_per_device, settings.jobs, available_cores())
    together, machine = memory.at_once(lanes.slots) / 1000, machine_mb()
    if machine is not None:
        here = f"{lanes.slots} at once: {together:.1f} GB of the {machine / 1000:.1f} GB of this machine"
        yield f"        {here}{'; take fewer: --jobs' if together > 0.8 * machine / 1000 else ''}"
