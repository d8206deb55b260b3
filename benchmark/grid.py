"""Grid files and command-line choices become frozen cells with their ids.

A cell's id is a hash of its *claim*: everything that can change its numbers. Nothing here imports torch.
"""

from __future__ import annotations

import importlib.resources
import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmark import options, presets
from benchmark.atomic import sha256_of
from benchmark.errors import UsageError, unknown_name
from benchmark.plugins import Offer, Registry, source_sha256
from benchmark.specs import GridSpec, ModelSpec, ProfileSpec, TaskSpec

NUMERIC_LIBRARIES = ("torch", "numpy", "scipy", "h5py")
"""Libraries whose version belongs to the claim, because it can change numbers."""

HARNESS_SOURCES = (
    "training",
    "translating",
    "cell",
    "checkpoints",
    "data/slices",
    "data/reader",
    "data/intensity",
)
"""Modules of the harness whose source belongs to the claim."""


@dataclass(frozen=True)
class Entry:
    """A model as a grid lists it: which, under which display name, with which options."""

    model: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """A grid as its file says it: blocks of tasks x models."""

    name: str
    summary: str
    blocks: tuple[tuple[tuple[str, ...], tuple[Entry, ...], str | None], ...]


@dataclass(frozen=True)
class DataSource:
    """Where a task's data come from: built by the task's plugin, or a file of the user."""

    kind: str
    """``embedded`` or ``file``."""
    key: str
    """For embedded data a hash of what determines them; for a file the hash of its content."""
    path: str


@dataclass(frozen=True)
class CellSpec:
    """One point of a grid: the claim, plus what is needed to run it."""

    task: str
    model: str
    name: str
    seed: int
    preset: str
    precision: str
    options: Mapping[str, Any]
    recipe: Mapping[str, Any]
    dataset: DataSource
    profile: str
    sources: Mapping[str, str]
    """Hashes of source code: the model's plugin and the harness."""
    libraries: Mapping[str, str]

    @property
    def claim(self) -> dict[str, Any]:
        """What the id is a hash of: all but the profile (scores are made from stored predictions) and the path."""
        claim = asdict(self)
        del claim["profile"], claim["dataset"]["path"]
        return claim

    @cached_property
    def id(self) -> str:
        """First 16 hex digits of the claim's SHA-256."""
        return sha256_of(self.claim)[:16]

    @property
    def title(self) -> str:
        """How people refer to the cell: task/name/seed."""
        return f"{self.task}/{self.name}/s{self.seed}"

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CellSpec:
        """From what :meth:`to_json` gave."""
        return cls(**{**data, "dataset": DataSource(**data["dataset"])})


@dataclass(frozen=True)
class PlannedCell:
    """A cell of the plan; ``skip`` says why it cannot be run, if so."""

    spec: CellSpec
    cost: float
    baseline: bool
    skip: str = ""


@dataclass(frozen=True)
class BuildJob:
    """An embedded data set that has to exist before its cells start."""

    task: str
    path: str
    size: presets.DataSize
    seed: int
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """All cells of a run, and the data sets they need."""

    grid: str
    preset: str
    seeds: tuple[int, ...]
    cells: tuple[PlannedCell, ...]
    builds: tuple[BuildJob, ...]


@dataclass(frozen=True)
class Choices:
    """What the user said beside the grid's name."""

    preset: str = "small"
    seeds: tuple[int, ...] = (0,)
    tasks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    data: Mapping[str, Path] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Options by model or task name, as strings from ``-p name.option=value``."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "fp32"
    profile: str | None = None
    data_seed: int = 0
    datasets: Path = Path("datasets")


def load_grid(registry: Registry, name: str) -> Grid:
    """A grid of a plugin by name, or the user's own TOML file by path.

    Raises:
        UsageError: no such grid, or a file that is not a grid; says where.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"grid file {name}: no such file")
        return parse_grid(path.read_text(encoding="utf-8"), str(path))
    spec: GridSpec = registry.find("grid", name).spec
    text = importlib.resources.files(spec.package).joinpath(spec.path).read_text(encoding="utf-8")
    return parse_grid(text, f"grid {name}")


def parse_grid(text: str, where: str) -> Grid:
    """Read a grid from TOML.

    Raises:
        UsageError: it is not TOML, or a key is missing, unknown or of the wrong type.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not TOML: {error}") from None
    _only(data, {"name", "summary", "entries"}, where)
    entries = data.get("entries")
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{where}: needs at least one [[entries]] table with 'tasks' and 'models'")
    blocks = []
    for number, entry in enumerate(entries, 1):
        place = f"{where}: entries[{number}]"
        if not isinstance(entry, dict):
            raise UsageError(f"{place}: not a table")
        _only(entry, {"tasks", "models", "profile"}, place)
        tasks, models = entry.get("tasks"), entry.get("models")
        if not isinstance(tasks, list) or not tasks or not all(isinstance(task, str) for task in tasks):
            raise UsageError(f"{place}: 'tasks' must be a list of task names")
        if not isinstance(models, list) or not models:
            raise UsageError(f"{place}: 'models' must be a list of models")
        parsed = tuple(_entry(model, place) for model in models)
        blocks.append((tuple(tasks), parsed, entry.get("profile")))
    return Grid(str(data.get("name", Path(where).stem)), str(data.get("summary", "")), tuple(blocks))


def _entry(model: Any, place: str) -> Entry:
    if isinstance(model, str):
        return Entry(model, model)
    if not isinstance(model, dict) or not isinstance(model.get("model"), str):
        raise UsageError(f"{place}: a model is a name, or a table with 'model' and optionally 'name' and 'options'")
    _only(model, {"model", "name", "options"}, place)
    return Entry(model["model"], str(model.get("name", model["model"])), dict(model.get("options", {})))


def _only(table: Mapping[str, Any], allowed: set[str], place: str) -> None:
    for key in table:
        if key not in allowed:
            raise UsageError(f"{place}: unknown key {key!r}; allowed: {', '.join(sorted(allowed))}")


def make_plan(registry: Registry, grid: Grid, choices: Choices) -> Plan:
    """Expand a grid into cells.

    Raises:
        UsageError: an unknown preset, task, model, profile or option.
    """
    preset = presets.preset(choices.preset)
    listed_tasks = dict.fromkeys(task for tasks, _, _ in grid.blocks for task in tasks)
    tasks = choices.tasks or tuple(listed_tasks)
    offered = {name: registry.task(name) for name in dict.fromkeys((*listed_tasks, *tasks))}
    _check_names(registry, grid, choices, listed_tasks)
    data: dict[str, DataSource] = {}
    builds: list[BuildJob] = []
    for name in tasks:
        data[name], build = _data_source(offered[name], choices, preset)
        if build is not None:
            builds.append(build)
    cells: dict[str, PlannedCell] = {}
    for task in tasks:
        for entry, profile in _entries_for(grid, task, choices):
            chosen = choices.profile or profile or offered[task].spec.profile
            registry.profile(chosen)
            for seed in choices.seeds:
                cell = _cell(registry, offered[task].spec, entry, chosen, seed, preset, data[task], choices)
                cells.setdefault(cell.spec.id, cell)
    if not cells:
        raise UsageError(
            f"grid {grid.name!r} has no cell with these tasks and models; see 'benchmark show grid {grid.name}'"
        )
    return Plan(grid.name, preset.name, tuple(choices.seeds), tuple(cells.values()), tuple(builds))


def _entries_for(grid: Grid, task: str, choices: Choices) -> list[tuple[Entry, str | None]]:
    """The grid's entries for a task, narrowed to the models asked for; a model that the grid does not list is added."""
    listed = [(entry, profile) for tasks, entries, profile in grid.blocks if task in tasks for entry in entries]
    if not choices.models:
        return listed
    known = {name for _, entries, _ in grid.blocks for entry in entries for name in (entry.name, entry.model)}
    chosen = [(e, p) for e, p in listed if e.name in choices.models or e.model in choices.models]
    return chosen + [(Entry(name, name), None) for name in choices.models if name not in known]


def _check_names(registry: Registry, grid: Grid, choices: Choices, listed_tasks: Mapping[str, Any]) -> None:
    """Every name that the user gave must exist, before anything is built or trained."""
    entries = {entry.name: entry.model for _, listed, _ in grid.blocks for entry in listed}
    for model in entries.values():
        registry.model(model)
    for name in choices.models:
        if name not in entries:
            registry.model(name)
    for name in choices.data:
        if name not in listed_tasks and name not in choices.tasks:
            raise unknown_name("task", name, listed_tasks, hint="(--data TASK=FILE)")
    owners = {*entries, *entries.values(), *choices.models, *listed_tasks, *choices.tasks}
    for name in choices.parameters:
        if name not in owners:
            raise unknown_name("model or task", name, owners, hint="(-p NAME.OPTION=VALUE)")


def _data_source(
    offer: Offer[TaskSpec], choices: Choices, preset: presets.Preset
) -> tuple[DataSource, BuildJob | None]:
    task = offer.spec
    if task.name in choices.data:
        path = choices.data[task.name]
        return DataSource("file", file_key(path, task), str(path.absolute())), None
    values = options.resolve(task.name, task.options, choices.parameters.get(task.name, {}))
    build, key = _build(offer, preset, values, choices.data_seed, choices.datasets)
    return DataSource("embedded", key, build.path), build


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
            "libraries": {name: library_version(name) for name in ("numpy", "scipy")},
        }
    )
    path = (datasets / f"{task.name}-{preset.name}-s{seed}-{key[:10]}.h5").absolute()
    return BuildJob(task.name, str(path), preset.data, seed, values), key


def file_key(path: Path, task: TaskSpec) -> str:
    """Content hash of a user's file, after checking that it is data for this task.

    Raises:
        DatasetError: the file is missing, broken, for another task, or its target has another unit.
    """
    from benchmark.data.reader import Dataset
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
    return info.content_sha256


def _cell(
    registry: Registry,
    task: TaskSpec,
    entry: Entry,
    profile: str,
    seed: int,
    preset: presets.Preset,
    data: DataSource,
    choices: Choices,
) -> PlannedCell:
    offer = registry.model(entry.model)
    model: ModelSpec = offer.spec
    values = options.resolve(
        model.name,
        model.options,
        model.presets.get(preset.name, {}),
        entry.options,
        choices.parameters.get(model.name, {}),
        choices.parameters.get(entry.name, {}) if entry.name != model.name else {},
    )
    recipe = preset.recipe.changed(model.recipes.get(preset.name, {})).changed(choices.recipe)
    spec = CellSpec(
        task=task.name,
        model=entry.model,
        name=entry.name,
        seed=seed,
        preset=preset.name,
        precision=choices.precision,
        options=values,
        recipe=asdict(recipe),
        dataset=data,
        profile=profile,
        sources={"model": source_sha256(offer.plugin.module), "harness": harness_sha256()},
        libraries={name: library_version(name) for name in NUMERIC_LIBRARIES},
    )
    skip = ""
    if model.target_units and task.target_unit not in model.target_units:
        skip = f"{model.name} works on targets in {', '.join(model.target_units)}, {task.name} is in {task.target_unit}"
    return PlannedCell(spec, model.cost, model.baseline, skip)


@cache
def library_version(name: str) -> str:
    """Version of an installed distribution, without importing it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


@cache
def harness_sha256() -> str:
    """Hash of the harness's own modules that can change what is trained and translated."""
    root = Path(__file__).parent
    return sha256_of({name: (root / f"{name}.py").read_text(encoding="utf-8") for name in HARNESS_SOURCES})


def profile_definition(spec: ProfileSpec, data_range: Sequence[float], unit: str) -> dict[str, Any]:
    """A profile with its range resolved for one data set: what a score means."""
    return {
        "id": spec.id,
        "data_range": list(data_range),
        "unit": unit,
        "region": spec.region,
        "averaging": "slice, patient, cohort",
        "primary": spec.primary,
        "metrics": [asdict(use) for use in spec.metrics],
    }


def environment() -> dict[str, Any]:
    """What a run was made with, recorded once."""
    names = (*NUMERIC_LIBRARIES, "medgan-benchmark", "torchvision", "lpips", "pandas", "pyarrow", "pluggy")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "libraries": {name: library_version(name) for name in names},
    }
