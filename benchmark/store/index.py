"""Finished cells in short, ``index.json``: of thousands only those are read whose files have changed.

A cache: written by a run, and by ``benchmark status``, after they have looked at many cells, and believed of a cell as
long as its record and all that the record vouches for have the size, time and inode that they had. Without it, or with
one that is torn, every record is read.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmark.contracts.budget import Budget
from benchmark.plan.claim import CellSpec
from benchmark.plan.expand import PlannedCell
from benchmark.store.folder import RunFolder
from benchmark.store.record import Finding, Record, State, Timings
from benchmark.store.seal import read_sealed, write_sealed
from benchmark.store.stops import Stop

INDEX_SCHEMA = 1
FILE = "index.json"
MANY = 100
"""It is written again once so many finished cells are missing in it."""
Stamp = tuple[int, int, int]
"""Size, time of the last change in ns, and inode."""


@dataclass(frozen=True, slots=True)
class Brief:
    """Of a record what it takes to decide what is left to be done, and to show how far a run is."""

    state: State
    reason: str = ""
    stop: Stop | None = None
    attempt: int = 1
    token: int = 0
    timings: Timings = field(default_factory=Timings)
    peak_memory_mb: float | None = None
    peak_gpu_memory_mb: float | None = None
    health: tuple[Finding, ...] = ()
    score_key: str = ""
    downstream_key: str = ""
    budget: Budget | None = None
    """In what words the cell was asked for last, which its claim does not say."""
    trials: int = 0

    @property
    def done(self) -> bool:
        """Whether it has scores."""
        return self.state == "done"

    @classmethod
    def of(cls, record: Record) -> Brief:
        """A record's."""
        said = {name: getattr(record, name) for name in cls.__dataclass_fields__ if name not in ("budget", "trials")}
        return cls(**said, budget=record.spec.budget, trials=record.spec.trials)


class Index:
    """The finished cells of a run, as far as they were seen before."""

    def __init__(self, run: RunFolder) -> None:
        self._run, self._cells = run, f"{run.path}/cells"
        self._rows: dict[str, Any] = _read(run)
        self._new = 0

    def of(self, cell: PlannedCell) -> Brief:
        """What is known of a planned cell, its files looked at as :meth:`RunFolder.look_at` does."""
        id_ = cell.spec.id
        if (row := self._rows.get(id_)) is not None and self._as_it_was(id_, row["stamps"]):
            return _brief(row)
        stamp = _stamp(f"{self._cells}/{id_}/record.json")  # before it is read: it may be replaced meanwhile
        record = self._run.look_at(cell, verify=True)
        brief = Brief.of(record)
        known = record.stamps.keys() == record.files.keys() and self._as_it_was(id_, record.stamps)
        if brief.done and stamp is not None and known:
            self._rows[id_] = _row(brief, {"record.json": stamp, **record.stamps})
            self._new += 1
        return brief

    def overview(self) -> Iterator[tuple[CellSpec, Brief]]:
        """What :meth:`RunFolder.stream` gives, in short."""
        at_work = self._run.at_work()
        for cell in self._run.about().cells:
            record = at_work.get(cell.spec.id)
            yield cell.spec, self.of(cell) if record is None else Brief.of(record)
        for record in self._run.others(verify=True):
            yield record.spec, Brief.of(record)

    def keep(self) -> None:
        """Write it, where that is worth it and the folder can be written."""
        if self._new >= MANY:
            with contextlib.suppress(OSError):
                write_sealed(self._run.path / FILE, {"schema": INDEX_SCHEMA, "cells": self._rows})
            self._new = 0

    def _as_it_was(self, id_: str, stamps: Mapping[str, Any]) -> bool:
        return all(_stamp(f"{self._cells}/{id_}/{name}") == tuple(stamp) for name, stamp in stamps.items())


def _read(run: RunFolder) -> dict[str, Any]:
    try:
        content = read_sealed(f"{run.path}/{FILE}")
    except (OSError, ValueError):
        return {}
    return dict(content["cells"]) if content.get("schema") == INDEX_SCHEMA else {}


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _row(brief: Brief, stamps: Mapping[str, Stamp]) -> dict[str, Any]:
    """What differs from :class:`Brief`'s defaults, and the files that it is taken from."""
    row = {name: getattr(brief, name) for name in PLAIN if getattr(brief, name) != getattr(USUAL, name)}
    row |= {"timings": brief.timings.to_json(), "stamps": {name: list(stamp) for name, stamp in stamps.items()}}
    row |= {"budget": brief.budget.to_json()} if brief.budget else {}
    return row | ({"health": [asdict(finding) for finding in brief.health]} if brief.health else {})


def _brief(row: Mapping[str, Any]) -> Brief:
    """From what :func:`_row` gave; what is sealed need not be doubted once more."""
    plain = {name: row[name] for name in PLAIN if name in row}
    health = tuple(Finding(**finding) for finding in row.get("health", ()))
    budget = Budget.from_json(row["budget"], "budget") if "budget" in row else None
    return Brief(**plain, timings=Timings(**row["timings"]), health=health, budget=budget)


PLAIN = tuple(name for name in Brief.__dataclass_fields__ if name not in ("timings", "health", "budget"))
USUAL = Brief("planned")
