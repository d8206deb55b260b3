"""Columns and rows of a table: what each model scored under each metric, averaged over its seeds patient by patient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING

import numpy as np

from benchmark.contracts.specs import MetricSpec
from benchmark.leaderboard.collect import Cell, Estimated, Group
from benchmark.leaderboard.tables import Column, Problem, Row, Score, Stages
from benchmark.scoring.exact import as_infinite
from benchmark.statistics.intervals import BCA_FROM, Interval, bca_interval, t_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.statistics.bootstrap import Resamples


@dataclass(frozen=True)
class Entry:
    """One model of a table: all its cells, and the done one of each seed."""

    name: str
    cells: Sequence[Cell]
    done: Sequence[Cell]
    units: Mapping[str, str] = field(default_factory=dict)
    """Of metrics, where known: a decibel value can be exact without being infinite."""
    _values: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _means: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def values(self, group: Group, metric: str) -> NDArray[np.float64]:
        """Patient values ``(seeds, patients)`` of the seeds that have any; NaN missing, infinite exact."""
        if metric not in self._values:
            table = group.matrix([cell.values[metric] for cell in self.done if metric in cell.values])
            self._values[metric] = as_infinite(table, self.units.get(metric, ""))
        return self._values[metric]

    def patient_means(self, group: Group, metric: str) -> NDArray[np.float64]:
        """:func:`patient_values` of these, computed once: a score, a rank and a mark ask for them."""
        if metric not in self._means:
            self._means[metric] = patient_values(self.values(group, metric))
        return self._means[metric]

    @property
    def seeded(self) -> bool:
        """Whether another training seed would have given other scores."""
        return any(cell.seeded for cell in self.done)

    @property
    def submitted(self) -> bool:
        """One set of predictions that was made elsewhere."""
        return len(self.done) == 1 and self.done[0].submitted


def entries(group: Group, listed: Sequence[Column] = ()) -> list[Entry]:
    """The models of a group by name; of several done cells of one seed the first counts."""
    units = {column.name: column.unit for column in listed}
    by_name: dict[str, list[Cell]] = {}
    for cell in group.cells:
        by_name.setdefault(cell.name, []).append(cell)
    found = []
    for name, cells in by_name.items():
        by_seed: dict[int, Cell] = {}
        for cell in cells:
            if cell.state == "done":
                by_seed.setdefault(cell.seed, cell)
        found.append(Entry(name, cells, [by_seed[seed] for seed in sorted(by_seed)], units))
    return found


def columns(group: Group, metrics: Mapping[str, MetricSpec], unit: str) -> tuple[Column, ...]:
    """The profile's metrics, the primary one first."""
    done = [cell for cell in group.cells if cell.state == "done"]
    names = list(dict.fromkeys([*group.metrics, *(name for cell in done for name in cell.unscored)]))
    listed = [use["metric"] for use in group.definition.get("metrics", ())]
    order = {name: at for at, name in enumerate(dict.fromkeys([group.definition.get("primary"), *listed]))}
    names.sort(key=lambda name: (order.get(name, len(order)), name))
    found = []
    for name in names:
        spec = metrics.get(name)
        level, shown = group.metrics.get(name, (spec.level if spec else "slice", None))
        if spec is None:
            found.append(Column(name, name, shown or "", None, 4, level, described=False))
            continue
        declared = {"target": unit, "target^2": f"{unit}²" if unit else ""}.get(spec.unit, spec.unit)
        unit_shown = declared if shown is None else shown
        found.append(
            Column(
                name,
                spec.label,
                unit_shown,
                spec.higher_is_better,
                spec.digits,
                level,
                perceptual=spec.perceptual,
            )
        )
    return tuple(found)


def row(entry: Entry, group: Group, listed: Sequence[Column], resamples: Resamples | None) -> Row:
    """One model: all its seeds."""
    done = entry.done
    first = entry.cells[0]
    memory = [cell.peak_memory_mb for cell in done if cell.peak_memory_mb is not None]
    return Row(
        name=entry.name,
        model=first.model,
        baseline=first.baseline,
        seeds=tuple(cell.seed for cell in done),
        scores={column.name: score(entry, group, column, resamples) for column in listed} if done else {},
        problems=tuple(Problem(cell.seed, cell.state, cell.reason) for cell in entry.cells if cell.state != "done"),
        seeded=entry.seeded,
        submitted=entry.submitted,
        parameters=next((cell.parameters for cell in done if cell.parameters), None),
        train_s=_mean(cell.train_s for cell in done),
        trials=max(cell.trials for cell in entry.cells),
        steps=next((cell.steps for cell in done if cell.steps is not None), None),
        updates=next((cell.updates for cell in done if cell.updates is not None), None),
        flops=next((cell.flops for cell in done if cell.flops is not None), None),
        inference_ms=_mean(cell.inference_ms for cell in done),
        peak_memory_mb=max(memory) if memory else None,
        training=done[0].training if done else {},
        findings={
            text: tuple(cell.seed for cell in done if text in cell.findings)
            for text in sorted({text for cell in done for text in cell.findings})
        },
    )


def score(entry: Entry, group: Group, column: Column, resamples: Resamples | None) -> Score:
    """A model under one metric."""
    name = column.name
    reasons = [
        cell.unscored.get(name, "not scored")
        for cell in entry.done
        if name not in cell.values and name not in cell.estimates
    ]
    if column.level == "distribution":
        return _of_estimates([cell.estimates[name] for cell in entry.done if name in cell.estimates], reasons)
    table = entry.values(group, name)
    known = entry.patient_means(group, name)
    finite = known[np.isfinite(known)]
    listed = finite.tolist()
    perfect = int(np.count_nonzero(np.isinf(known)))
    gaps = int(np.count_nonzero(np.isnan(table)))
    expected = len(group.patients) if len(table) else 0
    failed = max((cell.failed.get(name, 0) for cell in entry.done), default=0)
    if perfect:
        reasons.append(
            f"exact on {perfect} of {expected} patients, who are left out of the mean and decide no rank by their size"
        )
    if gaps:
        reasons.append(_gaps(table, failed, expected, "missing" if entry.submitted else "failed"))
    if resamples is not None and len(finite) == resamples.n >= BCA_FROM:
        interval = bca_interval(finite, resamples.means(finite[:, None])[:, 0])
    else:
        interval = t_interval(listed)
    return Score(
        interval=interval,
        expected=expected,
        failed=failed,
        missing=gaps / len(table) if len(table) else 0.0,
        perfect=perfect,
        bias=None,
        median=median(listed) if listed else math.nan,
        seed_sd=_sd_of_seeds(table),
        reason="; ".join(dict.fromkeys(reasons)),
    )


def patient_values(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean by patient over the seeds ``(seeds, patients)`` that have a value; NaN without any, infinite where one is.

    Summed exactly, so that equal scores in another order stay equal.
    """
    if len(table) == 1:
        return np.asarray(table[0])
    if len(table) and np.isfinite(table).all():
        seeds = len(table)
        return np.array([math.fsum(values) / seeds for values in table.T.tolist()])
    known = [column[~np.isnan(column)] for column in table.T]
    return np.array(
        [math.nan if not len(v) else math.inf if np.isinf(v).any() else fmean(v) for v in known], np.float64
    )


def _sd_of_seeds(table: NDArray[np.float64]) -> float:
    """Standard deviation of the seeds' means over the patients that each was scored on."""
    if len(table) < 2:
        return math.nan
    known = np.isfinite(table)
    if known.all():
        return float(table.mean(axis=1).std(ddof=1))
    counts = known.sum(axis=1)
    sums = np.where(known, table, 0.0).sum(axis=1)
    means = sums[counts > 0] / counts[counts > 0]
    return float(means.std(ddof=1)) if len(means) > 1 else math.nan


def _gaps(table: NDArray[np.float64], failed: int, expected: int, word: str) -> str:
    """How many values are missing, and how many of them because there was nothing to score."""
    seeds, gaps = len(table), int(np.count_nonzero(np.isnan(table)))
    if seeds > 1:
        return f"{gaps} of {seeds * expected} values missing ({seeds} seeds x {expected} patients)"
    undefined = gaps - min(failed, gaps)
    parts = [f"{word} on {failed}"] if failed else []
    parts += [f"undefined on {undefined}"] if undefined else []
    return f"{' and '.join(parts)} of {expected} patients"


def _of_estimates(scored: Sequence[Estimated], reasons: Sequence[str]) -> Score:
    """A metric of level ``distribution`` over seeds: the means of values and of limits, which do not shrink with
    seeds because these share the patients.
    """
    values = [each.interval for each in scored]
    value, low, high = (
        fmean(getattr(each, side) for each in values) if values else math.nan for side in ("mean", "low", "high")
    )
    failed = max((each.failed for each in scored), default=0)
    return Score(
        interval=Interval(value, low, high, min((each.n for each in values), default=0)),
        expected=max((each.expected for each in scored), default=0),
        failed=failed,
        missing=fmean(each.failed for each in scored) if scored else 0.0,
        perfect=0,
        bias=_mean(each.bias for each in scored),
        median=math.nan,
        seed_sd=stdev(each.mean for each in values) if len(values) > 1 else math.nan,
        reason="; ".join(dict.fromkeys([*reasons, *([f"{failed} patients failed"] if failed else [])])),
    )


def stages(found: Sequence[Entry]) -> Stages | None:
    """What each step of models of several steps is worth; ``None`` when there are no such models."""
    rows: dict[str, dict[str, Interval]] = {}
    for entry in found:
        for name in dict.fromkeys(name for cell in entry.done for name in cell.stages):
            tables = [np.array(cell.stages[name]) for cell in entry.done if name in cell.stages]
            longest = max(map(len, tables))
            table = np.array([np.pad(each, (0, longest - len(each)), constant_values=math.nan) for each in tables])
            values = patient_values(table)
            rows.setdefault(entry.name, {})[name] = t_interval(values[np.isfinite(values)])
    measures = tuple(dict.fromkeys(name for measured in rows.values() for name in measured))
    return Stages(measures, rows) if rows else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
