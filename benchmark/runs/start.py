"""``benchmark.run`` and ``benchmark.plan_run``: the one way to start a run, from Python and from the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmark.contracts import presets
from benchmark.errors import UsageError
from benchmark.plan.expand import Choices, Plan, PlannedCell, make_plan
from benchmark.plan.grid import load_grid
from benchmark.registry.plugins import Registry, registry
from benchmark.runs import observers as observing
from benchmark.runs.execute import Observer, Settings, run_plan
from benchmark.runs.read import Run
from benchmark.store.folder import RunFolder

Precision = Literal["fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda"]
SILENT = Observer()


@dataclass(frozen=True)
class PlannedRun:
    """A run before it starts: its cells, and the folder it will be in."""

    plan: Plan
    path: Path
    registry: Registry

    @property
    def cells(self) -> tuple[PlannedCell, ...]:
        """Every cell, also those that will be skipped, with the reason."""
        return self.plan.cells

    def start(
        self,
        *,
        device: Device = "auto",
        cuda_graphs: bool = False,
        jobs: int = 0,
        timeout: float | None = None,
        rescore: bool = False,
        executor: str = "local",
        executor_options: Mapping[str, Any] | None = None,
        observe: Iterable[str] = (),
        observer_options: Mapping[str, Mapping[str, Any]] | None = None,
        observer: Observer = SILENT,
        note: Mapping[str, Any] | None = None,
    ) -> Run:
        """Do what is missing of the run; see :func:`run` for the arguments. ``note`` is kept in ``run.json``.

        Raises:
            UsageError: a device, executor or option that is not there.
            BenchmarkError: the folder cannot be written, or another process is working on it.
            KeyboardInterrupt: interrupted; the same call continues.
        """
        _one_of("device", device, ("auto", "cpu", "cuda"))
        if device == "cuda":
            from benchmark.cell.device import choose_device

            choose_device(device)
        elif cuda_graphs:
            raise UsageError("CUDA graphs need device cuda")
        if jobs < 0:
            raise UsageError(f"jobs={jobs}: give a number of cells at once, or 0 for as many as there are cores")
        if timeout is not None and not timeout > 0:
            raise UsageError(f"timeout={timeout}: give seconds above 0")
        settings = Settings(
            jobs=jobs,
            device=device,
            cuda_graphs=cuda_graphs,
            timeout=timeout,
            rescore=rescore,
            executor=executor,
            executor_options=dict(executor_options or {}),
        )
        said = {key: value for key, value in vars(settings).items() if key != "options"}
        settings = replace(settings, options={**(note or {}), **said})
        folder, names = RunFolder(self.path), _names("observe", observe)
        with observing.observed(self.plan, folder, self.registry, names, observer_options or {}, observer) as told:
            run_plan(self.plan, folder, self.registry, settings, told)
        return Run(self.path)


def plan_run(
    grid: str | Path = "full",
    *,
    preset: str = "small",
    seeds: int | Iterable[int] = 1,
    tasks: Iterable[str] = (),
    models: Iterable[str] = (),
    data: Mapping[str, str | Path] | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    recipe: Mapping[str, Any] | None = None,
    steps: int | None = None,
    profile: str | None = None,
    precision: Precision = "fp32",
    data_seed: int = presets.DATA_SEED,
    datasets: str | Path = "datasets",
    results: str | Path = "results",
    name: str = "",
) -> PlannedRun:
    """Everything that :func:`run` would do, and nothing done yet. Imports no torch; the arguments are those of
    :func:`run`.

    Raises:
        UsageError: an unknown name, an option or a field of the recipe that is not there, or a value that cannot be.
        DatasetError: a file of yours that is not data for its task.
    """
    _one_of("precision", precision, ("fp32", "bf16"))
    choices = Choices(
        preset=preset,
        seeds=_seeds(seeds),
        tasks=_names("tasks", tasks),
        models=_names("models", models),
        data={task: Path(path) for task, path in (data or {}).items()},
        parameters={owner: dict(values) for owner, values in (parameters or {}).items()},
        recipe=recipe_changes(preset, recipe or {}, steps),
        precision=precision,
        profile=profile,
        data_seed=data_seed,
        datasets=Path(datasets),
    )
    found = registry()
    plan = make_plan(found, load_grid(found, str(grid)), choices)
    return PlannedRun(plan, Path(results) / (name or run_name(plan, choices)), found)


def run(
    grid: str | Path = "full",
    *,
    preset: str = "small",
    seeds: int | Iterable[int] = 1,
    tasks: Iterable[str] = (),
    models: Iterable[str] = (),
    data: Mapping[str, str | Path] | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    recipe: Mapping[str, Any] | None = None,
    steps: int | None = None,
    profile: str | None = None,
    precision: Precision = "fp32",
    data_seed: int = presets.DATA_SEED,
    datasets: str | Path = "datasets",
    results: str | Path = "results",
    name: str = "",
    device: Device = "auto",
    cuda_graphs: bool = False,
    jobs: int = 0,
    timeout: float | None = None,
    rescore: bool = False,
    executor: str = "local",
    executor_options: Mapping[str, Any] | None = None,
    observe: Iterable[str] = (),
    observer_options: Mapping[str, Mapping[str, Any]] | None = None,
    observer: Observer = SILENT,
) -> Run:
    """Train, translate and score every cell of a grid that is not done yet, as ``benchmark run`` does.

    Args:
        grid: a grid's name (``benchmark list grids``), or the path of your own ``.toml`` file.
        preset: how large: ``smoke``, ``small``, ``medium`` or ``paper``.
        seeds: how many training seeds, counted from 0, or the seeds themselves.
        tasks: only these tasks of the grid.
        models: only these models; models that the grid does not list are added.
        data: your own data sets, ``{task: file.h5}``; a task that no plugin offers is what its file says.
        parameters: options of models and tasks, ``{"medgan": {"blocks": 3}}``.
        recipe: fields of the training recipe for every model, ``{"flip": True}``.
        steps: training steps for every model, instead of the preset's.
        profile: metric profile, instead of each task's own.
        precision: ``fp32`` or ``bf16``; part of the cells' identity.
        data_seed: seed of the embedded data: other patients, other noise. 0 to 9 are for tuning.
        datasets: where built data sets are kept.
        results: where run folders are kept.
        name: of the run folder; by default from grid, preset, seeds and whatever else changes the cells, so that the
            same call continues the same run.
        device: ``auto``, ``cpu`` or ``cuda``.
        cuda_graphs: with ``cuda``, replay training steps as graphs.
        jobs: cells at once; 0 for as many as there are cores.
        timeout: seconds that a cell may take.
        rescore: score stored predictions again.
        executor: ``local``, or one that a plugin offers, with its ``executor_options``.
        observe: names of plugins' observers that are told what happens, ``["tensorboard"]``, with their
            ``observer_options``, ``{"mlflow": {"experiment": "mine"}}``.
        observer: callbacks of your own; by default there are none.

    A cell that fails raises nothing: look at ``Run.ok``, ``Run.states`` and each cell's ``state`` and ``reason``.

    Raises:
        UsageError: the request cannot be carried out; nothing was started.
        DatasetError: a data set of yours that cannot be trusted.
        BenchmarkError: the folder cannot be written, or another process is working on it.
        KeyboardInterrupt: interrupted; the same call continues.
    """
    planned = plan_run(
        grid,
        preset=preset,
        seeds=seeds,
        tasks=tasks,
        models=models,
        data=data,
        parameters=parameters,
        recipe=recipe,
        steps=steps,
        profile=profile,
        precision=precision,
        data_seed=data_seed,
        datasets=datasets,
        results=results,
        name=name,
    )
    return planned.start(
        device=device,
        cuda_graphs=cuda_graphs,
        jobs=jobs,
        timeout=timeout,
        rescore=rescore,
        executor=executor,
        executor_options=executor_options,
        observe=observe,
        observer_options=observer_options,
        observer=observer,
    )


def recipe_changes(preset: str, given: Mapping[str, Any], steps: int | None = None) -> dict[str, Any]:
    """The fields of a preset's recipe that the user sets, checked and typed; values may be text.

    Raises:
        UsageError: no such preset or field, a value that no training can use, or steps given twice.
    """
    if steps is not None:
        if "steps" in given:
            raise UsageError("recipe: steps was given before")
        given = {"steps": steps, **given}
    changed = presets.preset(preset).recipe.changed(given)
    return {field: getattr(changed, field) for field in (*given, *(["epochs"] if "steps" in given else []))}


def run_name(plan: Plan, choices: Choices) -> str:
    """Folder name from grid, preset and seeds; other choices that change the cells add a short hash."""
    seeds = f"{len(plan.seeds)}seed{'s' if len(plan.seeds) > 1 else ''}"
    base = f"{plan.grid}-{plan.preset}-{seeds}"
    special: dict[str, Any] = {
        "tasks": sorted(choices.tasks),
        "models": sorted(choices.models),
        "data": {task: str(path.absolute()) for task, path in sorted(choices.data.items())},
        "parameters": {
            name: {option: str(value) for option, value in values.items()}
            for name, values in sorted(choices.parameters.items())
        },
        "recipe": dict(choices.recipe),
        "precision": choices.precision if choices.precision != "fp32" else "",
        "profile": choices.profile or "",
        "data_seed": "" if choices.data_seed == presets.DATA_SEED else str(choices.data_seed),
    }
    if plan.seeds != tuple(range(len(plan.seeds))):
        special["seeds"] = list(plan.seeds)
    if not any(special.values()):
        return base
    digest = hashlib.sha256(json.dumps(special, sort_keys=True).encode()).hexdigest()[:6]
    words = [
        *sorted(choices.tasks),
        *sorted(choices.models),
        *("my-" + task for task in sorted(choices.data)),
    ]
    return "-".join([base, *words[:3], digest])


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{what} {value!r}: choose {', '.join(known[:-1])} or {known[-1]}")


def _seeds(given: int | Iterable[int]) -> tuple[int, ...]:
    seeds = tuple(range(given)) if isinstance(given, int) else tuple(dict.fromkeys(given))
    if not seeds or any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in seeds):
        raise UsageError(f"seeds={given!r}: give how many, 1 or more, or a list of numbers from 0 on")
    return seeds


def _names(what: str, given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise UsageError(f"{what}={given!r}: give a list of names, [{given!r}]")
    return tuple(given)
