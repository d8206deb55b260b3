"""From rows to what a record keeps of each metric: values by patient, their mean, and how many are missing why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from benchmark.contracts.protocols import Estimate
from benchmark.scoring.aggregate import Values
from benchmark.scoring.judge import Judge, ReadyMetric
from benchmark.store.summaries import MetricSummary

Row = Mapping[str, Any]
LOST = ("missing", "failed")
"""How the states of studies without a usable prediction begin."""


def summarise(
    judge: Judge, lost: Mapping[str, bool], rows: Iterable[Row], estimates: Mapping[str, Estimate | str]
) -> dict[str, MetricSummary]:
    """By metric: values by patient, their mean, and how many patients were expected, scored and failed.

    ``lost`` has all patients in their order, and whether a study of theirs is missing or failed. ``estimates`` are
    those of whole sets, or why there is none.
    """
    by_metric: dict[str, list[Row]] = {metric.name: [] for metric in judge.metrics}
    for row in rows:
        by_metric[row["metric"]].append(row)
    by_study = "study" in judge.profile.averaging
    return {
        metric.name: _summary(metric, by_metric[metric.name], lost, estimates.get(metric.name), by_study)
        for metric in judge.metrics
    }


def _summary(
    metric: ReadyMetric, rows: list[Row], lost: Mapping[str, bool], estimate: Estimate | str | None, by_study: bool
) -> MetricSummary:
    refused = estimate if isinstance(estimate, str) else ""
    if skipped := metric.unavailable or _skipped(rows) or refused:
        return MetricSummary(state="skipped", reason=skipped)
    summary = _of_set(estimate, lost) if isinstance(estimate, Estimate) else _of_patients(rows, metric, lost, by_study)
    return replace(summary, unit=metric.unit, provenance=metric.provenance)


def _skipped(rows: list[Row]) -> str:
    """Why a metric was skipped on every study that has a prediction; empty if it was not."""
    states = {row["state"] for row in rows if not row["state"].startswith(LOST)}
    if len(states) == 1 and (state := states.pop()).startswith("skipped: "):
        return str(state.removeprefix("skipped: "))
    return ""


def _of_set(estimate: Estimate, lost: Mapping[str, bool]) -> MetricSummary:
    failed = sum(lost.values())
    return MetricSummary(
        state="scored",
        level="distribution",
        mean=_finite(estimate.value),
        interval=(_finite(estimate.low), _finite(estimate.high)),
        bias=None if estimate.bias is None else _finite(estimate.bias),
        n=estimate.n,
        n_expected=len(lost),
        n_scored=len(lost) - failed,
        n_failed=failed,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _of_patients(rows: list[Row], metric: ReadyMetric, lost: Mapping[str, bool], by_study: bool) -> MetricSummary:
    values = Values(by_study, metric.exact)
    failed: set[str] = set()
    excluded = 0
    for row in rows:
        if row["state"] == "scored":
            values.add(row["patient"], row["study"], [row["value"]])
        elif row["state"].startswith(LOST):
            failed.add(row["patient"])
        else:
            excluded += 1
    cohort = values.cohort(lost, failed)
    return MetricSummary(
        state="scored",
        level=metric.level,
        mean=cohort.mean,
        patients=cohort.patients,
        infinite=cohort.infinite,
        n_expected=cohort.n_expected,
        n_scored=cohort.n_scored,
        n_failed=cohort.n_failed,
        slices_excluded=excluded,
    )
