"""Score stored predictions under a profile, in physical units, inside the region.

Every slice of the test split gets a row for every metric, whatever its state; nothing is dropped in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark import atomic
from benchmark.atomic import sha256_of
from benchmark.data.reader import Case, Dataset
from benchmark.errors import BenchmarkError, Unavailable
from benchmark.plugins import Registry, source_sha256
from benchmark.protocols import Metric
from benchmark.specs import MetricUse, ProfileSpec

COLUMNS = ("task", "patient", "study", "slice", "model", "seed", "profile", "metric", "value", "state")

Image = NDArray[np.float64]


@dataclass
class Judge:
    """A profile made ready for one data set: its metrics built, its range resolved."""

    profile: ProfileSpec
    definition: dict[str, Any]
    metrics: dict[str, Metric]
    unavailable: dict[str, str]
    provenance: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def data_range(self) -> tuple[float, float]:
        """Low and high end of the profile's range, in the target's unit."""
        low, high = self.definition["data_range"]
        return float(low), float(high)


def make_judge(registry: Registry, profile: str, dataset: Dataset) -> Judge:
    """Build the metrics of a profile; those whose weights are missing are noted with the reason."""
    spec: ProfileSpec = registry.profile(profile).spec
    target = dataset.info.target_map
    data_range = (target.low, target.high) if spec.data_range == "window" else spec.data_range
    judge = Judge(spec, profile_definition(spec, data_range, target.unit), {}, {})
    for use in spec.metrics:
        try:
            metric = registry.metric(use.metric).spec.load()(**use.options)
        except Unavailable as reason:
            judge.unavailable[use.metric] = str(reason)
            continue
        judge.metrics[use.metric] = metric
        if hasattr(metric, "provenance"):
            judge.provenance[use.metric] = dict(metric.provenance())
    return judge


def profile_definition(spec: ProfileSpec, data_range: Sequence[float], unit: str) -> dict[str, Any]:
    """A profile with its range resolved for one data set: what a score means."""
    return {
        "id": spec.id,
        "data_range": list(data_range),
        "unit": unit,
        "region": spec.region,
        "averaging": "slice, patient, cohort",
        "primary": spec.primary,
        "metrics": [asdict(use) for use in spec.metrics],
    }


def score_key(registry: Registry, profile: str) -> str:
    """Hash of what determines scores beside predictions and data: the profile and its metrics' source.

    Availability of weights is not part of it: a missing metric is looked at again on its own.
    """
    spec: ProfileSpec = registry.profile(profile).spec
    modules = {use.metric: registry.metric(use.metric).plugin.module for use in spec.metrics}
    return sha256_of(
        {
            "profile": profile_definition(spec, (0.0, 0.0) if spec.data_range == "window" else spec.data_range, ""),
            "metrics": {name: source_sha256(module) for name, module in modules.items()},
            "harness": atomic.sha256_file(Path(__file__)),
        }
    )


@dataclass
class Scores:
    """All rows of a cell, and their means by patient."""

    rows: list[dict[str, Any]]
    summary: dict[str, dict[str, Any]]


def score(judge: Judge, dataset: Dataset, predictions: Path, about: Mapping[str, Any]) -> Scores:
    """Score stored predictions; ``about`` gives task, model and seed for the rows.

    Raises:
        BenchmarkError: a case is missing from the predictions, or they belong to another data set.
    """
    rows: list[dict[str, Any]] = []
    common = {
        "task": about["task"],
        "model": about["name"],
        "seed": about["seed"],
        "profile": judge.profile.id,
    }
    with h5py.File(predictions, "r") as file:
        if file.attrs.get("dataset") != dataset.info.content_sha256:
            raise BenchmarkError(f"{predictions}: made from another data set; run the cell again")
        for case in dataset.iterate("test"):
            if str(case.key) not in file:
                raise BenchmarkError(f"{predictions}: case {case.key} is missing; run the cell again")
            predicted = file[str(case.key)][()].astype(np.float64)
            if predicted.shape != case.target.shape:
                raise BenchmarkError(
                    f"{predictions}: case {case.key} has shape {predicted.shape}, target {case.target.shape}"
                )
            where = {**common, "patient": case.key.patient, "study": case.key.study}
            rows.extend({**where, **row} for row in _score_case(judge, case, predicted))
    return Scores(rows, _summary(judge, rows))


def _score_case(judge: Judge, case: Case, predicted: Image) -> Iterable[dict[str, Any]]:
    """Rows of one case: slice, metric, value, state."""
    for index in range(len(predicted)):
        mask = case.mask[index] if judge.profile.region == "mask" else np.ones_like(case.mask[index])
        prepared: dict[tuple[bool, str], tuple[Image, Image]] = {}
        for use in judge.profile.metrics:
            value, state = math.nan, "scored"
            if use.metric not in judge.metrics:
                state = "skipped"
            elif not mask.any():
                state = "excluded: empty region"
            else:
                key = (use.clip, use.outside)
                if key not in prepared:
                    target = case.target[index].astype(np.float64)
                    prepared[key] = prepare(predicted[index], target, mask, use, judge.data_range)
                value = float(judge.metrics[use.metric].score(*prepared[key], mask, judge.data_range))
                if math.isnan(value):
                    state = "undefined"
            yield {"slice": index, "metric": use.metric, "value": value, "state": state}


def prepare(
    prediction: Image, target: Image, mask: NDArray[np.bool_], use: MetricUse, data_range: tuple[float, float]
) -> tuple[Image, Image]:
    """Both images as a profile wants a metric to see them: clipped to the range, low outside the region."""
    low, high = data_range
    images = [prediction, target]
    if use.clip:
        images = [np.clip(image, low, high) for image in images]
    if use.outside == "low":
        images = [np.where(mask, image, low) for image in images]
    return images[0], images[1]


def _summary(judge: Judge, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Per metric: patient means (slices averaged first), their mean, and how many were expected and scored."""
    patients: dict[str, dict[str, list[float]]] = {}
    expected = dict.fromkeys(row["patient"] for row in rows)
    excluded: dict[str, int] = {}
    for row in rows:
        of_metric = patients.setdefault(row["metric"], {})
        if row["state"] == "scored":
            of_metric.setdefault(row["patient"], []).append(row["value"])
        elif row["state"] != "skipped":
            excluded[row["metric"]] = excluded.get(row["metric"], 0) + 1
    summary: dict[str, dict[str, Any]] = {}
    for use in judge.profile.metrics:
        name = use.metric
        if name in judge.unavailable:
            summary[name] = {"state": "skipped", "reason": judge.unavailable[name]}
            continue
        means = {patient: float(np.mean(values)) for patient, values in patients[name].items()}
        finite = {patient: mean for patient, mean in means.items() if math.isfinite(mean)}
        summary[name] = {
            "state": "scored",
            "mean": float(np.mean(list(finite.values()))) if finite else None,
            "patients": {patient: finite.get(patient) for patient in expected},
            "n_expected": len(expected),
            "n_scored": len(finite),
            "slices_excluded": excluded.get(name, 0),
        }
        if perfect := sorted(patient for patient, mean in means.items() if math.isinf(mean)):
            summary[name]["infinite"] = perfect
        if name in judge.provenance:
            summary[name]["provenance"] = judge.provenance[name]
    return summary


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Store the long table as Parquet, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            (
                name,
                pa.float64() if name == "value" else pa.int32() if name in ("slice", "seed") else pa.string(),
            )
            for name in COLUMNS
        ]
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    atomic.write_with(path, lambda temporary: pq.write_table(table, temporary))
