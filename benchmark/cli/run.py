"""``benchmark run``."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.errors import Interrupted, UsageError
from benchmark.grid import load_grid
from benchmark.plan import Choices, Plan, make_plan
from benchmark.plugins import registry
from benchmark.presets import PRESETS
from benchmark.presets import preset as find_preset

DEFAULT_RESULTS = Path("results")


def run(
    grid: Annotated[
        str, typer.Option(help="A grid by name ('benchmark list grids'), or your own .toml file.")
    ] = "full",
    preset: Annotated[str, typer.Option(help=f"How large: {', '.join(PRESETS)}.")] = "small",
    seeds: Annotated[int, typer.Option(help="Training seeds: N runs every cell with seeds 0 .. N-1.", min=1)] = 1,
    tasks: Annotated[str, typer.Option(help="Only these tasks of the grid, separated by commas.")] = "",
    models: Annotated[
        str,
        typer.Option(help="Only these models, separated by commas; models the grid does not list are added."),
    ] = "",
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="TASK=FILE.h5: use your own data for a task. Repeatable."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", help="NAME.OPTION=VALUE: an option of a model or task. Repeatable."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Training steps for every model, instead of the preset's.", min=1)
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=VALUE of the training recipe for every model, e.g. flip=yes. Repeatable."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Metric profile, instead of each task's own.")] = None,
    precision: Annotated[str, typer.Option(help="fp32 or bf16 (recorded; part of the cell's identity).")] = "fp32",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    cuda_graphs: Annotated[
        bool, typer.Option("--cuda-graphs", help="With --device cuda: replay training steps as graphs (recorded).")
    ] = False,
    jobs: Annotated[str, typer.Option(help="Cells at once; 'auto': one per core.")] = "auto",
    timeout: Annotated[float | None, typer.Option(help="Seconds a cell may take.", min=0.001)] = None,
    results: Annotated[Path, typer.Option(help="Where run folders are kept.")] = DEFAULT_RESULTS,
    name: Annotated[str, typer.Option(help="Name of the run folder; default from grid, preset and seeds.")] = "",
    data_seed: Annotated[int, typer.Option(help="Seed of the embedded data: other patients, other noise.")] = 0,
    datasets: Annotated[Path, typer.Option(help="Where built data sets are kept.")] = Path("datasets"),
    rescore: Annotated[bool, typer.Option("--rescore", help="Score stored predictions again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the cells and stop.")] = False,
) -> None:
    """Train, translate and score every cell of a grid, then print a leaderboard for each task.

    The same command again finishes what is missing and leaves finished cells alone.

    benchmark run --grid full --preset smoke
    benchmark run --models medgan,pix2pix --tasks mr-ct --seeds 3
    benchmark run --data mr-ct=datasets/sts-mr-ct.h5
    """
    from benchmark.cli.text import warn

    found = registry()
    warn(found.warnings())
    for value, allowed, option in (
        (precision, ("fp32", "bf16"), "--precision"),
        (device, ("auto", "cpu", "cuda"), "--device"),
    ):
        if value not in allowed:
            raise UsageError(f"{option} {value!r}: choose {' or '.join(allowed)}")
    if device == "cuda":
        from benchmark.device import choose_device

        choose_device(device)
    elif cuda_graphs:
        raise UsageError("--cuda-graphs: say --device cuda too")
    choices = Choices(
        preset=preset,
        seeds=tuple(range(seeds)),
        tasks=_names(tasks),
        models=_names(models),
        data=_data(data or []),
        parameters=_parameters(parameter or []),
        recipe=_recipe(recipe or [], steps, preset),
        precision=precision,
        profile=profile,
        data_seed=data_seed,
        datasets=datasets,
    )
    plan = make_plan(found, load_grid(found, grid), choices)
    folder = results / (name or run_name(plan, choices))
    if dry_run:
        _show_plan(plan, folder)
        return
    how = {"device": device, "cuda_graphs": cuda_graphs, "jobs": _jobs(jobs), "timeout": timeout, "rescore": rescore}
    _run(plan, folder, how)


def _run(plan: Plan, path: Path, settings: dict[str, Any]) -> None:
    from benchmark.cli.leaderboard import print_and_write
    from benchmark.cli.live import display
    from benchmark.cli.text import echo
    from benchmark.running import Settings, run_plan
    from benchmark.store import RunFolder

    folder = RunFolder(path)
    options = {"command": sys.argv[1:], **settings}
    echo(f"{plan.grid} grid, preset {plan.preset}, {len(plan.cells)} cells -> {path}")
    # a scheduler's SIGTERM is a Ctrl-C from somebody in a hurry: checkpoints are written all the same
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with display(plan) as observer:
            outcome = run_plan(plan, folder, registry(), Settings(**settings, options=options), observer)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command continues where it stopped") from None
    print_and_write(folder, registry())
    echo("cells: " + ", ".join(f"{count} {state}" for state, count in sorted(outcome.states.items())))
    if outcome.exit_code:
        echo(f"some cells are not done; why: benchmark status {path}")
    raise typer.Exit(outcome.exit_code)


def run_name(plan: Plan, choices: Choices) -> str:
    """Folder name from grid, preset and seeds; other choices that change the cells add a short hash."""
    base = f"{plan.grid}-{plan.preset}-{len(plan.seeds)}seed{'s' if len(plan.seeds) > 1 else ''}"
    special = {
        "tasks": sorted(choices.tasks),
        "models": sorted(choices.models),
        "data": {task: str(path.absolute()) for task, path in sorted(choices.data.items())},
        "parameters": {name: dict(values) for name, values in sorted(choices.parameters.items())},
        "recipe": dict(choices.recipe),
        "precision": choices.precision if choices.precision != "fp32" else "",
        "profile": choices.profile or "",
        "data_seed": choices.data_seed,
    }
    if not any(special.values()):
        return base
    digest = hashlib.sha256(json.dumps(special, sort_keys=True).encode()).hexdigest()[:6]
    words = [
        *sorted(choices.tasks),
        *sorted(choices.models),
        *("my-" + task for task in sorted(choices.data)),
    ]
    return "-".join([base, *words[:3], digest])


def _show_plan(plan: Plan, folder: Path) -> None:
    from benchmark.cli.text import columns, echo

    rows = [
        [
            cell.spec.id,
            cell.spec.task,
            cell.spec.name,
            f"seed {cell.spec.seed}",
            f"skipped: {cell.skip}" if cell.skip else "",
        ]
        for cell in plan.cells
    ]
    for line in columns(rows):
        echo(line)
    echo(f"{len(plan.cells)} cells -> {folder}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _jobs(text: str) -> int:
    if text == "auto":
        return 0
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--jobs {text!r}: give a number of processes, or auto")
    return int(text)


def _data(items: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for item in items:
        task, separator, path = item.partition("=")
        if not separator or not task or not path:
            raise UsageError(f"--data {item!r}: write TASK=FILE.h5")
        found[task] = Path(path)
    return found


def _recipe(items: list[str], steps: int | None, preset: str) -> dict[str, Any]:
    """The fields of the recipe that the user sets, checked and typed."""
    given: dict[str, Any] = {} if steps is None else {"steps": steps}
    for item in items:
        name, separator, value = item.partition("=")
        if not separator or not name:
            raise UsageError(f"--recipe {item!r}: write FIELD=VALUE; 'benchmark show preset {preset}' lists them")
        if name in given:
            raise UsageError(f"--recipe {item!r}: {name} was given before")
        given[name] = value
    changed = find_preset(preset).recipe.changed(given)
    return {name: getattr(changed, name) for name in (*given, *(["epochs"] if "steps" in given else []))}


def _parameters(items: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for item in items:
        left, separator, value = item.partition("=")
        owner, dot, option = left.rpartition(".")
        if not separator or not dot or not owner or not option:
            raise UsageError(f"-p {item!r}: write NAME.OPTION=VALUE, e.g. medgan.blocks=3")
        found.setdefault(owner, {})[option] = value
    return found
