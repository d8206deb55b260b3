"""Score translations under a profile, in physical units, inside the region, one study in memory at a time.

Every slice (or study) of the test split gets a row for every metric, whatever its state; nothing is dropped
in silence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark import atomic
from benchmark.atomic import sha256_of
from benchmark.contracts.protocols import Estimate, Images
from benchmark.contracts.specs import Level, MetricSpec, MetricUse, ProfileSpec
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import LABELS, CaseKey, text
from benchmark.errors import BenchmarkError, PluginError, Unavailable, UsageError
from benchmark.plan.claim import SCORING, harness_sha256
from benchmark.registry.plugins import Registry, source_sha256
from benchmark.scoring.exact import exact_from
from benchmark.scoring.faults import MetricFault, blamed
from benchmark.scoring.prepare import Study, prepared, whole_slices
from benchmark.scoring.summarise import summarise

COLUMNS = ("task", "patient", "study", "slice", "model", "seed", "profile", "metric", "value", "state")

Rows = list[dict[str, Any]]


@dataclass
class Judge:
    """A profile made ready for one data set: its metrics built, its range and unit known."""

    profile: ProfileSpec
    window: tuple[float, float]
    unit: str
    definition: dict[str, Any]
    metrics: dict[str, Any]
    levels: dict[str, Level]
    requires: dict[str, tuple[str, ...]]
    units: dict[str, str]
    unavailable: dict[str, str]
    provenance: dict[str, dict[str, str]] = field(default_factory=dict)
    exact: dict[str, float] = field(default_factory=dict)
    """Of metrics whose scores can be exact: from which score on they are."""


def make_judge(registry: Registry, profile: str, dataset: Dataset) -> Judge:
    """Build the metrics of a profile; those that break, or whose weights are missing, are noted with the reason.

    Raises:
        MetricFault: the profile's primary metric breaks.
        UsageError: the profile is not for targets in this unit, or ranks by a metric without a direction,
            or asks a metric for volumes that scores none.
    """
    spec: ProfileSpec = registry.profile(profile).spec
    target = dataset.info.target_map
    if spec.units and target.unit not in spec.units:
        raise UsageError(
            f"profile {spec.id} scores targets in {', '.join(spec.units)}; those of {dataset.info.name} are in "
            f"{target.unit}: choose another with --profile ('benchmark list profiles')"
        )
    if registry.metric(spec.primary).spec.higher_is_better is None:
        raise UsageError(f"profile {spec.id}: {spec.primary} has no better direction, so it cannot rank")
    window = (target.low, target.high)
    judge = Judge(spec, window, target.unit, profile_definition(spec, window, target.unit), {}, {}, {}, {}, {})
    for use in spec.metrics:
        metric_spec: MetricSpec = registry.metric(use.metric).spec
        judge.levels[use.metric] = use.dimension or metric_spec.level
        judge.requires[use.metric] = metric_spec.requires
        judge.units[use.metric] = _unit(metric_spec, use, target.unit)
        limit = exact_from(judge.units[use.metric], higher_is_better=metric_spec.higher_is_better)
        if limit is not None:
            judge.exact[use.metric] = limit
        try:
            with blamed(use.metric):
                metric = metric_spec.load()(**use.options)
        except Unavailable as reason:
            judge.unavailable[use.metric] = str(reason)
            continue
        except MetricFault as fault:
            _leave_out(judge, fault)
            continue
        judge.metrics[use.metric] = _scorer(metric, metric_spec, judge.levels[use.metric], spec.id)
        if hasattr(metric, "provenance"):
            judge.provenance[use.metric] = dict(metric.provenance())
    return judge


def _leave_out(judge: Judge, fault: MetricFault) -> None:
    """Go on without a metric that broke.

    Raises:
        MetricFault: it is the profile's primary metric, without which the others mean little.
    """
    if fault.metric == judge.profile.primary:
        raise fault
    judge.metrics.pop(fault.metric, None)
    judge.unavailable[fault.metric] = fault.reason


def _scorer(metric: Any, spec: MetricSpec, level: Level, profile: str) -> Any:
    """The metric itself for a distribution, else the method that scores at this level."""
    if level == "distribution":
        return metric
    if level == spec.level:
        return metric.score
    if not hasattr(metric, "score_volume"):
        raise UsageError(f"profile {profile}: {spec.name} cannot score volumes (it has no score_volume)")
    return metric.score_volume


def _unit(spec: MetricSpec, use: MetricUse, target: str) -> str:
    """The unit of a score, such as ``HU``; images that the profile scales have none."""
    if spec.unit not in ("target", "target^2"):
        return spec.unit
    unit = "" if use.scale in ("0..1", "0..255") else target
    return f"{unit}²" if unit and spec.unit == "target^2" else unit


def profile_definition(spec: ProfileSpec, window: Sequence[float], unit: str) -> dict[str, Any]:
    """A profile with its range resolved for one data set: what a score means."""
    definition = {key: value for key, value in asdict(spec).items() if key not in ("name", "version", "summary")}
    if spec.data_range == "window":
        definition["data_range"] = window
    plain: dict[str, Any] = json.loads(json.dumps({**definition, "id": spec.id, "unit": unit}))
    return plain


def score_key(registry: Registry, profile: str) -> str:
    """Hash of what determines scores beside predictions and data: the profile and its metrics' source.

    Availability of weights is not part of it: a missing metric is looked at again on its own.
    """
    spec: ProfileSpec = registry.profile(profile).spec
    modules = {use.metric: registry.metric(use.metric).plugin.module for use in spec.metrics}
    return sha256_of(
        {
            "profile": profile_definition(spec, (0.0, 0.0), ""),
            "metrics": {name: source_sha256(module) for name, module in modules.items()},
            "harness": harness_sha256(SCORING),
        }
    )


@dataclass
class Scores:
    """All rows of a cell, and their means by patient."""

    rows: Rows
    summary: dict[str, dict[str, Any]]


def score(judge: Judge, dataset: Dataset, predictions: Path, about: Mapping[str, Any]) -> Scores:
    """Score stored predictions of a data set's test split; ``about`` gives task, name and seed for the rows.

    A metric that breaks is left out, and the others start again.

    Raises:
        BenchmarkError: a case is missing from the predictions, or they belong to another data set.
        MetricFault: the profile's primary metric breaks.
    """
    with h5py.File(predictions, "r") as file:
        if text(file.attrs.get("dataset", "")) != dataset.info.content_sha256:
            raise BenchmarkError(f"{predictions}: made from another data set; run the cell again")
        while True:
            try:
                return score_studies(judge, _stored(dataset, file, predictions), about)
            except MetricFault as fault:
                _leave_out(judge, fault)


def _stored(dataset: Dataset, file: h5py.File, path: Path) -> Iterator[tuple[CaseKey, Study | str]]:
    """The test split with its stored predictions, and the cases that the file says are lost."""
    lost: dict[str, str] = json.loads(file.attrs.get("lost", "{}"))
    for case in dataset.iterate("test"):
        name = str(case.key)
        if name in lost:
            yield case.key, lost[name]
            continue
        if name not in file:
            raise BenchmarkError(f"{path}: case {name} is missing; run the cell again")
        prediction = file[name][()]
        if prediction.shape != case.target.shape:
            raise BenchmarkError(f"{path}: case {name} has shape {prediction.shape}, target {case.target.shape}")
        labels = f"{LABELS}/{name}"
        yield case.key, Study(case, prediction, file[labels][()] if labels in file else None)


def score_studies(judge: Judge, studies: Iterable[tuple[CaseKey, Study | str]], about: Mapping[str, Any]) -> Scores:
    """Score studies as they come. A text in place of a study is the state of one that cannot be scored:
    ``missing``, or ``failed: `` and the reason.
    """
    rows: Rows = []
    sets = {name: metric for name, metric in judge.metrics.items() if judge.levels[name] == "distribution"}
    for name, metric in sets.items():
        with blamed(name):
            metric.reset()
    lost: dict[str, bool] = {}
    for key, study in studies:
        lost[key.patient] = lost.get(key.patient, False) or isinstance(study, str)
        where = {"patient": key.patient, "study": key.study}
        found = _unscored(judge, study) if isinstance(study, str) else _score_study(judge, study)
        rows.extend({**where, **row} for row in found)
    estimates: dict[str, Estimate | str] = {}
    for name, metric in sets.items():
        try:
            with blamed(name):
                estimates[name] = metric.compute()
        except Unavailable as reason:
            estimates[name] = str(reason)
    for name, estimate in estimates.items():
        value = math.nan if isinstance(estimate, str) else estimate.value
        state = f"undefined: {estimate}" if isinstance(estimate, str) else _state(value)
        rows.append({"patient": None, "study": None, "slice": None, "metric": name, "value": value, "state": state})
    common = {"task": about["task"], "model": about["name"], "seed": about["seed"], "profile": judge.profile.id}
    rows = [{**common, **row} for row in rows]
    summary = summarise(
        judge.profile,
        judge.levels,
        judge.units,
        judge.exact,
        lost,
        rows,
        estimates,
        judge.unavailable,
        judge.provenance,
    )
    return Scores(rows, summary)


def _unscored(judge: Judge, state: str) -> Iterator[dict[str, Any]]:
    """A row for every metric of a study that cannot be scored."""
    for use in judge.profile.metrics:
        if judge.levels[use.metric] != "distribution":
            yield {"slice": None, "metric": use.metric, "value": math.nan, "state": state}


def _score_study(judge: Judge, study: Study) -> Iterator[dict[str, Any]]:
    """Rows of one study: slice (none for a volume), metric, value, state."""
    if judge.profile.needs_mask and np.array_equal(study.case.mask, whole_slices(study.case.mask)):
        raise UsageError(
            f"profile {judge.profile.id} scores inside a body mask, and the mask of case {study.case.key} is the whole "
            "image; import with a mask, or choose another profile"
        )
    for uses, images in prepared(judge.profile, study, judge.window, judge.unit):
        region = None if isinstance(images, str) else _Region(images)
        for use in uses:
            if use.metric not in judge.metrics:
                yield {"slice": None, "metric": use.metric, "value": math.nan, "state": "skipped"}
            elif isinstance(images, str) or region is None:
                yield {"slice": None, "metric": use.metric, "value": math.nan, "state": f"excluded: {images}"}
            elif "labels" in judge.requires[use.metric] and (images.labels is None or images.predicted_labels is None):
                state = "skipped: no label maps"
                yield {"slice": None, "metric": use.metric, "value": math.nan, "state": state}
            else:
                yield from _score_use(judge, use, region)


class _Region:
    """A study's images, and those slices of them that have a region."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self.filled: NDArray[np.bool_] = np.asarray(images.mask.any(axis=(1, 2)))
        self.slices = images if self.filled.all() else images.at(self.filled)


def _score_use(judge: Judge, use: MetricUse, region: _Region) -> Iterator[dict[str, Any]]:
    metric, level = judge.metrics[use.metric], judge.levels[use.metric]
    filled, some = region.filled, bool(region.filled.any())
    if level == "distribution":
        if some:
            with blamed(use.metric):
                metric.update(region.images)
    elif level == "volume":
        with blamed(use.metric):
            value = float(metric(region.images)) if some else math.nan
        state = _state(value) if some else "excluded: empty region"
        yield {"slice": None, "metric": use.metric, "value": value, "state": state}
    else:
        values = np.full(len(filled), np.nan)
        if some:
            with blamed(use.metric):
                given = np.asarray(metric(region.slices), np.float64)
                if given.shape != (len(region.slices),):
                    raise PluginError(
                        f"it gave shape {given.shape} for {len(region.slices)} slices; "
                        "a metric of level 'slice' gives one number a slice"
                    )
            values[filled] = given
        for index, value in enumerate(values.tolist()):
            state = _state(value) if filled[index] else "excluded: empty region"
            yield {"slice": index, "metric": use.metric, "value": value, "state": state}


def _state(value: float) -> str:
    return "undefined" if math.isnan(value) else "scored"


def write_rows(path: Path, rows: Rows) -> None:
    """Store the long table as Parquet, atomically; slice is null for volumes, patient for the whole split."""
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
