"""Did a change help? Two runs, cell beside cell: the same task, model, data and seeds, patient by patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from benchmark.contracts.specs import MetricSpec
from benchmark.errors import UsageError
from benchmark.statistics.comparisons import Difference, difference_of
from benchmark.statistics.paired import holm
from benchmark.store.record import Record

Key = tuple[str, str]
"""Task and display name of the model."""


@dataclass(frozen=True)
class Change:
    """One model on one task under one metric: second run minus first, each patient averaged over the seeds that both
    runs have. ``adjusted_p`` is after Holm over all rows of the comparison.
    """

    task: str
    model: str
    metric: str
    label: str
    unit: str
    higher_is_better: bool
    seeds: int
    first: float
    second: float
    difference: Difference
    adjusted_p: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``not separated`` at 5 % after Holm."""
        if not self.adjusted_p <= 0.05:
            return "not separated"
        return "better" if (self.difference.interval.mean > 0) == self.higher_is_better else "worse"


@dataclass(frozen=True)
class RunComparison:
    """All changes, the primary metric of each pair first, and what could not be compared, with the reason."""

    changes: tuple[Change, ...]
    left_out: tuple[str, ...]


def compare(
    first: Iterable[Record],
    second: Iterable[Record],
    metrics: Mapping[str, MetricSpec],
    wanted: str | None = None,
) -> RunComparison:
    """Compare the done cells of two runs, paired by task, model, seed and patient.

    ``wanted`` names one metric, or ``all``; by default each pair's primary one.

    Raises:
        UsageError: a pair was scored on other data or under another profile, or there is nothing to compare.
    """
    before, after = _by_key(first), _by_key(second)
    left_out = [f"{task}/{name}: only in the first run" for task, name in before.keys() - after.keys()]
    left_out += [f"{task}/{name}: only in the second run" for task, name in after.keys() - before.keys()]
    found: list[tuple[Key, str, int, float, float, Difference]] = []
    for key in sorted(before.keys() & after.keys()):
        seeds = sorted(before[key].keys() & after[key].keys())
        if not seeds:
            left_out.append(f"{key[0]}/{key[1]}: no seed in both runs")
            continue
        pairs = [(before[key][seed], after[key][seed]) for seed in seeds]
        for one, other in pairs:
            _require_same(key, one, other)
        for metric in _metrics(pairs[0][0], metrics, wanted):
            row = _difference(pairs, metric, metrics[metric])
            if row is None:
                left_out.append(f"{key[0]}/{key[1]}: {metric} has no value for a patient in both runs")
            else:
                found.append((key, metric, len(seeds), *row))
    if not found:
        reasons = f" ({'; '.join(sorted(left_out)[:4])})" if left_out else ""
        raise UsageError(f"the runs have no done cell of the same task, model and seed in common{reasons}")
    adjusted = holm([difference.p for *_, difference in found])
    changes = tuple(
        Change(
            task=key[0],
            model=key[1],
            metric=metric,
            label=metrics[metric].label,
            unit=next(iter(before[key].values())).scores[metric].unit,
            higher_is_better=bool(metrics[metric].higher_is_better),
            seeds=seeds,
            first=one,
            second=other,
            difference=difference,
            adjusted_p=p,
        )
        for (key, metric, seeds, one, other, difference), p in zip(found, adjusted, strict=True)
    )
    return RunComparison(changes, tuple(sorted(left_out)))


def _by_key(records: Iterable[Record]) -> dict[Key, dict[int, Record]]:
    found: dict[Key, dict[int, Record]] = {}
    for record in records:
        if record.done:
            budget = f" at {record.spec.budget}" if record.spec.budget else ""
            found.setdefault((record.task, record.name + budget), {}).setdefault(record.seed, record)
    return found


def _require_same(key: Key, one: Record, other: Record) -> None:
    where = f"{key[0]}/{key[1]}"
    first, second = ("" if record.dataset is None else record.dataset.content_sha256 for record in (one, other))
    if first != second:
        raise UsageError(
            f"{where}: the runs have other data ({first[:8]} and {second[:8]}); differences would mean nothing. "
            "Run one of them on the other's"
        )
    if one.profile_definition != other.profile_definition:
        raise UsageError(
            f"{where}: scored under {one.profile} and {other.profile} or other definitions of them; "
            "run one of them again with --rescore and the same --profile"
        )


def _metrics(record: Record, metrics: Mapping[str, MetricSpec], wanted: str | None) -> list[str]:
    primary = str(record.profile_definition["primary"])
    listed = [use["metric"] for use in record.profile_definition["metrics"]]
    rankable = [
        name
        for name in dict.fromkeys([primary, *listed])
        if name in metrics and metrics[name].higher_is_better is not None and _patients(record, name)
    ]
    if wanted is None:
        return [name for name in rankable if name == primary]
    if wanted == "all":
        return rankable
    if wanted not in rankable:
        raise UsageError(f"--metric {wanted!r}: {record.profile} has {', '.join(rankable)}; or 'all'")
    return [wanted]


def _patients(record: Record, metric: str) -> Mapping[str, float | None]:
    return record.scores[metric].patients if metric in record.scores else {}


def _difference(
    pairs: list[tuple[Record, Record]], metric: str, spec: MetricSpec
) -> tuple[float, float, Difference] | None:
    sides: list[dict[str, float]] = []
    for side in (0, 1):
        values: dict[str, list[float | None]] = {}
        for pair in pairs:
            for patient, value in _patients(pair[side], metric).items():
                values.setdefault(patient, []).append(value)
        # a patient counts where every seed gave a value, so that both sides average the same cells
        sides.append({p: fmean(v for v in each if v is not None) for p, each in values.items() if None not in each})
    shared = sorted(sides[0].keys() & sides[1].keys())
    if not shared:
        return None
    one, other = (np.array([side[patient] for patient in shared]) for side in sides)
    found = difference_of(other, one, higher_is_better=bool(spec.higher_is_better))
    return float(one.mean()), float(other.mean()), found
