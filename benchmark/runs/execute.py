"""Run a plan: build what data are missing, run what cells are missing, write the leaderboards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmark import atomic, executors
from benchmark.contracts.presets import Recipe
from benchmark.errors import BenchmarkError, DatasetError, PluginError
from benchmark.executors import Assignment, ChosenExecutor, Event, Executor, Surroundings
from benchmark.plan.claim import CellSpec
from benchmark.plan.expand import BuildJob, Plan, PlannedCell
from benchmark.plan.file_tasks import task_of
from benchmark.registry.plugins import Registry
from benchmark.runs.needs import Experience
from benchmark.runs.same_pixels import require_same_pixels
from benchmark.runs.sharing import Sharing, job_of
from benchmark.settings.statement import HowToRun
from benchmark.store.folder import RunFolder, planned_record
from benchmark.store.index import Index


@dataclass(frozen=True)
class Observer:
    """Whom to tell: that cells are about to run (title, state now), and what happens to each."""

    planned: Callable[[list[tuple[str, str]]], None] = lambda _: None
    event: Callable[[Event], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None


def run_plan(
    plan: Plan,
    folder: RunFolder,
    registry: Registry,
    how: HowToRun,
    executor: ChosenExecutor,
    said: Mapping[str, Any],
    observer: Observer,
) -> None:
    """Bring a run folder to the state that the plan asks for. Cells that are done are not touched.

    Other runs may be at work on the same plan in the same folder, also on other hosts: each takes what is free.
    ``said``: every setting of the run, for ``run.json``.

    Raises:
        BenchmarkError: the folder cannot be written, or another process is working on another plan in it.
        KeyboardInterrupt: stopped by the user; what was running continues from its checkpoint next time.
    """
    sharing = Sharing(folder, how, observer.say)
    try:
        sharing.begin(plan.cells)
    except OSError as error:
        raise BenchmarkError(
            f"cannot write the run folder {folder.path}: {error.strerror or error}; choose another with --results"
        ) from None
    folder.create(plan, registry.plugins, said)
    atomic.remove_leftovers(folder.path)
    index = Index(folder)
    todo, kept = _sort_out(plan, folder, registry, how, sharing, index)
    # one cell of each file is enough, and ten thousand records take their time
    finished = {cell.spec.dataset.path: folder.cell(cell.spec.id) for cell, state in kept if state == "done"}
    require_same_pixels(record for cell in finished.values() if (record := cell.read()) is not None)
    observer.planned([(cell.spec.title, state) for cell, state in kept] + [(c.spec.title, "planned") for c in todo])
    for name, reason in plan.left_out.items():
        observer.say(f"without {name}: {reason}")
    for note in plan.notes:
        observer.say(note)
    _check_files(plan, observer)
    if todo:
        _execute(plan, todo, folder, registry, how, executor, observer, sharing, index)
    elif executor.name not in executors.BUILT_IN:
        _take_back(executor, Surroundings(0, None, (), folder.path, observer.say))


def _take_back(chosen: ChosenExecutor, surroundings: Surroundings) -> None:
    """Let an executor remove jobs that it left in a queue and nobody needs any more."""
    with contextlib.suppress(BenchmarkError):  # there may be no batch system here, and there is nothing to do
        executor = chosen.build(surroundings)
        if isinstance(executor, executors.TakesBack):
            executor.take_back()


def _check_files(plan: Plan, observer: Observer) -> None:
    """The user's data files have to be sound before anything is trained on them."""
    files = {cell.spec.dataset.path: cell.spec.task for cell in plan.cells if cell.spec.dataset.kind == "file"}
    if files:
        from benchmark.data.checks import file as checks

        for path, task in files.items():
            observer.say(f"checking {path} for {task}")
            checks.require(Path(path))


def _sort_out(
    plan: Plan, folder: RunFolder, registry: Registry, how: HowToRun, sharing: Sharing, index: Index
) -> tuple[list[PlannedCell], list[tuple[PlannedCell, str]]]:
    """Cells that must run, and those that stay as they are with their state."""
    todo, kept = [], []
    keys = Keys(registry)
    for cell in plan.cells:
        brief = index.of(cell)
        sharing.note(cell, brief.token)
        if cell.skip:
            folder.cell(cell.spec.id).write(planned_record(cell).ended("skipped", cell.skip))
            kept.append((cell, "skipped"))
        elif brief.done:
            asked = {"budget": cell.spec.budget, "trials": cell.spec.trials}
            if asked != {"budget": brief.budget, "trials": brief.trials}:
                # the same cell, asked for in other words: tables follow what was asked last
                record = folder.cell(cell.spec.id).record()
                folder.cell(cell.spec.id).write(replace(record, spec=record.spec.like(**asked)))
            if how.rescore or keys.of(cell.spec) != (brief.score_key, brief.downstream_key):
                todo.append(cell)
            else:
                kept.append((cell, "done"))
        else:
            todo.append(cell)
    index.keep()
    for cell in todo:  # a finished one has come to its folder whole
        atomic.remove_leftovers(folder.cell(cell.spec.id).path)
    return todo, kept


class Keys:
    """Hashes of what scores and downstream values would be made by now; asked once for each profile and task."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._of_profile: dict[str, str] = {}
        self._of_task: dict[tuple[str, str], str] = {}

    def of(self, spec: CellSpec) -> tuple[str, str]:
        """Of a cell's profile, and of its task's downstream evaluations."""
        from benchmark.scoring.downstream import downstream_key
        from benchmark.scoring.judge import score_key

        if spec.profile not in self._of_profile:
            self._of_profile[spec.profile] = score_key(self._registry, spec.profile)
        data = (spec.task, spec.dataset.path)
        if data not in self._of_task:
            task = task_of(self._registry, spec.task, Path(spec.dataset.path))
            self._of_task[data] = downstream_key(self._registry, task)
        return self._of_profile[spec.profile], self._of_task[data]


def _execute(
    plan: Plan,
    todo: list[PlannedCell],
    folder: RunFolder,
    registry: Registry,
    how: HowToRun,
    chosen: ChosenExecutor,
    observer: Observer,
    sharing: Sharing,
    index: Index,
) -> None:
    surroundings = Surroundings(
        how.jobs,
        how.timeout,
        _preload(todo, registry),
        folder.path,
        observer.say,
        attempts=how.attempts,
        device=how.device,
        jobs_per_device=how.jobs_per_device,
        memory=how.memory,
    )
    executor = chosen.build(surroundings)
    broken = _build_data(plan, todo, executor, chosen.name, observer)
    experience, scored_again = Experience(), set()
    for cell in plan.cells:
        brief = index.of(cell)
        if brief.done:
            experience.learn(cell, brief)
            scored_again.add(cell.spec.id)
    left: list[PlannedCell] = []
    # a shorter budget first: the longer ones go on from what it trained; then seed by seed, so that there is a table of
    # all models as soon as can be; then the longest first
    turn = {seed: at for at, seed in enumerate(plan.seeds)}
    budget = {cell.spec.id: cell.spec.budget.amount if cell.spec.budget else 0 for cell in todo}
    for cell in sorted(todo, key=lambda cell: (budget[cell.spec.id], turn.get(cell.spec.seed, 0), -cell.cost)):
        if cell.spec.task in broken:
            reason = f"its data could not be built: {broken[cell.spec.task]}"
            sharing.record(cell, "failed", reason)
            observer.event(Event("finished", cell.spec.title, "failed", reason))
        else:
            left.append(cell)
    training = [cell for cell in left if cell.kind != "fixed" and cell.spec.id not in scored_again]
    say_what_has_no_cache({(cell.spec.dataset.path, Recipe(**cell.spec.recipe).context) for cell in training}, observer)
    while left:
        ready, held = sharing.free(left)
        assigned = {
            cell.spec.title: (
                Assignment(
                    cell.spec.title,
                    job_of(cell, folder, how, seen=sharing.seen(cell), over=over),
                    partial(sharing.taken, cell, over),
                    experience.needs(cell, how.device),
                ),
                cell,
            )
            for cell, over in ready
        }
        held += _round(assigned, executor, chosen.name, observer, sharing)
        left = sharing.wait(held, observer.event)


def _round(
    assigned: Mapping[str, tuple[Assignment, PlannedCell]],
    executor: Executor,
    name: str,
    observer: Observer,
    sharing: Sharing,
) -> list[PlannedCell]:
    """Let the executor do what is free; returns the cells that turned out to be somebody else's."""
    open_ = dict.fromkeys(assigned)
    elsewhere: list[PlannedCell] = []

    def notify(event: Event) -> None:
        if event.title not in open_:
            return
        if event.kind == "finished":
            del open_[event.title]
            cell = assigned[event.title][1]
            if event.state == "elsewhere":
                elsewhere.append(cell)
                observer.event(replace(event, kind="elsewhere"))
                return
            sharing.settle(cell, event)
        observer.event(event)

    try:
        with _executors_faults(name):
            executor.run([assignment for assignment, _ in assigned.values()], notify)
        for title in list(open_):
            notify(Event("finished", title, "failed", f"executor {name} did not say how it ended"))
    except KeyboardInterrupt:
        sharing.leave(cell for _, cell in assigned.values())
        raise
    return elsewhere


@contextlib.contextmanager
def _executors_faults(name: str) -> Iterator[None]:
    """What an executor raises is one line that names it; :class:`BenchmarkError` speaks for itself."""
    try:
        yield
    except BenchmarkError:
        raise
    except Exception as error:
        raise PluginError(
            f"executor {name}: {type(error).__name__}: {error}; the same command with --executor local goes on"
        ) from error


def _build_data(
    plan: Plan, todo: list[PlannedCell], executor: Executor, name: str, observer: Observer
) -> dict[str, str]:
    """Build the embedded data sets that are needed and missing; returns reasons by task for those that failed."""
    needed = {cell.spec.task for cell in todo}
    missing = [job for job in plan.builds if job.task in needed and not Path(job.path).is_file()]
    if not missing:
        return {}
    observer.say(f"building data: {', '.join(job.task for job in missing)}")
    with _executors_faults(name):
        outcome = executor.run([Assignment(job.task, job) for job in missing], lambda _: None)
    ended = {job.task: outcome.get(job.task, ("failed", f"executor {name} did not build them")) for job in missing}
    return {task: reason for task, (state, reason) in ended.items() if state != "done"}


def say_what_has_no_cache(data: Iterable[tuple[str, int]], observer: Observer) -> None:
    """One line for each data file whose slices training has to inflate and map at every use.

    Given are files, each with the number of neighbouring slices that are shown on either side of a slice.
    """
    from benchmark.data.format.reader import Dataset
    from benchmark.data.streaming.build import obstacle
    from benchmark.data.streaming.places import stay_on_disk

    for path, context in sorted(data):
        with contextlib.suppress(DatasetError), Dataset(path) as dataset:  # a damaged one its cells will name
            reason = obstacle(dataset.info, context) if stay_on_disk(dataset.info, context) else ""
            if reason:
                observer.say(f"training reads {path} without a slice cache, which is slower: {reason}")


def build_data(jobs: list[BuildJob], registry: Registry) -> Mapping[str, tuple[str, str]]:
    """Build data sets, as many at once as there are cores; returns state and reason by task."""
    modules = [registry.task(job.task).spec.factory.partition(":")[0] for job in jobs]
    executor = executors.choose(registry, "local").build(
        Surroundings(0, None, modules, Path(), lambda _: None, device="cpu")
    )
    return executor.run([Assignment(job.task, job) for job in jobs], lambda _: None)


def _preload(cells: list[PlannedCell], registry: Registry) -> list[str]:
    """The modules behind the plan's components, for the fork server."""
    from benchmark.scoring.downstream import evaluations_for

    specs: list[CellSpec] = [cell.spec for cell in cells]
    factories = [registry.model(name).spec.factory for name in dict.fromkeys(spec.model for spec in specs)]
    for profile in dict.fromkeys(spec.profile for spec in specs):
        factories += [registry.metric(use.metric).spec.factory for use in registry.profile(profile).spec.metrics]
    for name, path in {spec.task: spec.dataset.path for spec in specs}.items():
        task = task_of(registry, name, Path(path))
        factories += [offer.spec.factory for offer in evaluations_for(registry, task).values()]
    return list(dict.fromkeys(factory.partition(":")[0] for factory in factories))
