"""The run folder: what was planned, what each cell left behind, and whether it can be trusted.

``record.json`` is written last and holds the hashes of the cell's other files and of itself. A record that
is torn, or whose files are missing or altered, counts as not done.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import atomic
from benchmark.errors import BenchmarkError
from benchmark.plan.claim import CellSpec, environment
from benchmark.plan.expand import Plan
from benchmark.printable import printable
from benchmark.registry.plugins import Plugin

RUN_SCHEMA = 1
PAYLOAD = ("scores.parquet", "predictions.h5", "checkpoint.pt", "log.jsonl")
"""Files that a finished cell vouches for, where it has them."""
EVALUATED = "evaluated"
"""``origin`` of cells whose predictions were made elsewhere; no plan knows of them."""


class CellFolder:
    """The folder of one cell."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        """A file of the cell."""
        return self.path / name

    def read(self) -> dict[str, Any] | None:
        """The record, or ``None`` when there is none or it is torn."""
        return _read(f"{self.path}/record.json")

    def write(self, record: Mapping[str, Any]) -> None:
        """Store a record atomically, with its own hash."""
        atomic.write_bytes(self.file("record.json"), sealed(record))

    def hashes(self) -> dict[str, str]:
        """Hashes of the payload files that are there."""
        return {name: atomic.sha256_file(self.file(name)) for name in PAYLOAD if self.file(name).is_file()}

    def damage(self, record: Mapping[str, Any]) -> str:
        """What is wrong with the files of a done cell; empty when all is well."""
        for name, expected in record.get("files", {}).items():
            if name not in PAYLOAD:
                return f"record names an unknown file {name!r}"
            if not self.file(name).is_file():
                return f"{name} is missing"
            if atomic.sha256_file(self.file(name)) != expected:
                return f"{name} was altered"
        return ""


SEAL = b',\n "sha256": "'
"""What stands between a record and the hash of all that is before it."""


def sealed(record: Mapping[str, Any]) -> bytes:
    """A record as JSON whose last field is the hash of the text before it."""
    body = json.dumps(record, indent=1, allow_nan=False).encode()[: -len("\n}")]
    return body + SEAL + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def _seal_holds(text: bytes, stated: object) -> bool:
    """Whether a text that :func:`sealed` gave is still what it was."""
    body, _, marker = text.rpartition(SEAL)
    return marker == f'{stated}"\n}}\n'.encode() and hashlib.sha256(body).hexdigest() == stated


def _check_plan(about: Mapping[str, Any]) -> None:
    """What everything that reads a run counts on.

    Raises:
        ValueError: it is not there, or of the wrong kind; other errors of lookups and types likewise.
    """
    for key, kind in (("grid", str), ("preset", str), ("seeds", list), ("cells", list), ("plugins", list)):
        if not isinstance(about[key], kind):
            raise ValueError(f"{key} is no {kind.__name__}")
    for table in about.get("published", ()):
        if not isinstance(table["task"], str) or not isinstance(table["source"], str):
            raise ValueError("a published table has no task or no source")
        for values in table["scores"].values():
            if not all(isinstance(value, int | float) for value in values.values()):
                raise ValueError("a published score is no number")
    for cell in about["cells"]:
        spec = CellSpec.from_json(cell["spec"])
        # the id becomes a folder's name
        if not isinstance(cell["id"], str) or not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", cell["id"]):
            raise ValueError(f"{cell['id']!r} is no id of a cell")
        if not isinstance(cell["baseline"], bool):
            raise ValueError("baseline is neither true nor false")
        texts = (spec.task, spec.model, spec.name, spec.preset, spec.precision, spec.profile, spec.dataset.path)
        if not all(isinstance(text, str) for text in texts) or not isinstance(spec.seed, int):
            raise ValueError(f"cell {cell['id']} says nothing sensible")


def unsealed(text: bytes) -> dict[str, Any] | None:
    """The record that :func:`sealed` wrote; ``None`` if it is torn or was altered.

    The hash is of the text, which is read anyway; of a value's canonical form, as records had it once, it would
    take as long as everything else that a leaderboard does.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(stated := record.pop("sha256", None), str):
        return None
    if not isinstance(record.get("state"), str):
        return None
    if _seal_holds(text, stated):
        return record
    try:
        return record if atomic.sha256_of(record) == stated else None
    except ValueError:  # NaN and the like, which no record of ours holds
        return None


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb", buffering=0) as handle:
            return unsealed(handle.read())
    except OSError:
        return None


class RunFolder:
    """A run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lock_path(self) -> Path:
        """The file that the process working on this run holds locked."""
        return self.path / ".lock"

    def cell(self, cell_id: str) -> CellFolder:
        """The folder of a cell."""
        return CellFolder(self.path / "cells" / cell_id)

    def create(self, plan: Plan, plugins: Iterable[Plugin], options: Mapping[str, Any]) -> None:
        """Write ``run.json``: the plan, the plugins and the environment.

        Raises:
            BenchmarkError: the folder cannot be written.
        """
        try:
            (self.path / "cells").mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(
                self.path / "run.json",
                sealed(
                    {
                        "schema": RUN_SCHEMA,
                        "grid": plan.grid,
                        "preset": plan.preset,
                        "seeds": list(plan.seeds),
                        "options": dict(options),
                        "plugins": [
                            {
                                "name": p.name,
                                "distribution": p.distribution,
                                "version": p.version,
                                "state": p.state,
                            }
                            for p in plugins
                        ],
                        "environment": environment(),
                        "published": [asdict(table) for table in plan.published],
                        "left_out": dict(plan.left_out),
                        "cells": [
                            {
                                "id": cell.spec.id,
                                "baseline": cell.baseline,
                                "cost": cell.cost,
                                "skip": cell.skip,
                                "spec": cell.spec.to_json(),
                            }
                            for cell in plan.cells
                        ],
                    }
                ),
            )
        except OSError as error:
            raise BenchmarkError(
                f"cannot write the run folder {self.path}: {error.strerror or error}; choose another with --results"
            ) from None

    def about(self) -> dict[str, Any]:
        """What ``run.json`` says.

        Raises:
            BenchmarkError: it is damaged.
        """
        where = f"{self.path}/run.json"
        try:
            text = (self.path / "run.json").read_bytes()
            about = json.loads(text)
            if about["schema"] != RUN_SCHEMA:
                raise BenchmarkError(f"{where} has schema {about['schema']!r}, this harness reads {RUN_SCHEMA}")
            if "sha256" in about and not _seal_holds(text, about["sha256"]):
                raise ValueError("its hash says that it was altered")
            _check_plan(about)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            reason = printable(" ".join(str(error).split())[:200]) or type(error).__name__
            raise BenchmarkError(f"{where} is damaged ({reason}); run the same command again") from None
        return dict(about)

    def records(self, *, verify: bool = False) -> list[dict[str, Any]]:
        """One record for each planned cell, whatever its state, then one for each stale cell.

        With ``verify`` the payload files of done cells are hashed and compared.
        """
        return list(self.stream(verify=verify))

    def stream(self, *, verify: bool = False) -> Iterator[dict[str, Any]]:
        """The same one at a time, for runs whose records do not fit into memory together."""
        planned = {cell["id"]: cell for cell in self.about()["cells"]}
        for cell in planned.values():
            yield self._record(cell, verify)
        places = {_place(cell["spec"]): cell["spec"] for cell in planned.values()}
        for folder in self._unplanned(planned):
            if not (record := CellFolder(folder).read()):
                continue
            if record.get("origin") == EVALUATED:
                damage = CellFolder(folder).damage(record) if verify else ""
                yield {**record, "state": "failed", "reason": damage} if damage else record
            else:
                reason = _why_stale(record, places)
                yield {**record, "state": "stale", "was": record["state"], "reason": reason}

    def unreadable(self) -> list[tuple[str, str]]:
        """Cells that no plan knows and whose record is torn, unreadable or altered: folder name and what is wrong."""
        return [
            (folder.name, "its record.json is torn or was altered")
            for folder in self._unplanned({cell["id"] for cell in self.about()["cells"]})
            if folder.joinpath("record.json").exists() and not CellFolder(folder).read()
        ]

    def _unplanned(self, planned: Container[str]) -> list[Path]:
        """Folders of cells that the plan does not know, by name."""
        cells = self.path / "cells"
        names = os.listdir(cells) if cells.is_dir() else []
        return [cells / name for name in sorted(name for name in names if name not in planned)]

    def _record(self, cell: Mapping[str, Any], verify: bool) -> dict[str, Any]:
        record = _read(f"{self.path}/cells/{cell['id']}/record.json")
        if record is None:
            torn = self.cell(cell["id"]).file("record.json").exists()
            reason = "its record.json is torn or was altered" if torn else ""
            record = bare_record(CellSpec.from_json(cell["spec"]), baseline=cell["baseline"], reason=reason)
        elif verify and record["state"] == "done" and (damage := self.cell(cell["id"]).damage(record)):
            spec = CellSpec.from_json(cell["spec"])
            record = bare_record(spec, baseline=cell["baseline"], state="failed", reason=damage)
        return record if record["state"] == "done" else {**record, "profile": cell["spec"]["profile"]}


def _place(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(spec.get(key) for key in ("task", "name", "seed"))


def _why_stale(record: Mapping[str, Any], places: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> str:
    """What has changed since, where the plan has another cell in its place."""
    if (spec := places.get(_place(record))) is None:
        return "no longer in the plan"
    changed = differences(record.get("spec", {}), spec)
    return f"replaced: {', '.join(changed[:4]) or 'plan'} changed"


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Which parts of a cell's claim differ, as dotted names; where the data lie does not count."""
    changed: list[str] = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if f"{prefix}{key}" in ("dataset.path", "profile"):
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            changed += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            changed.append(f"{prefix}{key}")
    return changed


def bare_record(
    spec: CellSpec, *, baseline: bool, state: str = "planned", reason: str = "", **more: Any
) -> dict[str, Any]:
    """A record without results: planned, running, failed, timeout or skipped."""
    return {
        "schema": RUN_SCHEMA,
        "id": spec.id,
        "state": state,
        "reason": reason,
        "task": spec.task,
        "model": spec.model,
        "name": spec.name,
        "baseline": baseline,
        "seed": spec.seed,
        "preset": spec.preset,
        "profile": spec.profile,
        "spec": spec.to_json(),
        **more,
    }
