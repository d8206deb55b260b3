"""A grid and the user's choices become frozen cells, and the data sets that they need. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmark.atomic import sha256_of
from benchmark.contracts import options, presets
from benchmark.contracts.budget import Budget, Currency, budgets_from
from benchmark.contracts.channels import Channel, parts
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.specs import ModelSpec, TaskSpec
from benchmark.errors import UsageError, unknown_name
from benchmark.plan.claim import (
    BUILDING,
    NUMERIC_LIBRARIES,
    CellSpec,
    DataSource,
    harness_sha256,
    library_version,
)
from benchmark.plan.file_tasks import task_of
from benchmark.plan.grid import Entry, Grid, Published
from benchmark.plan.starting import StartingCell
from benchmark.registry.plugins import Offer, Registry, source_sha256
from benchmark.settings.statement import PlanChoices

if TYPE_CHECKING:
    from benchmark.data.format.cases import DatasetInfo


@dataclass(frozen=True)
class PlannedCell:
    """A cell of the plan; ``skip`` says why it cannot be run, if so."""

    spec: CellSpec
    cost: float
    baseline: bool
    skip: str = ""
    kind: Literal["trained", "fitted", "fixed", "evaluated"] = "trained"

    @property
    def alike(self) -> str:
        """Names the cells that take about as long as this one: of the same model, and the same budget."""
        return f"{self.spec.name} for {self.spec.budget}" if self.spec.budget else self.spec.name


@dataclass(frozen=True)
class Asked:
    """A trained model as it would be, of which somebody wants to know what a training step costs."""

    model: ModelSpec
    task: TaskSpec
    options: Mapping[str, Any]
    recipe: presets.Recipe
    image_size: tuple[int, int]
    preset: str
    channels: tuple[Channel, ...]
    """Of the source, however many."""


Price = Callable[[Asked, Currency], float | None]
"""What a training step costs in a currency other than steps; ``None`` where that cannot be counted."""


@dataclass(frozen=True)
class BuildJob:
    """An embedded data set that has to exist before its cells start."""

    task: str
    path: str
    size: presets.DataSize
    seed: int
    options: Mapping[str, Any]


@dataclass(frozen=True)
class _Data:
    """Where a task's data come from, and what must be known of them before anything is trained."""

    source: DataSource
    slices: int
    """Training slices, at most: those without a region are not used."""
    image_size: tuple[int, int]
    paired: bool = True
    channels: tuple[Channel, ...] = ()
    """Of the source, however many."""
    build: BuildJob | None = None


@dataclass(frozen=True)
class Plan:
    """All cells of a run, and the data sets they need."""

    grid: str
    preset: str
    seeds: tuple[int, ...]
    cells: tuple[PlannedCell, ...]
    builds: tuple[BuildJob, ...]
    published: tuple[Published, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Models of the grid that it does without here, and why."""
    budgets: tuple[Budget, ...] = ()
    notes: tuple[str, ...] = ()
    """What was asked for and comes to less, a line each."""


def make_plan(
    registry: Registry,
    grid: Grid,
    choices: PlanChoices,
    price: Price | None = None,
    start: StartingCell | None = None,
) -> Plan:
    """Expand a grid into cells; ``price`` is asked where budgets are not in steps, ``start`` is where networks start.

    Raises:
        UsageError: an unknown preset, task, model, profile, option or field of the recipe, or a batch larger than
            the data.
    """
    preset = presets.preset(choices.preset)
    listed_tasks = dict.fromkeys(task for tasks, _, _ in grid.blocks for task in tasks)
    tasks = choices.tasks or tuple(dict.fromkeys((*listed_tasks, *choices.data_files)))
    _check_names(registry, grid, choices, listed_tasks)
    specs = {name: task_of(registry, name, choices.data_files.get(name)) for name in tasks}
    data = {name: _data(registry, spec, choices, preset) for name, spec in specs.items()}
    builds = tuple(found.build for found in data.values() if found.build is not None)
    budgets = budgets_from(choices.budgets, choices.budget_in) or grid.budgets
    cells: dict[str, PlannedCell] = {}
    alike: dict[tuple[Budget, Budget], list[str]] = {}
    for task in tasks:
        for entry, profile in _entries_for(grid, task, choices):
            chosen = choices.profile or profile or specs[task].profile
            registry.profile(chosen)
            kind = registry.model(entry.model).spec.kind
            for budget in budgets if kind == "trained" and budgets else (None,):
                seeds = choices.seed_numbers
                first = _cell(
                    registry, specs[task], entry, chosen, seeds[0], preset, data[task], choices, budget, price
                )
                if start is not None and kind == "trained":
                    start.check(entry.model, specs[task])
                    first = replace(first, spec=replace(first.spec, start=start.start))
                for seed in seeds:  # all else they share, in memory too
                    cell = replace(first, spec=first.spec.like(seed=seed))
                    less = cells.setdefault(cell.spec.id, cell).spec.budget
                    if less is not None and budget is not None and less != budget:
                        alike.setdefault((less, budget), []).append(f"{task}/{entry.name}")
    if not cells:
        raise UsageError(
            f"grid {grid.name!r} has no cell with these tasks and models; see 'benchmark show grid {grid.name}'"
        )
    # what was not asked for is not missed
    left_out = {} if choices.models else grid.left_out
    notes = tuple(
        f"{more} buys {', '.join(dict.fromkeys(names))} as many steps as {less}: trained once, shown at {less} alone"
        for (less, more), names in alike.items()
    )
    return Plan(
        grid.name, preset.name, choices.seed_numbers, tuple(cells.values()), builds, grid.published, left_out, budgets,
        notes,
    )  # fmt: skip


def _entries_for(grid: Grid, task: str, choices: PlanChoices) -> list[tuple[Entry, str | None]]:
    """The grid's entries for a task, narrowed to the models asked for; a model that the grid does not list is added.

    For a task that the grid does not list these are all of its entries: the plan says which do not fit.
    """
    listed = [(entry, profile) for tasks, entries, profile in grid.blocks if task in tasks for entry in entries]
    if not any(task in tasks for tasks, _, _ in grid.blocks):
        listed = [(each, None) for each in {e.name: e for _, entries, _ in grid.blocks for e in entries}.values()]
    if not choices.models:
        return listed
    known = {name for _, entries, _ in grid.blocks for entry in entries for name in (entry.name, entry.model)}
    chosen = [(e, p) for e, p in listed if e.name in choices.models or e.model in choices.models]
    return chosen + [(Entry(name, name), None) for name in choices.models if name not in known]


def _check_names(registry: Registry, grid: Grid, choices: PlanChoices, listed_tasks: Mapping[str, Any]) -> None:
    """Every name that the user gave must exist, before anything is built or trained."""
    entries = {entry.name: entry.model for _, listed, _ in grid.blocks for entry in listed}
    for model in entries.values():
        registry.model(model)
    for name in choices.models:
        if name in grid.left_out:
            raise UsageError(f"model {name!r} of grid {grid.name!r}: {grid.left_out[name]}")
        if name not in entries:
            registry.model(name)
    for name in choices.data_files:
        if choices.tasks and name not in choices.tasks:
            raise UsageError(f"data for task {name!r}, but only {', '.join(choices.tasks)} was asked for")
    owners = {*entries, *entries.values(), *choices.models, *listed_tasks, *choices.tasks}
    for name in choices.options:
        if name not in owners:
            raise unknown_name("model or task", name, owners, hint="(-p NAME.OPTION=VALUE)")


def _data(registry: Registry, task: TaskSpec, choices: PlanChoices, preset: presets.Preset) -> _Data:
    if (path := choices.data_files.get(task.name)) is not None:
        info = file_info(path, task)
        source = DataSource("file", info.content_sha256, str(path.absolute()))
        return _Data(source, info.slice_count("train"), info.image_size, info.paired, info.channels)
    values = options.resolve(task.name, task.options, choices.options.get(task.name, {}))
    build, key = _build(registry.task(task.name), preset, values, choices.data_seed, Path(choices.datasets))
    side, slices = preset.data.image_size, preset.data.train * preset.data.slices
    source = DataSource("embedded", key, build.path)
    return _Data(source, slices, (side, side), channels=_channels_of(task), build=build)


def _channels_of(task: TaskSpec) -> tuple[Channel, ...]:
    """As many as embedded data will have; before they are built nobody knows their names and windows."""
    unknown = IntensityMap(parts(task.source_unit)[0], 0.0, 1.0)
    return tuple(Channel(str(number), task.source_modality, unknown) for number in range(task.source_channels))


def build_job(registry: Registry, task: str, preset: str, seed: int, datasets: Path) -> BuildJob:
    """The job that builds a task's embedded data with its default options.

    Raises:
        UsageError: no such task or preset.
    """
    offer = registry.task(task)
    return _build(offer, presets.preset(preset), options.resolve(task, offer.spec.options), seed, datasets)[0]


def _build(
    offer: Offer[TaskSpec], preset: presets.Preset, values: Mapping[str, Any], seed: int, datasets: Path
) -> tuple[BuildJob, str]:
    """The job that builds a task's data, and the hash of everything that determines them."""
    task = offer.spec
    key = sha256_of(
        {
            "task": task.name,
            "data_version": task.data_version,
            "size": asdict(preset.data),
            "seed": seed,
            "options": values,
            "source": source_sha256(offer.plugin.module),
            "harness": harness_sha256(BUILDING),
            "libraries": {name: library_version(name) for name in ("numpy", "scipy")},
        }
    )
    path = (datasets / f"{task.name}-{preset.name}-s{seed}-{key[:10]}.h5").absolute()
    return BuildJob(task.name, str(path), preset.data, seed, values), key


def file_info(path: Path, task: TaskSpec) -> DatasetInfo:
    """What a user's file says of itself, after checking that it is data for this task.

    Raises:
        DatasetError: the file is missing, broken, for another task, or one of its sides has another unit.
    """
    from benchmark.data.format.reader import Dataset
    from benchmark.errors import DatasetError

    with Dataset(path) as dataset:
        info = dataset.info
    if info.task != task.name:
        raise DatasetError(
            f"{path}: its data are for task {info.task!r}, not {task.name!r}; "
            f"give it as --data {info.task}={path}, or import it with --task {task.name}"
        )
    if info.target.unit != task.target_unit:
        raise DatasetError(
            f"{path}: its target is in {info.target.unit}, task {task.name!r} needs {task.target_unit}; "
            "import with the right --target-unit or give it to another task"
        )
    # importers refuse this; files that were made before they did, or by others, are refused here
    if len(info.sources) == task.source_channels == 1 and info.source_unit != task.source_unit:
        raise DatasetError(
            f"{path}: its source is {info.source_modality} in {info.source_unit}, task {task.name!r} translates "
            f"{task.source_modality} in {task.source_unit}; import it again as what it is, for another task"
        )
    return info


def _cell(
    registry: Registry,
    task: TaskSpec,
    entry: Entry,
    profile: str,
    seed: int,
    preset: presets.Preset,
    data: _Data,
    choices: PlanChoices,
    budget: Budget | None = None,
    price: Price | None = None,
) -> PlannedCell:
    offer = registry.model(entry.model)
    model: ModelSpec = offer.spec
    values = options.resolve(
        model.name,
        model.options,
        model.presets.get(preset.name, {}),
        entry.options,
        choices.options.get(model.name, {}),
        choices.options.get(entry.name, {}) if entry.name != model.name else {},
    )
    recipe = preset.recipe
    for layer in (model.recipes.get(preset.name, {}), entry.recipes.get(preset.name, {}), choices.recipe_changes):
        recipe = recipe.changed(layer)
    if model.kind == "trained" and data.slices and recipe.batch_size > data.slices:
        raise UsageError(
            f"{task.name}/{entry.name}: batches of {recipe.batch_size}, but only {data.slices} training slices; "
            "give --recipe batch_size=..., or more data"
        )
    unpaid = ""
    if budget is not None:
        asked = Asked(model, task, values, recipe, data.image_size, preset.name, data.channels)
        try:
            each = price(asked, budget.currency) if price and budget.currency != "steps" else None
            recipe = recipe.changed({"steps": budget.steps(each, entry.name)})
        except UsageError as error:
            unpaid = str(error)
    spec = CellSpec(
        task=task.name,
        model=entry.model,
        name=entry.name,
        seed=seed,
        preset=preset.name,
        precision=choices.precision,
        options=values,
        recipe=asdict(recipe),
        dataset=data.source,
        profile=model.profile or profile,
        sources={"model": source_sha256(offer.plugin.module), "harness": harness_sha256()},
        libraries={name: library_version(name) for name in NUMERIC_LIBRARIES},
        budget=budget,
        trials=entry.trials,
    )
    skip = unpaid
    if model.target_units and task.target_unit not in model.target_units:
        skip = f"{model.name} works on targets in {', '.join(model.target_units)}, {task.name} is in {task.target_unit}"
    elif model.same_unit and task.target_unit not in parts(task.source_unit):
        skip = f"{model.name} stays within a unit, {task.name} goes from {task.source_unit} to {task.target_unit}"
    elif model.channels == "one" and (several := _several(len(data.channels), recipe.context)):
        skip = f"{model.name} takes one source channel, and there are {several}"
    elif not data.slices and model.kind != "fixed":
        skip = f"{model.name} learns, and {Path(data.source.path).name} is a test set without training patients"
    elif not data.paired and model.kind != "fixed" and model.pairing == "paired":
        skip = (
            f"{model.name} learns from pairs, and the training images of {Path(data.source.path).name} are not paired"
        )
    share = recipe.steps / max(1, preset.recipe.steps) if budget is not None else 1.0
    return PlannedCell(spec, model.cost * share, model.baseline, skip, model.kind)


def _several(channels: int, context: int) -> str:
    """How many channels a model would be shown, in words; empty for one."""
    if not context:
        return str(channels) if channels > 1 else ""
    slices = 2 * context + 1
    return f"{slices} (context {context})" if channels == 1 else f"{channels} of {slices} slices (context {context})"
