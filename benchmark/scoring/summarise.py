"""From rows to what a record keeps of each metric: values by patient, their mean, and how many are missing why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from benchmark.contracts.protocols import Estimate
from benchmark.contracts.specs import Level, ProfileSpec
from benchmark.scoring.exact import mean_of

Row = Mapping[str, Any]
LOST = ("missing", "failed")
"""How the states of studies without a usable prediction begin."""


def summarise(
    profile: ProfileSpec,
    levels: Mapping[str, Level],
    units: Mapping[str, str],
    exact: Mapping[str, float],
    lost: Mapping[str, bool],
    rows: Iterable[Row],
    estimates: Mapping[str, Estimate | str],
    unavailable: Mapping[str, str],
    provenance: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, Any]]:
    """By metric: state, level, unit, patient values, mean, and how many patients were expected, scored and failed.

    ``exact`` has the scores from which on a metric's slices are exact (:mod:`benchmark.scoring.exact`); ``lost`` all
    patients in their order, and whether a study of theirs is missing or failed.
    A patient's value is the mean of its slices (or studies) as the profile orders; slices without a defined
    value are left out and counted, exact ones count as the best of the others. A patient with a study that is missing
    or failed has no value: the mean of the rest would be about something else.
    """
    by_metric: dict[str, list[Row]] = {use.metric: [] for use in profile.metrics}
    for row in rows:
        by_metric[row["metric"]].append(row)
    summary: dict[str, dict[str, Any]] = {}
    for name, of_metric in by_metric.items():
        skipped = unavailable.get(name) or _skipped(of_metric) or _refused(estimates.get(name))
        if skipped:
            summary[name] = {"state": "skipped", "reason": skipped}
        elif isinstance(estimate := estimates.get(name), Estimate):
            summary[name] = _of_distribution(estimate, lost)
        else:
            by_study = "study" in profile.averaging
            summary[name] = _of_patients(of_metric, list(lost), levels[name], exact.get(name), by_study=by_study)
        if not skipped:
            summary[name]["unit"] = units[name]
        if name in provenance and not skipped:
            summary[name]["provenance"] = dict(provenance[name])
    return summary


def _skipped(rows: list[Row]) -> str:
    """Why a metric was skipped on every study that has a prediction; empty if it was not."""
    states = {row["state"] for row in rows if not row["state"].startswith(LOST)}
    if len(states) == 1 and (state := states.pop()).startswith("skipped: "):
        return str(state.removeprefix("skipped: "))
    return ""


def _refused(estimate: Estimate | str | None) -> str:
    return estimate if isinstance(estimate, str) else ""


def _of_distribution(estimate: Estimate, lost: Mapping[str, bool]) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    bias = {} if estimate.bias is None else {"bias": number(estimate.bias)}
    return {
        "state": "scored",
        "level": "distribution",
        "mean": number(estimate.value),
        "interval": [number(estimate.low), number(estimate.high)],
        **bias,
        "n": estimate.n,
        "patients": {},
        "n_expected": len(lost),
        "n_scored": len(lost) - sum(lost.values()),
        "n_failed": sum(lost.values()),
        "slices_excluded": 0,
    }


def _of_patients(
    rows: list[Row], patients: list[str], level: Level, limit: float | None, *, by_study: bool
) -> dict[str, Any]:
    values: dict[str, dict[str, list[float]]] = {}
    lost: set[str] = set()
    excluded = 0
    for row in rows:
        if row["state"] == "scored":
            group = row["study"] if by_study else ""
            values.setdefault(row["patient"], {}).setdefault(group, []).append(row["value"])
        elif row["state"].startswith(LOST):
            lost.add(row["patient"])
        else:
            excluded += 1
    means = {
        patient: mean_of([mean_of(group, limit) for group in groups.values()], limit)
        for patient, groups in values.items()
        if patient not in lost
    }
    finite = {patient: mean for patient, mean in means.items() if math.isfinite(mean)}
    summary: dict[str, Any] = {
        "state": "scored",
        "level": level,
        "mean": fmean(finite.values()) if finite else None,
        "patients": {patient: finite.get(patient) for patient in patients},
        "n_expected": len(patients),
        "n_scored": len(finite),
        "n_failed": len(lost),
        "slices_excluded": excluded,
    }
    if infinite := sorted(patient for patient, mean in means.items() if math.isinf(mean)):
        summary["infinite"] = infinite
    return summary
