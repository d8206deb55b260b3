"""From records, one at a time, to what leaderboards need of them: a few numbers a cell, in groups that compare.

A record is dropped as soon as it is read, so that memory grows with patients and metrics only.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.leaderboard.tables import Unreadable
from benchmark.statistics.intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

Record = Mapping[str, Any]
Place = tuple[str, str, str]
"""Task, preset, profile without its version."""
Claim = tuple[str, str, str, str, str]
"""The same, then the hash of the data and the profile's definition."""


@dataclass(slots=True)
class MetricOfCell:
    """A cell under one metric: patient values in the order of the group's patients (NaN missing), or an estimate."""

    values: array[float] = field(default_factory=lambda: array("d"))
    estimate: Interval | None = None
    level: str = "slice"
    unit: str | None = None
    expected: int = 0
    """Of an estimate: patients that it should rest on."""
    bias: float | None = None
    """Of an estimate: how much too high it is for having few images, where the metric says."""
    failed: int = 0
    reason: str = ""
    """Why it was not scored; empty where it was."""


@dataclass(slots=True)
class Cell:
    """What a leaderboard needs of one record."""

    id: str
    name: str
    model: str
    baseline: bool
    seed: int
    state: str
    reason: str
    metrics: dict[str, MetricOfCell] = field(default_factory=dict)
    stages: dict[str, array[float]] = field(default_factory=dict)
    parameters: int | None = None
    train_s: float | None = None
    inference_ms: float | None = None
    peak_memory_mb: float | None = None
    hardware: str = ""
    score_key: str | None = None


@dataclass
class Group:
    """Cells that may share a table."""

    task: str
    preset: str
    profile: str
    definition: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    patients: dict[str, int] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)

    def matrix(self, values: Sequence[array[float]]) -> NDArray[np.float64]:
        """Values of cells ``(cells, patients)``; a patient that a cell does not know is missing."""
        n = len(self.patients)
        if all(len(each) == n for each in values):
            return np.frombuffer(b"".join(each.tobytes() for each in values)).reshape(len(values), n)
        full = np.full((len(values), n), math.nan)
        for row, each in zip(full, values, strict=True):
            row[: len(each)] = each
        return full


@dataclass
class Collected:
    """All that was read: groups in order, how many cells are stale, which cannot be read."""

    groups: list[Group]
    stale: int
    unreadable: tuple[Unreadable, ...]


def collect(records: Iterable[Record], unreadable: Iterable[tuple[str, str]] = ()) -> Collected:
    """Read records in whatever order they come.

    Cells without scores do not know their data and definition; they join the largest group of their task, preset
    and profile. ``unreadable`` are cells that have no record at all: id and reason.
    """
    done: dict[Claim, Group] = {}
    others: list[tuple[Place, str, Cell]] = []
    bad = [Unreadable(str(cell), str(reason)) for cell, reason in unreadable]
    stale = 0
    for record in records:
        try:
            if record["state"] == "stale":
                stale += 1
            elif record["state"] == "done":
                _add(done, record)
            else:
                others.append((_place(record), str(record["profile"]), _bare(record)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"its record makes no sense: {type(error).__name__} {error}"
            bad.append(Unreadable(str(record.get("id", "?")), reason))
    empty: dict[Place, Group] = {}
    sizes = {claim: len(group.cells) for claim, group in done.items()}
    for place, profile, cell in others:
        near = [claim for claim in sizes if claim[:3] == place]
        if near:
            done[max(near, key=lambda claim: (sizes[claim], claim))].cells.append(cell)
        else:
            group = empty.setdefault(place, Group(place[0], place[1], profile))
            group.profile = max(group.profile, profile)
            group.cells.append(cell)
    ordered = sorted(
        [*done.items(), *(((*place, "", ""), group) for place, group in empty.items())], key=lambda g: g[0]
    )
    for _, group in ordered:
        group.cells.sort(key=lambda cell: (cell.name, cell.seed, cell.id))
    return Collected([group for _, group in ordered], stale, tuple(sorted(bad, key=lambda each: each.cell)))


def _place(record: Record) -> Place:
    return str(record["task"]), str(record["preset"]), str(record["profile"]).partition("/")[0]


def _add(groups: dict[Claim, Group], record: Record) -> None:
    """Put a done cell into its group; the group is made only once the whole record has been understood."""
    definition, dataset = record["profile_definition"], record["dataset"]
    data = (*_place(record), str(dataset["content_sha256"]))
    # comparing with what is known is much quicker than writing every definition down
    claim = next(
        (known for known, group in groups.items() if known[:4] == data and group.definition == definition), None
    )
    if claim is None:
        claim = (*data, json.dumps(definition, sort_keys=True))
    group = groups.get(claim) or Group(claim[0], claim[1], str(record["profile"]), definition, dataset)
    patients = dict(group.patients)
    group.cells.append(_cell(record, patients))
    group.patients = patients
    groups[claim] = group


def _bare(record: Record) -> Cell:
    return Cell(
        id=str(record["id"]),
        name=str(record["name"]),
        model=str(record["model"]),
        baseline=bool(record.get("baseline")),
        seed=int(record["seed"]),
        state=str(record["state"]),
        reason=str(record.get("reason", "")),
    )


def _cell(record: Record, patients: dict[str, int]) -> Cell:
    cell = _bare(record)
    timings = record.get("timings", {})
    weights = [count for name, count in (record.get("parameters") or {}).items() if name.startswith("generator")]
    cell.parameters = sum(weights) if weights else None
    cell.train_s, cell.inference_ms = timings.get("train_s"), timings.get("inference_ms_per_slice")
    cell.peak_memory_mb = record.get("peak_memory_mb")
    cell.hardware = f"{record['device']} {record['precision']}".strip()
    cell.score_key = record.get("score_key")
    cell.metrics = {name: _metric(score, patients) for name, score in record["scores"].items()}
    for name, measure in (record.get("stages") or {}).items():
        cell.stages[name] = array("d", (math.nan if v is None else float(v) for v in measure["patients"].values()))
    return cell


def _metric(score: Mapping[str, Any], patients: dict[str, int]) -> MetricOfCell:
    if score.get("state") != "scored":
        return MetricOfCell(reason=str(score.get("reason") or "not scored"))
    level, unit = str(score.get("level", "slice")), score.get("unit")
    if level == "distribution":
        value, (low, high) = score["mean"], score["interval"]
        limits = [math.nan if number is None else float(number) for number in (value, low, high)]
        known = math.isfinite(limits[0])
        expected, failed = int(score["n_expected"]), int(score.get("n_failed", 0))
        return MetricOfCell(
            estimate=Interval(limits[0], limits[1], limits[2], expected - failed if known else 0),
            level=level,
            unit=unit,
            expected=expected,
            bias=score.get("bias"),
            failed=failed,
            reason="" if known else "undefined",
        )
    if list(score["patients"]) == list(patients):
        values = array("d", [math.nan if value is None else value for value in score["patients"].values()])
    else:
        values = array("d", [math.nan]) * len(patients)
        for patient, value in score["patients"].items():
            place = patients.setdefault(patient, len(patients))
            values.extend([math.nan] * (place + 1 - len(values)))
            values[place] = math.nan if value is None else float(value)
    for patient in score.get("infinite", ()):
        values[patients[patient]] = math.inf
    return MetricOfCell(values=values, level=level, unit=unit, failed=int(score.get("n_failed", 0)))
