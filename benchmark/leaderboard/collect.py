"""From records, one at a time, to what leaderboards need of them: a few numbers a cell, in groups that compare.

A record is dropped as soon as it is read, so that memory grows with patients and metrics only.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.leaderboard.tables import Column, Unreadable
from benchmark.statistics.intervals import Interval
from benchmark.store.record import Record
from benchmark.store.summaries import DownstreamValue, MetricSummary, Patients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.contracts.budget import Budget
    from benchmark.data.format.facts import DataFacts

Place = tuple[str, str, str, str]
"""Task, preset, profile without its version, and the patients that are scored."""
Claim = tuple[str, str, str, str, str, str]
"""The same, then the hash of the data and the profile's definition."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """A metric of level ``distribution``: its value and limits, and the patients that it rests on."""

    interval: Interval
    expected: int
    failed: int
    bias: float | None
    """How much too high it is for having few images, where the metric says."""


@dataclass(frozen=True, slots=True)
class DownstreamNumbers:
    """One value of a downstream evaluation: its patients' numbers in the order of the group's patients, NaN missing."""

    column: Column
    values: array[float]
    ideal: float
    """What the target itself has; NaN where it has none."""


@dataclass(slots=True)
class Cell:
    """What a leaderboard needs of one record; by metric, arrays of numbers and little else, since there are many."""

    id: str
    name: str
    model: str
    baseline: bool
    seed: int
    state: str
    reason: str
    seeded: bool = True
    """Whether another seed would have given another result; fixed and fitted models have none."""
    submitted: bool = False
    """Predictions made elsewhere."""
    trials: int = 0
    budget: Budget | None = None
    steps: int | None = None
    updates: float | None = None
    """Of its generator, in all of its training."""
    flops: float | None = None
    """Floating-point operations of all of its training."""
    values: dict[str, array[float]] = field(default_factory=dict)
    """In the order of the group's patients: NaN missing, infinite perfect."""
    estimates: dict[str, Estimated] = field(default_factory=dict)
    unscored: dict[str, str] = field(default_factory=dict)
    """Why a metric gave nothing."""
    failed: dict[str, int] = field(default_factory=dict)
    """Patients without a usable translation, where there are any."""
    stages: dict[str, array[float]] = field(default_factory=dict)
    downstream: dict[str, DownstreamNumbers] = field(default_factory=dict)
    """By measure and value, joined by '/'."""
    no_downstream: dict[str, str] = field(default_factory=dict)
    """Why a downstream evaluation gave nothing, or left patients out."""
    about_downstream: dict[str, str] = field(default_factory=dict)
    """What each downstream evaluation is, in a line."""
    parameters: int | None = None
    train_s: float | None = None
    inference_ms: float | None = None
    peak_memory_mb: float | None = None
    findings: tuple[str, ...] = ()
    """What looks wrong in its training, as ``term: fault``."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """What the training of a model that the harness trains rests on, beside the capacity of its networks."""
    hardware: str = ""
    score_key: str | None = None


RECIPE = ("batch_size", "learning_rate", "beta1", "beta2", "decay_from", "jitter", "flip")
"""What of a recipe is training; widths of networks are shown as weights."""


@dataclass
class Group:
    """Cells that may share a table."""

    task: str
    preset: str
    profile: str
    definition: Mapping[str, Any] = field(default_factory=dict)
    dataset: DataFacts | None = None
    patients: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Level and unit of the metrics that gave anything."""
    cells: list[Cell] = field(default_factory=list)
    budget: Budget | None = None
    """What its trained models may use, where there are budgets."""
    split: str = "test"
    """Whose patients they are: ``val`` in a tuning."""

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
    elsewhere: list[Record] = []
    for record in records:
        try:
            if record.state == "stale":
                stale += 1
            elif record.done and record.evaluated:
                elsewhere.append(record)
            elif record.done:
                _add(done, record)
            else:
                others.append((_place(record), record.profile, _bare(record)))
        except (KeyError, TypeError, ValueError) as error:
            # a definition is kept as it was, whatever it says
            bad.append(Unreadable(record.id, f"its record makes no sense: {type(error).__name__} {error}"))
    for record in elsewhere:
        try:
            _add(done, record, preset=_preset_beside(done, record))
        except (KeyError, TypeError, ValueError) as error:
            bad.append(Unreadable(record.id, f"its record makes no sense: {type(error).__name__} {error}"))
    empty: dict[Place, Group] = {}
    sizes = {claim: len(group.cells) for claim, group in done.items()}
    for place, profile, cell in others:
        near = [claim for claim in sizes if claim[:4] == place]
        if near:
            done[max(near, key=lambda claim: (sizes[claim], claim))].cells.append(cell)
        else:
            group = empty.setdefault(place, Group(place[0], place[1], profile, split=place[3]))
            group.profile = max(group.profile, profile)
            group.cells.append(cell)
    ordered = sorted(
        [*done.items(), *(((*place, "", ""), group) for place, group in empty.items())], key=lambda g: g[0]
    )
    groups = [part for _, group in ordered for part in _by_budget(group)]
    for group in groups:
        group.cells.sort(key=lambda cell: (cell.name, cell.seed, cell.id))
    return Collected(groups, stale, tuple(sorted(bad, key=lambda each: each.cell)))


def _by_budget(group: Group) -> list[Group]:
    """A group for each budget, smallest first; models that need none stand in each of them.

    Trainings without a budget, of another run, come first and stand by themselves.
    """
    budgets = {cell.budget for cell in group.cells}
    if budgets == {None}:
        return [group]
    without = [cell for cell in group.cells if cell.budget is None]
    needing = any(cell.seeded and not cell.submitted for cell in without)
    free = [cell for cell in without if not cell.seeded or cell.submitted]
    known = sorted((b for b in budgets if b is not None), key=lambda b: (b.currency, b.amount))
    parts = [replace(group, cells=[*free, *(c for c in group.cells if c.budget == b)], budget=b) for b in known]
    return [*([replace(group, cells=without)] if needing else []), *parts]


def _place(record: Record) -> Place:
    return record.task, record.spec.preset, record.profile.partition("/")[0], record.spec.split


def _preset_beside(groups: Mapping[Claim, Group], record: Record) -> str:
    """The preset of the table that predictions made elsewhere stand in: of the same data under the same definition,
    whatever folder and machine they were scored in; their own where there is none, or several.
    """
    task, own, profile, split = _place(record)
    content = record.dataset.content_sha256 if record.dataset else ""
    fitting = {
        known[1]
        for known, group in groups.items()
        if (known[0], *known[2:5]) == (task, profile, split, content) and group.definition == record.profile_definition
    }
    return own if own in fitting or len(fitting) != 1 else fitting.pop()


def _add(groups: dict[Claim, Group], record: Record, *, preset: str = "") -> None:
    """Put a done cell into its group; the group is made only once the whole record has been understood."""
    definition, dataset = record.profile_definition, record.dataset
    if dataset is None:
        raise ValueError("it is done and says nothing of its data")
    task, own, profile, split = _place(record)
    data = (task, preset or own, profile, split, dataset.content_sha256)
    # comparing with what is known is much quicker than writing every definition down
    claim = next(
        (known for known, group in groups.items() if known[:5] == data and group.definition == definition), None
    )
    if claim is None:
        claim = (*data, json.dumps(definition, sort_keys=True))
    group = groups.get(claim) or Group(claim[0], claim[1], record.profile, definition, dataset, split=claim[3])
    patients, metrics = dict(group.patients), dict(group.metrics)
    group.cells.append(_cell(record, patients, metrics))
    group.patients, group.metrics = patients, metrics
    groups[claim] = group


def _bare(record: Record) -> Cell:
    return Cell(
        id=record.id,
        name=record.name,
        model=record.spec.model,
        baseline=record.baseline,
        seed=record.seed,
        state=record.state,
        reason=record.reason,
        seeded=record.kind in ("trained", "evaluated"),
        submitted=record.evaluated,
        budget=record.spec.budget,
        trials=record.spec.trials,
    )


def _cell(record: Record, patients: dict[str, int], metrics: dict[str, tuple[str, str | None]]) -> Cell:
    """A done cell; adds to what is known of patients and metrics."""
    cell = _bare(record)
    weights = [count for name, count in record.parameters.items() if name.startswith("generator")]
    cell.parameters = sum(weights) if weights else None
    cell.train_s, cell.inference_ms = record.timings.train_s, record.timings.inference_ms_per_slice
    cell.peak_memory_mb = record.peak_memory_mb
    if record.kind == "fixed":
        cell.steps, cell.updates, cell.flops = 0, 0.0, 0.0
    elif record.kind == "trained" and (training := record.training) is not None:
        cell.steps = training.steps
        cell.updates = training.updates_per_step and training.updates_per_step * training.steps
        cell.flops = training.flops_per_step and training.flops_per_step * training.steps
    cell.findings = tuple(f"{finding.term}: {finding.fault}" for finding in record.health)
    cell.training = _training(record)
    cell.hardware = f"{record.device} {record.spec.precision}".strip()
    cell.score_key = record.score_key
    for name, score in record.scores.items():
        if not score.scored:
            cell.unscored[name] = score.reason or "not scored"
            continue
        metrics.setdefault(name, (score.level, score.unit))
        if score.n_failed:
            cell.failed[name] = score.n_failed
        if score.level != "distribution":
            cell.values[name] = _values(score.patients, score.infinite, patients)
        elif score.mean is None:
            cell.unscored[name] = "undefined"
        else:
            cell.estimates[name] = _estimated(score, score.mean)
    for name, stage in record.stages.items():
        cell.stages[name] = array("d", (math.nan if value is None else value for value in stage.patients.values()))
    for name, evaluation in record.downstream.items():
        if evaluation.scored:
            cell.about_downstream[name] = evaluation.summary
            for key, value in evaluation.values.items():
                cell.downstream[f"{name}/{key}"] = _measured(f"{name}/{key}", value, patients)
            if evaluation.left_out:
                cell.no_downstream[name] = "; ".join(evaluation.left_out)
        else:
            cell.no_downstream[name] = f"{evaluation.state}: {evaluation.reason}"
    return cell


def _training(record: Record) -> dict[str, Any]:
    """Steps done, updates in each, and the recipe; empty for what the harness does not train."""
    if record.kind != "trained" or record.training is None:
        return {}
    facts: dict[str, Any] = {"steps": record.training.steps}
    if record.training.updates and record.training.steps:
        facts["updates a step"] = round(record.training.updates / record.training.steps, 2)
    return facts | {name: record.spec.recipe[name] for name in RECIPE if name in record.spec.recipe}


def _measured(name: str, value: DownstreamValue, patients: dict[str, int]) -> DownstreamNumbers:
    column = Column(name, value.label, value.unit, value.higher_is_better, value.digits, "downstream")
    ideal = math.nan if value.target is None else value.target
    return DownstreamNumbers(column, _values(value.patients, (), patients), ideal)


def _estimated(score: MetricSummary, mean: float) -> Estimated:
    low, high = (math.nan if limit is None else limit for limit in score.interval or (None, None))
    interval = Interval(mean, low, high, score.n_expected - score.n_failed)
    return Estimated(interval, score.n_expected, score.n_failed, score.bias)


def _values(by_patient: Patients, infinite: Sequence[str], patients: dict[str, int]) -> array[float]:
    """Values in the order of the group's patients; adds those that are new."""
    if list(by_patient) == list(patients):
        values = array("d", [math.nan if value is None else value for value in by_patient.values()])
    else:
        values = array("d", [math.nan]) * len(patients)
        for patient, value in by_patient.items():
            position = patients.setdefault(patient, len(patients))
            values.extend([math.nan] * (position + 1 - len(values)))
            values[position] = math.nan if value is None else value
    for patient in infinite:
        values[patients[patient]] = math.inf
    return values
