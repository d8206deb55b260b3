"""``benchmark.run`` and ``benchmark.plan_run``: the one way to start a run, from Python and from the command line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from benchmark import executors
from benchmark.contracts.budget import Currency
from benchmark.contracts.channels import joined
from benchmark.errors import UsageError
from benchmark.executors import ChosenExecutor
from benchmark.plan.claim import Start
from benchmark.plan.expand import Asked, Plan, PlannedCell, make_plan
from benchmark.plan.grid import load_grid
from benchmark.plan.starting import StartingCell
from benchmark.registry.plugins import Registry, registry
from benchmark.runs import observers as observing
from benchmark.runs.execute import Observer, run_plan
from benchmark.runs.read import Run
from benchmark.settings.keywords import keywords, method_keywords
from benchmark.settings.setting import Statement, setting
from benchmark.settings.statement import HowToRun, PlanChoices, RunSettings
from benchmark.store.address import finished_cell
from benchmark.store.folder import RunFolder

SILENT = Observer()


@dataclass(frozen=True, kw_only=True)
class _Told(Statement):
    """Who listens: the one thing a script may say that cannot be written down."""

    observer: Observer | None = setting(None, "", python="callbacks of your own.", kept=False)


@dataclass(frozen=True)
class _Start(_Told, HowToRun):
    """What :meth:`PlannedRun.start` takes."""


@dataclass(frozen=True)
class _Run(_Told, RunSettings):
    """What :func:`run` takes."""


@dataclass(frozen=True)
class PlannedRun:
    """A run before it starts: its cells, and the folder it will be in."""

    plan: Plan
    path: Path
    registry: Registry
    choices: PlanChoices
    """What the plan was made from."""

    @property
    def cells(self) -> tuple[PlannedCell, ...]:
        """Every cell, also those that will be skipped, with the reason."""
        return self.plan.cells

    @method_keywords(_Start)
    def start(self, how: _Start) -> Run:
        """Do what is missing of the run.

        Raises:
            UsageError: a device, executor or option that is not there.
            BenchmarkError: the folder cannot be written, or another process is working on it.
            KeyboardInterrupt: interrupted; the same call continues.
        """
        executor = executors.choose(self.registry, how.executor, how.executor_options)
        return carry_out(self, how, executor, how.observer or SILENT)


def plan_of(choices: PlanChoices) -> PlannedRun:
    """:func:`plan_run` for a statement."""
    found = registry()
    start = starting_cell(choices.init) if choices.init is not None else None
    plan = make_plan(found, load_grid(found, str(choices.grid)), choices, price, start)
    return PlannedRun(plan, Path(choices.results) / (choices.name or run_name(plan, choices)), found, choices)


def starting_cell(address: str) -> StartingCell:
    """The finished cell of an address, to start other trainings from.

    Raises:
        UsageError: there is no such cell, it is not done, or it has no networks.
        BenchmarkError: a file of it is missing or altered.
    """
    folder, record = finished_cell(address)
    if record.kind != "trained" or record.dataset is None:
        raise UsageError(f"--init {address}: {record.name} is {record.kind}; start from a cell that was trained")
    start = Start(record.id, record.files["checkpoint.pt"], str(folder.path.absolute()))
    units = joined(channel.map.unit for channel in record.dataset.sources), record.dataset.target.unit
    return StartingCell(address, start, record.spec.model, units)


def price(asked: Asked, currency: Currency) -> float | None:
    """What a training step of a planned cell costs in a currency; imports torch and counts."""
    from benchmark.cell.cost import cost_of

    return cost_of(asked).of(currency)


@keywords(PlanChoices)
def plan_run(choices: PlanChoices) -> PlannedRun:
    """Everything that :func:`run` would do, and nothing done yet. Imports torch only to count what budgets cost.

    Raises:
        UsageError: an unknown name, an option or a field of the recipe that is not there, or a value that cannot be.
        DatasetError: a file of yours that is not data for its task.
    """
    return plan_of(choices)


@keywords(_Run)
def run(settings: _Run) -> Run:
    """Train, translate and score every cell of a grid that is not done yet, as ``benchmark run`` does.

    A cell that fails raises nothing: look at ``Run.ok``, ``Run.states`` and each cell's ``state`` and ``reason``.

    Raises:
        UsageError: the request cannot be carried out; nothing was started.
        DatasetError: a data set of yours that cannot be trusted.
        BenchmarkError: the folder cannot be written, or another process is working on it.
        KeyboardInterrupt: interrupted; the same call continues.
    """
    planned = plan_of(settings)
    executor = executors.choose(planned.registry, settings.executor, settings.executor_options)
    return carry_out(planned, settings, executor, settings.observer or SILENT)


def carry_out(planned: PlannedRun, how: HowToRun, executor: ChosenExecutor, observer: Observer) -> Run:
    """What :meth:`PlannedRun.start` does, with an executor that was looked up already."""
    if how.device.startswith("cuda") and not executor.spec.elsewhere:
        from benchmark.cell.device import choose_device

        choose_device("cuda")
    if how.offline:
        from benchmark.pretrained import weights

        weights.forbid_network()
    folder, names, options = RunFolder(planned.path), tuple(how.observe), how.observer_options or {}
    with observing.observed(planned.plan, folder, planned.registry, names, options, observer) as told:
        said = {**planned.choices.said(), **how.said()}
        run_plan(planned.plan, folder, planned.registry, how, executor, said, told)
    return Run(planned.path)


def run_name(plan: Plan, choices: PlanChoices) -> str:
    """Folder name from grid, preset and seeds; other choices that change the cells add a short hash."""
    seeds = f"{len(plan.seeds)}seed{'s' if len(plan.seeds) > 1 else ''}"
    # not which budgets: more of them go on in the same folder
    base = f"{plan.grid}-{plan.preset}-{seeds}" + (f"-by-{plan.budgets[0].currency}" if plan.budgets else "")
    special = choices.beside_the_grid()
    if not special:
        return base
    digest = hashlib.sha256(json.dumps(special, sort_keys=True).encode()).hexdigest()[:6]
    words = [
        *sorted(choices.tasks),
        *sorted(choices.models),
        *("my-" + task for task in sorted(choices.data_files)),
    ]
    return "-".join([base, *words[:3], digest])
