"""``benchmark.tune``: rounds of trials; Optuna says which, the harness runs them as cells of validation patients."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import atomic, executors
from benchmark.contracts.budget import Budget, budgets_from
from benchmark.errors import BenchmarkError, UsageError
from benchmark.executors.local import available_cores
from benchmark.plan.expand import Plan, file_info, make_plan
from benchmark.plan.file_tasks import task_of
from benchmark.plan.grid import Entry, Grid
from benchmark.registry.plugins import registry
from benchmark.runs.execute import Observer
from benchmark.runs.start import PlannedRun, carry_out, price
from benchmark.settings.statement import HowToRun
from benchmark.store.folder import RunFolder
from benchmark.store.record import Record
from benchmark.tuning.outcome import Best, grid_file
from benchmark.tuning.plots import draw
from benchmark.tuning.space import Space
from benchmark.tuning.statement import TuneSettings
from benchmark.tuning.storage import faults, open_storage, pruner_of, require_optuna, sampler_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

SPLIT = "val"
GRID = "tuned.toml"
Display = Callable[[PlannedRun], AbstractContextManager[Observer]]
"""Shows a round of trials as it runs."""


@dataclass
class _Model:
    """A model that is tuned: its space, its study, and every trial that has a cell."""

    space: Space
    study: Study
    entries: dict[int, Entry] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.space.model.name

    def take(self, trial: Trial) -> str:
        """Give a trial its cell; its name in the run."""
        name = f"{self.name}-t{trial.number:03d}"
        self.entries[trial.number] = self.space.entry(trial.params, name)
        return name


@dataclass(frozen=True)
class Tuned:
    """What came out: the grid file, and the best of each model."""

    path: Path
    grid: Path
    metric: str
    unit: str
    best: tuple[Best, ...]


class Tuning:
    """One tuning, from its folder and storage to the grid file."""

    def __init__(self, settings: TuneSettings) -> None:
        """Raises:
        UsageError: something of the request cannot be; nothing was started.
        BenchmarkError: the storage cannot be used, or holds a study of something else.
        """
        self.settings, self.registry = settings, registry()
        self.path = Path(settings.results) / settings.folder_name
        spaces = [Space.of(self.registry.model(name).spec, settings.preset) for name in settings.models]
        task = task_of(self.registry, settings.task, Path(settings.data) if settings.data is not None else None)
        if settings.data is not None and not file_info(Path(settings.data), task).splits[SPLIT]:
            raise UsageError(
                f"{settings.data}: it has no validation patients to tune on; its test patients are not for that"
            )
        self.profile = self.registry.profile(settings.profile or task.profile).spec
        self.metric = self.registry.metric(self.profile.primary).spec
        if self.metric.higher_is_better is None:
            raise UsageError(f"profile {self.profile.name}: its primary metric {self.metric.name} has no better")
        self.budgets: tuple[Budget | None, ...] = budgets_from(settings.budgets, settings.budget_in) or (None,)
        self.executor = executors.choose(self.registry, settings.executor, {})
        require_optuna()
        self.url = settings.storage or f"sqlite:///{(self.path / 'optuna.db').absolute()}"
        self._make_folder()
        self.facts = self._facts(spaces)
        with faults(self.url):
            storage = open_storage(self.url)
            self.models = [_Model(space, self._study(storage, space)) for space in spaces]

    def run(self, display: Display) -> Tuned:
        """Run what trials are missing, and write the grid.

        Raises:
            BenchmarkError: the storage is gone, or every trial of a model failed.
            KeyboardInterrupt: interrupted; the same command continues.
        """
        with faults(self.url):
            while asked := self._ask():
                self._try(asked, display)
            best = tuple(self._best(model) for model in self.models)
            for model in self.models:
                draw(model.study, model.name, self.path)
        text = grid_file(f"tuned-{self.settings.task}", self.settings.task, list(best), self.facts["grid"])
        atomic.write_text(self.path / GRID, text)
        return Tuned(self.path, self.path / GRID, self.metric.label, "", best)

    # -- studies ------------------------------------------------------------------------------------------

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchmarkError(
                f"cannot write the run folder {self.path}: {error.strerror or error}; choose another with --results"
            ) from None

    def _facts(self, spaces: Sequence[Space]) -> dict[str, Any]:
        """What all trials of a model have in common: other facts are another study."""
        untuned = self._plan([space.entry({}, space.model.name) for space in spaces], self.budgets[-1])
        cells = {cell.spec.model: cell.spec for cell in untuned.cells}
        for cell in untuned.cells:
            if cell.skip:
                raise UsageError(f"{cell.spec.model} cannot be tuned on {self.settings.task}: {cell.skip}")
        common = {
            "metric": self.metric.name,
            "profile": self.profile.id,
            "patients": f"validation, data seed {self.settings.data_seed}"
            if self.settings.data is None
            else "validation",
            "data": next(iter(cells.values())).dataset.key[:16],
            "preset": self.settings.preset,
            "budgets": [str(budget) for budget in self.budgets if budget is not None],
            "sampler": self.settings.sampler,
            "pruner": self.settings.pruner,
            "seed": self.settings.seed,
        }
        studies = {
            name: {**common, "steps": spec.recipe["steps"], "sources": dict(spec.sources)}
            for name, spec in cells.items()
        }
        return {"grid": {key: value for key, value in common.items() if value != []}, **studies}

    def _study(self, storage: Any, space: Space) -> Study:
        import optuna

        name = f"{self.settings.task}/{space.model.name}"
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize" if self.metric.higher_is_better else "minimize",
            pruner=pruner_of(self.settings.pruner),
            load_if_exists=True,
        )
        known, facts = study.user_attrs.get("facts"), json.loads(json.dumps(self.facts[space.model.name]))
        if known is None:
            study.set_user_attr("facts", facts)
            study.enqueue_trial(dict(space.untuned))
        elif known != facts:
            changed = ", ".join(key for key in facts if known.get(key) != facts[key])
            raise UsageError(
                f"{self.url} holds a study {name!r} with other {changed}; give another --name or --storage"
            )
        study.sampler = sampler_of(self.settings.sampler, self.settings.seed + len(study.trials))
        return study

    # -- trials -------------------------------------------------------------------------------------------

    def _ask(self) -> list[tuple[_Model, Trial]]:
        """The trials of the next round: those that were left unfinished, else new ones, as many as run at once."""
        from optuna.trial import Trial, TrialState

        slots = self.settings.jobs or available_cores()
        asked: list[tuple[_Model, Trial]] = []
        for model in self.models:
            trials = model.study.get_trials(deepcopy=False)
            begun = [one for one in trials if one.state != TrialState.WAITING]
            unfinished = [one for one in begun if one.state == TrialState.RUNNING]
            for one in begun:
                model.entries.setdefault(one.number, model.space.entry(one.params, f"{model.name}-t{one.number:03d}"))
            if unfinished:
                asked += [(model, Trial(model.study, one._trial_id)) for one in unfinished]
                continue
            share = max(1, -(-slots // len(self.models)))
            for _ in range(min(share, self.settings.trials - len(begun))):
                asked.append((model, model.study.ask(model.space.distributions())))
        return asked

    def _try(self, asked: Sequence[tuple[_Model, Trial]], display: Display) -> None:
        """Run trials at one budget after the other; those that are pruned stop there."""
        from optuna.trial import TrialState

        left = {model.take(trial): (model, trial) for model, trial in asked}
        for rung, budget in enumerate(self.budgets):
            if not left:
                return
            records = self._run(display, budget, [model.entries[trial.number] for model, trial in left.values()])
            for name, (model, trial) in list(left.items()):
                record = records.get((name, budget.amount if budget else None))
                value = self._value(record)
                if value is None:
                    reason = f"{record.state}: {record.reason}" if record is not None else "left no record"
                    trial.set_user_attr("reason", reason)
                    model.study.tell(trial, state=TrialState.FAIL)
                elif budget is self.budgets[-1]:
                    model.study.tell(trial, value)
                else:
                    trial.report(value, rung + 1)
                    if not trial.should_prune():
                        continue
                    model.study.tell(trial, state=TrialState.PRUNED)
                del left[name]

    def _run(
        self, display: Display, budget: Budget | None, entries: Sequence[Entry]
    ) -> dict[tuple[str, float | None], Record]:
        """Run cells at a budget, in one plan with those of all trials before; records by name and amount."""
        plan = self._plan(entries, budget)
        folder = RunFolder(self.path)
        if folder.exists:
            mine = {cell.spec.id for cell in plan.cells}
            plan = replace(plan, cells=(*(c for c in folder.about().cells if c.spec.id not in mine), *plan.cells))
        settings = self.settings
        how = HowToRun(jobs=settings.jobs, timeout=settings.timeout, device=settings.device, executor=settings.executor)
        planned = PlannedRun(plan, self.path, self.registry, settings.choices([budget.amount] if budget else ()))
        with display(planned) as observer:
            carry_out(planned, how, self.executor, observer)
        return {
            (record.name, record.spec.budget.amount if record.spec.budget else None): record
            for record in folder.stream()
            if record.state != "stale"
        }

    def _plan(self, entries: Sequence[Entry], budget: Budget | None) -> Plan:
        grid = Grid(f"tune-{self.settings.task}", "", (((self.settings.task,), tuple(entries), None),))
        plan = make_plan(self.registry, grid, self.settings.choices([budget.amount] if budget else ()), price)
        cells = tuple(replace(cell, spec=replace(cell.spec, split=SPLIT)) for cell in plan.cells)
        return replace(plan, cells=cells)

    def _value(self, record: Record | None) -> float | None:
        """The primary metric's mean over the validation patients, if the cell has one of all of them."""
        if record is None or not record.done:
            return None
        score = record.scores.get(self.metric.name)
        return score.mean if score is not None and score.scored and not score.n_failed else None

    def _best(self, model: _Model) -> Best:
        from optuna.trial import TrialState

        trials = model.study.get_trials(deepcopy=False)
        done = [one for one in trials if one.state == TrialState.COMPLETE and one.value is not None]
        failed = [one for one in trials if one.state == TrialState.FAIL]
        if not done:
            reason = str(failed[0].user_attrs.get("reason", "")) if failed else "no trial was finished"
            raise BenchmarkError(f"{model.name}: none of {len(trials)} trials has a value; the first {reason}")
        sign = -1.0 if self.metric.higher_is_better else 1.0
        best = min(done, key=lambda one: sign * float(one.value or 0.0))
        first = next((one.value for one in done if one.number == 0), None)
        entry = model.space.entry(best.params, f"{model.name}-tuned")
        return Best(entry, len(trials), len(failed), float(best.value or 0.0), first)
