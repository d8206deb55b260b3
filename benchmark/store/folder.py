"""The run folder: what was planned, what each cell left behind, and whether it can be trusted.

``record.json`` is written last and holds the hashes of the cell's other files and of itself. A record that
is torn, or whose files are missing or altered, counts as not done.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmark import atomic
from benchmark.errors import BenchmarkError
from benchmark.json_fields import Fields, OtherVersion, RecordError
from benchmark.plan.claim import CellSpec, environment
from benchmark.plan.expand import Plan, PlannedCell
from benchmark.printable import printable
from benchmark.registry.plugins import Plugin, source_sha256
from benchmark.registry.verdicts import verdict
from benchmark.store.lease import Leases, Standing
from benchmark.store.log import TrainingLog
from benchmark.store.plan_table import cells_from_json, cells_to_json
from benchmark.store.record import Record
from benchmark.store.salvage import planned_by_records
from benchmark.store.seal import Unsealed, read_sealed, write_sealed

RUN_SCHEMA = 3
PAYLOAD = ("scores.parquet", "predictions.h5", "checkpoint.pt", "log.jsonl")
"""Files that a finished cell vouches for, where it has them."""

TORN = "its record.json is torn or was altered"


class CellFolder:
    """The folder of one cell."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run(self) -> Path:
        """The run's folder, of a cell that is kept where a run keeps them."""
        return self.path.parent.parent

    def file(self, name: str) -> Path:
        """A file of the cell."""
        return self.path / name

    @property
    def predictions(self) -> Path:
        """The translations of the test split; see :mod:`benchmark.store.predictions`."""
        return self.file("predictions.h5")

    def trunk(self, name: str) -> Path:
        """Where cells that differ in their budget alone keep what they train in common, beside all cells."""
        return self.run / "trunks" / name

    @property
    def log(self) -> TrainingLog:
        """What was logged in training."""
        return TrainingLog(self.file("log.jsonl"))

    def read(self, expected: CellSpec | None = None) -> Record | None:
        """The record, or ``None`` when there is none, or it is torn, altered or makes no sense."""
        try:
            return self.record(expected)
        except (OSError, ValueError):
            return None

    def record(self, expected: CellSpec | None = None) -> Record:
        """The record; ``expected`` is the claim that it most likely has, and is quicker to read then.

        Raises:
            OSError: there is none.
            Unsealed: it is torn or was altered.
            RecordError: it makes no sense.
        """
        return Record.from_json(read_sealed(f"{self.path}/record.json"), expected)

    def write(self, record: Record) -> None:
        """Store a record atomically, with its own hash."""
        write_sealed(self.file("record.json"), record.to_json())

    def hashes(self) -> dict[str, str]:
        """Hashes of the payload files that are there."""
        return {name: atomic.sha256_file(self.file(name)) for name in PAYLOAD if self.file(name).is_file()}

    def stamps(self) -> dict[str, tuple[int, int, int]]:
        """Size, time and inode of the same files, as :attr:`Record.stamps` keeps them."""
        return {name: stamp for name in PAYLOAD if (stamp := self._stamp(name)) is not None}

    def _stamp(self, name: str) -> tuple[int, int, int] | None:
        try:
            found = os.stat(f"{self.path}/{name}")
        except OSError:
            return None
        return (found.st_size, found.st_mtime_ns, found.st_ino) if stat.S_ISREG(found.st_mode) else None

    def damage(self, record: Record, names: Iterable[str] | None = None, *, thorough: bool = False) -> str:
        """What is wrong with the files of a done cell, or with these of them; empty when all is well.

        Files that nobody has touched since the record was made are not read, unless ``thorough``: a disk that gives
        back other bytes than it was given is found by that alone.
        """
        for name in record.files if names is None else names:
            if name not in PAYLOAD or name not in record.files:
                return f"record names an unknown file {name!r}" if name in record.files else f"it has no {name}"
            stamp = self._stamp(name)
            if stamp is None:
                return f"{name} is missing"
            if stamp == record.stamps.get(name) and not thorough:
                continue
            if atomic.sha256_file(self.file(name)) != record.files[name]:
                return f"{name} was altered"
        return ""


@dataclass(frozen=True)
class RunFacts:
    """What ``run.json`` says: the plan, how it was started, with which plugins, and where."""

    grid: str
    preset: str
    seeds: tuple[int, ...]
    options: Mapping[str, Any]
    """How the run was started."""
    plugins: tuple[Mapping[str, Any], ...]
    environment: Mapping[str, Any]
    published: tuple[Mapping[str, Any], ...]
    cells: tuple[PlannedCell, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Models of the grid that it was run without, and why."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "schema": RUN_SCHEMA,
            "grid": self.grid,
            "preset": self.preset,
            "seeds": list(self.seeds),
            "options": dict(self.options),
            "plugins": [dict(plugin) for plugin in self.plugins],
            "environment": dict(self.environment),
            "published": [dict(table) for table in self.published],
            "left_out": dict(self.left_out),
            **cells_to_json(self.cells),
        }

    @classmethod
    def from_json(cls, data: Any) -> RunFacts:
        """From what :meth:`to_json` gave.

        Raises:
            RecordError: something is missing, or of the wrong kind.
        """
        fields = Fields(data, "run")
        if fields.count("schema") != RUN_SCHEMA:
            raise OtherVersion(f"it has schema {data['schema']}, this harness reads {RUN_SCHEMA}")
        seeds = fields.listing("seeds")
        if not all(type(seed) is int for seed in seeds):
            raise RecordError("run.seeds is no list of numbers")
        return cls(
            grid=fields.text("grid"),
            preset=fields.text("preset"),
            seeds=tuple(seeds),
            options=fields.table("options"),
            plugins=tuple(dict(Fields(item, "run.plugins").all()) for item in fields.listing("plugins")),
            environment=fields.table("environment"),
            published=tuple(_published(item) for item in fields.listing("published")),
            cells=cells_from_json(fields),
            left_out=fields.words("left_out"),
        )


def _published(item: Any) -> Mapping[str, Any]:
    fields = Fields(item, "run.published")
    fields.text("task"), fields.text("source")
    for name in (scores := Fields(fields.table("scores"), "run.published.scores")).all():
        scores.patients(name)
    return fields.all()


class RunFolder:
    """A run on disk."""

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        """``salvage``: where ``run.json`` is damaged go on with what the cells' own records tell, for commands that
        only show; :meth:`unreadable` names the file then."""
        self.path = path
        self._salvage = salvage

    @property
    def exists(self) -> bool:
        """Whether there is a run."""
        return (self.path / "run.json").is_file()

    def cell(self, cell_id: str) -> CellFolder:
        """The folder of a cell."""
        return CellFolder(self.path / "cells" / cell_id)

    @property
    def leases(self) -> Leases:
        """Who works on which cell."""
        return Leases(self.path)

    def log(self, cell_id: str) -> TrainingLog:
        """The log of a cell, which lies with whoever trains it while it is trained."""
        standing = self.leases.of(cell_id)
        return (CellFolder(standing.path) if standing else self.cell(cell_id)).log

    def create(self, plan: Plan, plugins: Iterable[Plugin], options: Mapping[str, Any]) -> None:
        """Write ``run.json``: the plan, the plugins and the environment.

        Raises:
            BenchmarkError: the folder cannot be written.
        """
        facts = RunFacts(
            grid=plan.grid,
            preset=plan.preset,
            seeds=plan.seeds,
            options=options,
            plugins=tuple(
                {"name": p.name, "distribution": p.distribution, "version": p.version, "state": p.state} | _kit(p)
                for p in plugins
            ),
            environment=environment(),
            published=tuple(asdict(table) for table in plan.published),
            cells=plan.cells,
            left_out=plan.left_out,
        )
        try:
            (self.path / "cells").mkdir(parents=True, exist_ok=True)
            write_sealed(self.path / "run.json", facts.to_json())
        except OSError as error:
            raise BenchmarkError(
                f"cannot write the run folder {self.path}: {error.strerror or error}; choose another with --results"
            ) from None

    def about(self) -> RunFacts:
        """What ``run.json`` says; of a run that is salvaged, what its cells say.

        Raises:
            BenchmarkError: it is damaged.
        """
        facts = self._facts()
        if isinstance(facts, RunFacts):
            return facts
        if not self._salvage:
            raise BenchmarkError(f"{self.path}/run.json {facts}")
        cells = planned_by_records(self.path / "cells")
        presets = sorted({cell.spec.preset for cell in cells})
        return RunFacts(
            "(not known)", ", ".join(presets), tuple(sorted({cell.spec.seed for cell in cells})), {}, (), {}, (), cells
        )

    def _facts(self) -> RunFacts | str:
        """What ``run.json`` says, or what is wrong with it."""
        try:
            file = os.stat(self.path / "run.json")
            return _sealed_facts(f"{self.path}/run.json", (file.st_size, file.st_mtime_ns, file.st_ino))
        except OtherVersion as error:
            return f"was written by another version of the harness ({error}); the same 'benchmark run' writes it anew"
        except (OSError, ValueError, RecursionError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            reason = printable(" ".join(said.split())[:200]) or type(error).__name__
            return f"is damaged ({reason}); the 'benchmark run' that made it writes it anew"

    def records(self, *, verify: bool = False) -> list[Record]:
        """One record for each planned cell, whatever its state, then one for each stale cell.

        With ``verify`` the payload files of done cells are looked at, and one that was altered makes its cell failed.
        """
        return list(self.stream(verify=verify))

    def stream(self, *, verify: bool = False, only: Callable[[CellSpec], bool] = lambda _: True) -> Iterator[Record]:
        """The same one at a time, for runs whose records do not fit into memory together. Of the plan's cells those are
        read of which ``only`` holds."""
        at_work = self.at_work()
        for cell in self.about().cells:
            if only(cell.spec):
                yield at_work.get(cell.spec.id) or self.look_at(cell, verify=verify)
        yield from self.others(verify=verify, only=only)

    def at_work(self) -> dict[str, Record]:
        """Records of the plan's cells that somebody holds, by id."""
        standing = self.leases.standing()
        cells = self.about().cells if standing else ()
        return {cell.spec.id: _running(cell, standing[cell.spec.id]) for cell in cells if cell.spec.id in standing}

    def others(self, *, verify: bool = False, only: Callable[[CellSpec], bool] = lambda _: True) -> Iterator[Record]:
        """Records of cells that the plan does not know: those that were evaluated, and stale ones."""
        planned = {cell.spec.id for cell in self.about().cells}
        folders = self._unplanned(planned)
        by_address = {cell.spec.title: cell.spec for cell in self.about().cells} if folders else {}
        for folder in folders:
            if not (record := CellFolder(folder).read()):
                continue
            if record.evaluated:
                damage = CellFolder(folder).damage(record) if verify and record.done else ""
                yield record.ended("failed", damage) if damage else record
            elif only(record.spec):
                yield record.stale(_why_stale(record.spec, by_address))

    def unreadable(self) -> list[tuple[str, str]]:
        """What cannot be read: ``run.json``, and cells that no plan knows; name of file or folder and what is wrong."""
        facts = self._facts() if self._salvage else ""
        wrong = [("run.json", facts)] if facts and isinstance(facts, str) else []
        for folder in self._unplanned({cell.spec.id for cell in self.about().cells}):
            try:
                CellFolder(folder).record()
            except (OSError, ValueError) as error:
                if os.path.lexists(folder / "record.json"):
                    wrong.append((folder.name, _fault(error)))
        return wrong

    def _unplanned(self, planned: Container[str]) -> list[Path]:
        """Folders of cells that the plan does not know, by name; not what a merge is still copying."""
        cells = self.path / "cells"
        names = os.listdir(cells) if cells.is_dir() else []
        names = [name for name in names if not atomic.PART.fullmatch(name)]
        return [cells / name for name in sorted(name for name in names if name not in planned)]

    def look_at(self, cell: PlannedCell, *, verify: bool = False) -> Record:
        """The record of a planned cell that nobody holds, whatever its state."""
        folder = self.cell(cell.spec.id)
        try:
            record = folder.record(cell.spec)
        except FileNotFoundError:
            return planned_record(cell)
        except (OSError, ValueError) as error:
            return planned_record(cell).ended("planned", _fault(error))
        if verify and record.done and (damage := folder.damage(record)):
            return replace(record.ended("failed", damage), token=record.token)
        return record if record.done else replace(record, spec=cell.spec)


@lru_cache(maxsize=1)
def _sealed_facts(where: str, _: tuple[int, int, int]) -> RunFacts:
    """A plan is asked for several times in a command, and takes a second to read where it has 10,000 cells."""
    return RunFacts.from_json(read_sealed(where))


def _kit(plugin: Plugin) -> dict[str, str]:
    """What the conformance kit said of a plugin as it is now; nothing of one that is not loaded, or has no source."""
    try:
        return {"kit": verdict(source_sha256(plugin.module))} if plugin.state == "loaded" else {}
    except BenchmarkError:
        return {}


def planned_record(cell: PlannedCell) -> Record:
    """The record of a planned cell that nothing has been done about."""
    return Record(spec=cell.spec, kind=cell.kind, baseline=cell.baseline, state="planned")


def _running(cell: PlannedCell, standing: Standing) -> Record:
    """The record of a cell that somebody holds; whether that one still lives can be told on its own machine only."""
    planned = planned_record(cell)
    by = standing.by
    if by is None:
        return planned.ended("running", str(standing))
    if by.surely_gone:
        reason = f"{by} is gone; goes on from its checkpoint"
        return replace(planned, state="planned", reason=reason, stop="lost sight of", attempt=by.attempt)
    return replace(planned, state="running", reason=str(standing), pid=by.pid, attempt=by.attempt)


def _fault(error: Exception) -> str:
    """What is wrong with a record, in a few words."""
    if isinstance(error, RecordError):
        return f"its record.json makes no sense: {error}"
    return TORN if isinstance(error, Unsealed) else f"its record.json cannot be read ({error})"


def _why_stale(spec: CellSpec, planned: Mapping[str, CellSpec]) -> str:
    """What has changed since, where the plan has another cell in its place."""
    if (current := planned.get(spec.title)) is None:
        return "no longer in the plan"
    changed = differences(spec.to_json(), current.to_json())
    return f"replaced: {', '.join(changed[:4]) or 'plan'} changed"


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Which parts of a cell's claim differ, as dotted names; where the data lie does not count."""
    changed: list[str] = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if f"{prefix}{key}" in ("dataset.path", "start.path", "profile", "budget", "trials"):
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            changed += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            changed.append(f"{prefix}{key}")
    return changed
