"""Cells of one grid that were made on several machines come together in one run.

A cell's id is the hash of its claim, so that cells of one id are the same cell wherever they were made. Files are
compared with the hashes that their records state before and after they are copied; nothing that is there is replaced.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark import atomic
from benchmark.errors import BenchmarkError, UsageError
from benchmark.plan.expand import PlannedCell
from benchmark.store.folder import CellFolder, RunFacts, RunFolder, differences
from benchmark.store.lease import Leases
from benchmark.store.record import Record
from benchmark.store.seal import write_sealed

LOCK = ".merge.lock"
BESIDE = ("error.txt",)
"""Files that a cell may leave and no record vouches for."""


@dataclass(frozen=True)
class Conflict:
    """Two cells that cannot both be in one run, and what stayed."""

    cell: str
    runs: tuple[Path, Path]
    reason: str


@dataclass
class Merged:
    """What came of a merge."""

    path: Path
    copied: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    """Cells that were there already, the same."""
    damaged: dict[str, str] = field(default_factory=dict)
    """Cells that were not taken, and what is wrong with their files."""
    conflicts: list[Conflict] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Planned cells that are done in none of the runs."""

    @property
    def ok(self) -> bool:
        """Whether nothing contradicted anything."""
        return not (self.conflicts or self.damaged)


def merge(sources: Sequence[Path], target: Path) -> Merged:
    """Bring the cells of several runs into ``target``, which may be new, or a run of the same grid.

    A done cell is taken from the first run that has it whole; failed ones where no run has it done. Where two runs
    have other claims for one task, model and seed, or other predictions or scores under one claim, the first stays and
    the conflict is told.

    Raises:
        UsageError: no run, or runs of different grids or presets.
        BenchmarkError: a ``run.json`` is damaged, the target cannot be written or is being worked on.
    """
    runs = [RunFolder(path) for path in sources]
    for run in runs:
        if not run.exists:
            raise UsageError(f"{run.path}: no run there (it would have a run.json)")
    folder = RunFolder(target)
    if any(run.path.resolve() == target.resolve() for run in runs):
        raise UsageError(f"{target}: is among the runs to merge; it keeps what it has, name only the others")
    plans = [(run.path, run.about()) for run in ([folder] if folder.exists else []) + runs]
    merged = Merged(target)
    facts = _one_plan(plans, merged)
    with _locked(folder):
        write_sealed(target / "run.json", facts.to_json())
        merger = _Merger(folder, merged, facts)
        for finished in (True, False):
            for run in runs:
                for record in run.stream():
                    if record.done == finished:
                        merger.take(run, record)
        done = {record.id for record in folder.stream() if record.done or record.state == "skipped"}
    merged.missing += [cell.spec.title for cell in facts.cells if cell.spec.id not in done and not cell.skip]
    return merged


class _Merger:
    """Copies cells into one run, and remembers where each is from."""

    def __init__(self, target: RunFolder, merged: Merged, facts: RunFacts) -> None:
        self._target, self._merged = target, merged
        self._planned = {cell.spec.id for cell in facts.cells}
        self._origin: dict[str, Path] = {}
        self._evaluated = {_row(record): record.id for record in target.stream() if record.evaluated}

    def take(self, run: RunFolder, record: Record) -> None:
        """Copy one cell, unless it is there already, is no part of the plan, or has nothing to show."""
        known = record.evaluated or record.id in self._planned
        if not known or record.state in ("planned", "running", "stale"):
            return
        there = self._target.cell(record.id)
        present = there.read()
        if present is not None and (present.done or not record.done):
            if record.done:
                self._compare(run, present, record)
            return
        if record.evaluated and self._evaluated.setdefault(_row(record), record.id) != record.id:
            self._conflict(run, record, self._evaluated[_row(record)], "other predictions under one name")
            return
        try:
            damage = _copy(run.cell(record.id), record, there)
        except OSError as error:
            raise BenchmarkError(f"cannot write {there.path}: {error.strerror or error}") from None
        if damage:
            self._merged.damaged[f"{run.path}/{record.title}"] = damage
        else:
            self._origin[record.id] = run.path
            self._merged.copied.append(record.title)

    def _compare(self, run: RunFolder, present: Record, record: Record) -> None:
        if reason := _contradiction(present, record):
            self._conflict(run, record, present.id, reason)
        else:
            self._merged.there.append(record.title)

    def _conflict(self, run: RunFolder, record: Record, kept: str, reason: str) -> None:
        where = self._origin.get(kept, self._target.path)
        self._merged.conflicts.append(Conflict(record.title, (where, run.path), reason))


def _row(record: Record) -> tuple[str, str]:
    """What of evaluated cells may stand in a run once."""
    return record.title, record.profile


def _one_plan(plans: Sequence[tuple[Path, RunFacts]], merged: Merged) -> RunFacts:
    """The union of the plans; of two claims for one address the first.

    Raises:
        UsageError: grids or presets differ.
    """
    first_path, first = plans[0]
    cells: dict[str, tuple[Path, PlannedCell]] = {}
    for path, plan in plans:
        if (plan.grid, plan.preset) != (first.grid, first.preset):
            raise UsageError(
                f"{path} is of grid {plan.grid}, preset {plan.preset}; {first_path} of grid {first.grid}, "
                f"preset {first.preset}: cells of different grids do not come together"
            )
        for cell in plan.cells:
            where, other = cells.setdefault(cell.spec.title, (path, cell))
            if other.spec.id != cell.spec.id:
                changed = ", ".join(differences(other.spec.to_json(), cell.spec.to_json())[:4])
                merged.conflicts.append(Conflict(cell.spec.title, (where, path), f"other claims: {changed} differ"))
    left_out: Mapping[str, str] = {name: why for _, plan in reversed(plans) for name, why in plan.left_out.items()}
    taken = {cell.spec.name for _, cell in cells.values()}
    return replace(
        first,
        seeds=tuple(sorted({seed for _, plan in plans for seed in plan.seeds})),
        cells=tuple(cell for _, cell in cells.values()),
        left_out={name: why for name, why in left_out.items() if name not in taken},
        options={**first.options, "merged": sorted({str(path) for path, _ in plans} | set(_merged_before(first)))},
    )


def _merged_before(plan: RunFacts) -> Sequence[str]:
    before = plan.options.get("merged", ())
    return [str(name) for name in before] if isinstance(before, list) else []


def _contradiction(present: Record, record: Record) -> str:
    """How two done cells of one claim differ in what they vouch for; costs and times may."""
    if present.files.get("predictions.h5") != record.files.get("predictions.h5"):
        return "the same claim and other predictions"
    both = present.profile_definition == record.profile_definition
    return "the same predictions and other scores" if both and present.scores != record.scores else ""


def _copy(source: CellFolder, record: Record, target: CellFolder) -> str:
    """Copy a cell beside its place and put it there in one step; returns what is wrong with its files.

    It takes the place of a cell there that is not done.
    """
    if damage := source.damage(record, thorough=True):
        return damage
    try:
        with atomic.making(target.path, replace=True) as work:
            copy = CellFolder(work)
            for name in (*record.files, *BESIDE, "record.json"):
                if source.file(name).is_file():
                    shutil.copyfile(source.file(name), copy.file(name))
            if copy.read() != record and record.done:
                raise _Changed("its record.json changed")
            if damage := copy.damage(record, thorough=True):
                raise _Changed(damage)
    except _Changed as change:
        return f"{change} while it was copied"
    return ""


class _Changed(Exception):
    """A cell that was whole before it was copied, and whose copy is not."""


@contextlib.contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    """Merge alone, into a run whose cells nobody works on.

    Raises:
        BenchmarkError: somebody does, or the folder cannot be written.
    """
    try:
        (folder.path / "cells").mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.path / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise BenchmarkError(f"another process merges into {folder.path}; wait for it") from None
    except OSError as error:
        raise BenchmarkError(f"cannot write {folder.path}: {error.strerror or error}") from None
    try:
        if held := sorted(Leases(folder.path).standing()):
            raise BenchmarkError(f"{folder.path}: somebody works on cell {held[0]}; wait for it, or cancel it")
        yield
    finally:
        lock.release()
