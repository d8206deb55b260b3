"""The settings of a run. Each stands here once; all else that knows of it is derived.

From these fields come the options of ``benchmark run`` with their help and completion (:mod:`benchmark.cli.settings`),
docs/cli.md, the signature and the arguments' documentation of :func:`benchmark.run`, :func:`benchmark.plan_run` and
:meth:`benchmark.PlannedRun.start` (:mod:`benchmark.settings.keywords`), what ``run.json`` says, and the hash at the end
of a run folder's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.contracts import presets
from benchmark.contracts.budget import Currency, budgets_from
from benchmark.errors import UsageError
from benchmark.settings.setting import HOW, TRAINING, WHAT, WHERE, Statement, as_json, choice, setting, settings_of

Precision = Literal["fp32", "bf16"]
DEVICE = re.compile(r"auto|cpu|cuda(:\d+(,\d+)*)?")

LOST_SECONDS = 120.0
"""A holder elsewhere that gave no sign of life for so long is taken for dead, unless it was told otherwise."""


@dataclass(frozen=True)
class PlanChoices(Statement):
    """Which cells there are, and where they are kept; what the plan is made from.

    A ``choice`` changes cells, and with them the hash at the end of the run folder's name. The properties below say
    what the fields come to.
    """

    grid: str | Path = setting(
        "full",
        "A grid by name ('benchmark list grids'), or your own .toml file.",
        panel=WHAT,
        metavar="GRID",
        complete=("grids",),
    )
    _: KW_ONLY
    preset: str = setting(
        "small",
        f"How large: {', '.join(presets.PRESETS)}.",
        panel=WHAT,
        metavar="PRESET",
        complete=("names", "preset"),
    )
    seeds: int | Collection[int] = setting(
        1,
        "Training seeds: N runs every cell with seeds 0 .. N-1.",
        python="how many training seeds, counted from 0, or the seeds themselves.",
        panel=WHAT,
        metavar="N",
        minimum=1,
    )
    tasks: Collection[str] = choice(
        (),
        "Only these tasks of the grid, separated by commas.",
        python="only these tasks of the grid.",
        panel=WHAT,
        metavar="TASK,...",
        complete=("lists", "task"),
    )
    models: Collection[str] = choice(
        (),
        "Only these models, separated by commas; models the grid does not list are added.",
        python="only these models; models that the grid does not list are added.",
        panel=WHAT,
        metavar="MODEL,...",
        complete=("lists", "model"),
    )
    data: Mapping[str, str | Path] | None = choice(
        None,
        "Use your own data for a task; a task that nobody offers is what its file says. Repeatable.",
        python="your own data sets, ``{task: file.h5}``; a task that no plugin offers is what its file says.",
        panel=WHAT,
        metavar="TASK=FILE.h5",
        complete=("data",),
    )
    data_seed: int = choice(
        presets.DATA_SEED,
        "Seed of the embedded data: other patients, other noise; 0 to 9 are for tuning.",
        panel=WHAT,
        metavar="N",
    )
    parameters: Mapping[str, Mapping[str, Any]] | None = choice(
        None,
        "An option of a model, a task, the executor or an observer. Repeatable.",
        python='options of models and tasks, ``{"medgan": {"blocks": 3}}``.',
        panel=TRAINING,
        metavar="NAME.OPTION=VALUE",
        flags=("-p", "--parameter"),
        complete=("parameters",),
        advice=", e.g. medgan.blocks=3",
    )
    steps: int | None = choice(
        None,
        "Training steps for every model, instead of the preset's.",
        panel=TRAINING,
        metavar="N",
        minimum=1,
    )
    context: int | None = choice(
        None,
        "Show models this many neighbouring slices on either side (2.5-D), instead of the recipe's 0.",
        panel=TRAINING,
        metavar="K",
        minimum=0,
    )
    budgets: Collection[str | float] = setting(
        (),
        "Train once, score at each of these budgets: 100,300,1000. More can follow later.",
        python="score each trained model at each of these budgets: the learning rate is held in one training, from "
        "which every budget branches its own decay. The same call with more of them goes on from there.",
        panel=TRAINING,
        metavar="N,...",
    )
    budget_in: Currency = setting(
        "steps",
        "What they count: the generator's updates, or floating-point operations.",
        python="what budgets count: training steps, updates of the generator, or floating-point operations.",
        panel=TRAINING,
    )
    recipe: Mapping[str, Any] | None = choice(
        None,
        "A field of the training recipe, for every model, e.g. flip=yes. Repeatable.",
        python='fields of the training recipe for every model, ``{"flip": True}``.',
        panel=TRAINING,
        metavar="FIELD=VALUE",
        complete=("recipe",),
        advice="; 'benchmark show preset small' lists them",
    )
    init: str | None = choice(
        None,
        "Start from the networks of this finished cell.",
        python="address of a finished cell, ``results/run/mr-ct/unet-l1/s0``, whose networks training starts from; "
        "optimisers start afresh.",
        panel=TRAINING,
        metavar="RUN/CELL",
    )
    profile: str | None = choice(
        None,
        "Metric profile, instead of each task's own.",
        panel=TRAINING,
        metavar="PROFILE",
        complete=("names", "profile"),
    )
    precision: Precision = choice("fp32", "Part of a cell's identity.", panel=TRAINING)
    results: str | Path = setting(Path("results"), "Where run folders are kept.", panel=WHERE, metavar="DIR")
    name: str = setting(
        "",
        "Name of the run folder; default from grid, preset and seeds.",
        python="of the run folder; by default from grid, preset, seeds and whatever else changes the cells, so that "
        "the same call continues the same run.",
        panel=WHERE,
        metavar="NAME",
    )
    datasets: str | Path = setting(Path("datasets"), "Where built data sets are kept.", panel=WHERE, metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.seeds, int):
            object.__setattr__(self, "seeds", tuple(self.seeds))
        numbers: tuple[Any, ...] = self.seed_numbers
        if not numbers or any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in numbers):
            raise UsageError(f"seeds={self.seeds!r}: give how many, 1 or more, or a list of numbers from 0 on")
        if self.budget_in != "steps" and not self.budgets:
            raise UsageError(f"budget_in {self.budget_in}: say which with budgets (--budgets 1T,4T), or leave it out")
        if self.budgets and (self.steps is not None or {"steps", "epochs"} & set(self.recipe or {})):
            raise UsageError("budgets say how long models train: leave out --steps, and steps and epochs of --recipe")
        budgets_from(self.budgets, self.budget_in)

    @property
    def seed_numbers(self) -> tuple[int, ...]:
        """The training seeds, each once."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else tuple(dict.fromkeys(self.seeds))

    @property
    def data_files(self) -> dict[str, Path]:
        """The user's own data sets by task."""
        return {task: Path(path) for task, path in (self.data or {}).items()}

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        """What was set by model or task; values may be text."""
        return self.parameters or {}

    @property
    def recipe_changes(self) -> dict[str, Any]:
        """The fields of the preset's recipe that the user sets, ``steps`` and ``context`` among them, typed.

        Raises:
            UsageError: no such preset or field, a value that no training can use, or steps or context given twice.
        """
        given = dict(self.recipe or {})
        for name, value in (("context", self.context), ("steps", self.steps)):
            if value is not None:
                if name in given:
                    raise UsageError(f"recipe: {name} was given before")
                given = {name: value, **given}
        changed = presets.preset(self.preset).recipe.changed(given)
        return {field: getattr(changed, field) for field in (*given, *(["epochs"] if "steps" in given else []))}

    def beside_the_grid(self) -> dict[str, Any]:
        """What else changes the cells, where it was said: for a folder's name, the same from a shell and a script."""
        choices = {one.name: (getattr(self, one.name), one.default) for one in settings_of(type(self)) if one.in_name}
        changed = {name: value for name, (value, default) in choices.items() if value != default}
        for name in ("steps", "context"):  # among the recipe's fields
            changed.pop(name, None)
        if recipe := self.recipe_changes:
            changed["recipe"] = recipe
        if data := self.data_files:
            changed["data"] = {task: path.absolute() for task, path in data.items()}
        if (numbers := self.seed_numbers) != tuple(range(len(numbers))):
            changed["seeds"] = list(numbers)
        return {name: _as_text(value) for name, value in changed.items() if value not in ({}, ())}


@dataclass(frozen=True, kw_only=True)
class HowToRun(Statement):
    """How cells are run, which changes no number."""

    rescore: bool = setting(False, "Score stored predictions again.", panel=TRAINING)
    device: str = setting(
        "auto",
        "Where to compute: auto, cpu, cuda (every GPU of the machine), or some of them, e.g. cuda:0,2.",
        panel=HOW,
        metavar="auto|cpu|cuda[:N,...]",
    )
    jobs_per_device: int = setting(1, "Cells at once on each GPU.", panel=HOW, metavar="N", minimum=1)
    cuda_graphs: bool = setting(
        False,
        "With --device cuda: replay training steps as graphs.",
        python='with ``device="cuda"``, replay training steps as graphs.',
        panel=HOW,
    )
    jobs: int = setting(
        0,
        "Cells at once; auto: one for each core.",
        python="cells at once; 0: one for each core, or what the executor thinks right.",
        panel=HOW,
        metavar="N|auto",
        minimum=1,
        word="auto",
    )
    timeout: float | None = setting(
        None,
        "How long a cell may take.",
        python="seconds that a cell may take.",
        panel=HOW,
        metavar="SECONDS",
        minimum=0.001,
    )
    attempts: int = setting(
        2,
        "How often a cell that stopped by no wish of yours is begun without getting further.",
        panel=HOW,
        metavar="N",
        minimum=1,
    )
    lost_seconds: float = setting(
        LOST_SECONDS,
        "A cell's worker elsewhere is taken for dead after so long without a sign of life.",
        python="after so many seconds without a sign of life a cell's worker on another machine is taken for dead.",
        panel=HOW,
        metavar="SECONDS",
        minimum=1.0,
    )
    memory: float | None = setting(
        None,
        "How much memory a cell may take, its child processes included (executor local, on Linux).",
        python="GiB of memory that a cell may take, its child processes included (executor ``local``, on Linux).",
        panel=HOW,
        metavar="GIB",
        minimum=0.001,
    )
    executor: str = setting(
        "local",
        "How cells are run; 'benchmark list executors'.",
        panel=HOW,
        metavar="NAME",
        complete=("names", "executor"),
    )
    executor_options: Mapping[str, Any] | None = setting(
        None, "", python="options of the executor; on a command line -p EXECUTOR.OPTION=VALUE."
    )
    observe: Collection[str] = setting(
        (),
        "Tell these observers what the run does; 'benchmark list observers'.",
        python='names of plugins\' observers that are told what the run does, ``["tensorboard"]``.',
        panel=HOW,
        metavar="NAME,...",
        complete=("lists", "observer"),
    )
    observer_options: Mapping[str, Mapping[str, Any]] | None = setting(
        None,
        "",
        python='options of observers, ``{"mlflow": {"experiment": "mine"}}``; on a command line '
        "-p OBSERVER.OPTION=VALUE.",
    )
    offline: bool = setting(
        False,
        "Fetch nothing, also where a metric's weights are missing; $BENCHMARK_OFFLINE=1 says it for every command.",
        python="fetch nothing, in this process from here on, also where a metric's weights are missing.",
        panel=HOW,
    )
    note: Mapping[str, Any] | None = setting(
        None,
        "",
        python="anything that ``run.json`` shall say beside the settings; the command line notes what was typed.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if DEVICE.fullmatch(self.device) is None:
            raise UsageError(f"device {self.device!r}: give auto, cpu, cuda, or some GPUs, e.g. cuda:0,2")
        if self.jobs_per_device < 1:
            raise UsageError(f"jobs_per_device={self.jobs_per_device}: give a number from 1 on")
        if self.cuda_graphs and not self.device.startswith("cuda"):
            raise UsageError("cuda_graphs needs device cuda (--cuda-graphs: say --device cuda too)")
        if self.jobs < 0:
            raise UsageError(f"jobs={self.jobs}: give a number of cells at once, or 0 for as many as there are cores")
        if self.attempts < 1:
            raise UsageError(f"attempts={self.attempts}: give a number from 1 on")
        if not self.lost_seconds >= 1:
            raise UsageError(f"lost_seconds={self.lost_seconds}: give seconds, 1 or more")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout={self.timeout}: give seconds above 0")
        if self.memory is not None and not self.memory > 0:
            raise UsageError(f"memory={self.memory}: give GiB above 0")


@dataclass(frozen=True)
class RunSettings(HowToRun, PlanChoices):
    """Everything that may be said of a run."""


def _as_text(value: Any) -> Any:
    """A value of a setting so that ``3`` and ``"3"``, and names in another order, are the same."""
    if isinstance(value, Mapping):
        return {str(key): _as_text(one) if isinstance(one, Mapping) else str(one) for key, one in value.items()}
    return sorted(map(str, value)) if isinstance(value, tuple) else as_json(value)
