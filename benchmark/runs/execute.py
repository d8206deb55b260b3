"""Run a plan: build what data are missing, run what cells are missing, write the leaderboards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout

from benchmark import executors
from benchmark.cell.job import CellJob
from benchmark.errors import BenchmarkError, DatasetError, PluginError
from benchmark.executors import Assignment, ChosenExecutor, Event, Executor, Surroundings
from benchmark.plan.claim import CellSpec
from benchmark.plan.expand import BuildJob, Plan, PlannedCell
from benchmark.plan.file_tasks import task_of
from benchmark.registry.plugins import Registry
from benchmark.settings.statement import HowToRun
from benchmark.store.folder import RunFolder, planned_record
from benchmark.store.record import Record, State


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

    ``said``: every setting of the run, for ``run.json``.

    Raises:
        BenchmarkError: the folder cannot be written, or another process is working on it.
        KeyboardInterrupt: stopped by the user; what was running continues from its checkpoint next time.
    """
    with _locked(folder):
        folder.create(plan, registry.plugins, said)
        todo, kept = _sort_out(plan, folder, registry, how)
        observer.planned([(cell.spec.title, state) for cell, state in kept] + [(c.spec.title, "planned") for c in todo])
        for name, reason in plan.left_out.items():
            observer.say(f"without {name}: {reason}")
        _check_files(plan, observer)
        if todo:
            _execute(plan, todo, folder, registry, how, executor, observer)


@contextlib.contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.lock_path, timeout=0)
        lock.acquire()
    except Timeout:
        raise BenchmarkError(
            f"another 'benchmark run' is working on {folder.path}; wait for it, or choose another folder "
            "with --results or --name"
        ) from None
    except OSError as error:
        raise BenchmarkError(
            f"cannot write the run folder {folder.path}: {error.strerror or error}; choose another with --results"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _check_files(plan: Plan, observer: Observer) -> None:
    """The user's data files have to be sound before anything is trained on them."""
    files = {cell.spec.dataset.path: cell.spec.task for cell in plan.cells if cell.spec.dataset.kind == "file"}
    if files:
        from benchmark.data.checks import file as checks

        for path, task in files.items():
            observer.say(f"checking {path} for {task}")
            checks.require(Path(path))


def _sort_out(
    plan: Plan, folder: RunFolder, registry: Registry, how: HowToRun
) -> tuple[list[PlannedCell], list[tuple[PlannedCell, str]]]:
    """Cells that must run, and those that stay as they are with their state."""
    todo, kept = [], []
    for cell in plan.cells:
        record = folder.cell(cell.spec.id).read()
        if cell.skip:
            folder.cell(cell.spec.id).write(planned_record(cell).ended("skipped", cell.skip))
            kept.append((cell, "skipped"))
        elif record and record.done and not folder.cell(cell.spec.id).damage(record):
            if how.rescore or not _up_to_date(registry, cell.spec, record):
                todo.append(cell)
            else:
                kept.append((cell, "done"))
        else:
            todo.append(cell)
    return todo, kept


def _up_to_date(registry: Registry, spec: CellSpec, record: Record) -> bool:
    """Whether scores and downstream values were made by what is installed now."""
    from benchmark.scoring.downstream import downstream_key
    from benchmark.scoring.judge import score_key

    task = task_of(registry, spec.task, Path(spec.dataset.path))
    return (record.score_key, record.downstream_key) == (
        score_key(registry, spec.profile),
        downstream_key(registry, task),
    )


def _execute(
    plan: Plan,
    todo: list[PlannedCell],
    folder: RunFolder,
    registry: Registry,
    how: HowToRun,
    chosen: ChosenExecutor,
    observer: Observer,
) -> None:
    surroundings = Surroundings(how.jobs, how.timeout, _preload(todo, registry), folder.path, observer.say)
    executor = chosen.build(surroundings)
    broken = _build_data(plan, todo, executor, chosen.name, observer)
    assigned: dict[str, tuple[Assignment, PlannedCell]] = {}
    for cell in sorted(todo, key=lambda cell: -cell.cost):
        if cell.spec.task in broken:
            reason = f"its data could not be built: {broken[cell.spec.task]}"
            _record(folder, cell, "failed", reason)
            observer.event(Event("finished", cell.spec.title, "failed", reason))
            continue
        assigned[cell.spec.title] = (Assignment(cell.spec.title, _job(cell, folder, how)), cell)

    say_what_has_no_cache([assignment.job for assignment, _ in assigned.values()], observer)
    open_ = dict.fromkeys(assigned)

    def notify(event: Event) -> None:
        if event.title not in open_:
            return
        if event.kind == "finished":
            del open_[event.title]
            _settle(folder, assigned[event.title][1], event)
        observer.event(event)

    try:
        with _executors_faults(chosen.name):
            executor.run([assignment for assignment, _ in assigned.values()], notify)
        for title in list(open_):
            notify(Event("finished", title, "failed", f"executor {chosen.name} did not say how it ended"))
    except KeyboardInterrupt:
        for _, cell in assigned.values():
            record = folder.cell(cell.spec.id).read()
            if record and record.state == "running":
                _record(folder, cell, "planned", "interrupted; continues from its checkpoint")
        raise


def _job(cell: PlannedCell, folder: RunFolder, how: HowToRun) -> CellJob:
    cell_folder = folder.cell(cell.spec.id)
    record = cell_folder.read()
    scored_only = bool(record and record.done and not cell_folder.damage(record))
    return CellJob(cell.spec, cell_folder, cell.baseline, how.device, scored_only, how.cuda_graphs, cell.kind)


def _settle(folder: RunFolder, cell: PlannedCell, event: Event) -> None:
    """Make sure that what the worker said, or could not say any more, stands in the record."""
    record = folder.cell(cell.spec.id).read()
    if record is None or record.state == "running" or event.state == "timeout":
        state = cast("State", event.state) if event.state != "done" else "failed"
        _record(folder, cell, state, event.reason or "left no record")


def _record(folder: RunFolder, cell: PlannedCell, state: State, reason: str) -> None:
    """Write a bare record; on a full disk there is nothing more to do than to say so at the end."""
    with contextlib.suppress(OSError):
        folder.cell(cell.spec.id).write(planned_record(cell).ended(state, reason))


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


def say_what_has_no_cache(jobs: Iterable[CellJob | BuildJob], observer: Observer) -> None:
    """One line for each data file whose slices training has to inflate and map at every use."""
    from benchmark.data.format.reader import Dataset
    from benchmark.data.streaming.build import obstacle
    from benchmark.data.streaming.places import stay_on_disk

    training = [job for job in jobs if isinstance(job, CellJob) and job.kind != "fixed" and not job.score_only]
    for path in dict.fromkeys(job.spec.dataset.path for job in training):
        with contextlib.suppress(DatasetError), Dataset(path) as dataset:  # a damaged one its cells will name
            reason = obstacle(dataset.info) if stay_on_disk(dataset.info) else ""
            if reason:
                observer.say(f"training reads {path} without a slice cache, which is slower: {reason}")


def build_data(jobs: list[BuildJob], registry: Registry) -> Mapping[str, tuple[str, str]]:
    """Build data sets, as many at once as there are cores; returns state and reason by task."""
    modules = [registry.task(job.task).spec.factory.partition(":")[0] for job in jobs]
    executor = executors.choose(registry, "local").build(Surroundings(0, None, modules, Path(), lambda _: None))
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
