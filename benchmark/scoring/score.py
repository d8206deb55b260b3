"""Score translations under a profile, in physical units, inside the region, one study in memory at a time.

Every slice (or study) of the test split gets a row for every metric, whatever its state; nothing is dropped
in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Estimate, Images
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey
from benchmark.errors import PluginError, Unavailable, UsageError
from benchmark.plan.claim import CellAddress
from benchmark.scoring.faults import MetricFault, blamed
from benchmark.scoring.judge import Judge, ReadyMetric
from benchmark.scoring.prepare import Study, prepared, whole_slices
from benchmark.scoring.rows import Rows
from benchmark.scoring.summarise import summarise
from benchmark.scoring.threads import one_thread
from benchmark.store.predictions import PredictionsReader
from benchmark.store.summaries import MetricSummary


@dataclass
class Scores:
    """All rows of a cell, and what its record keeps of them."""

    rows: Rows
    summary: dict[str, MetricSummary]


def score(judge: Judge, dataset: Dataset, predictions: PredictionsReader, cell: CellAddress) -> Scores:
    """Score stored predictions of a data set's split: the one that they say they are of.

    A metric that breaks is left out, and the others start again.

    Raises:
        BenchmarkError: a case is missing from the predictions, or they belong to another data set.
        MetricFault: the profile's primary metric breaks.
    """
    predictions.require(dataset.info)
    while True:
        try:
            return score_studies(judge, stored_studies(dataset, predictions), cell)
        except MetricFault as fault:
            judge = judge.without(fault)


def stored_studies(dataset: Dataset, predictions: PredictionsReader) -> Iterator[tuple[CaseKey, Study | str]]:
    """The split of stored predictions with them, and the state of cases that are lost."""
    for case in dataset.iterate(predictions.split):
        if (state := predictions.lost.get(str(case.key))) is not None:
            yield case.key, state
        else:
            prediction = predictions.read(case.key, case.target.shape)
            yield case.key, Study(case, prediction, predictions.labels(case.key))


@one_thread()
def score_studies(judge: Judge, studies: Iterable[tuple[CaseKey, Study | str]], cell: CellAddress) -> Scores:
    """Score studies as they come. A text in place of a study is the state of one that cannot be scored:
    ``missing``, or ``failed: `` and the reason.
    """
    rows: Rows = []
    sets = [metric for metric in judge.metrics if metric.of_set and metric.scorer is not None]
    for metric in sets:
        with blamed(metric.name):
            metric.scorer.reset()
    lost: dict[str, bool] = {}
    for key, study in studies:
        lost[key.patient] = lost.get(key.patient, False) or isinstance(study, str)
        where = {"patient": key.patient, "study": key.study}
        scored = _unscored(judge, study) if isinstance(study, str) else _score_study(judge, study)
        rows.extend({**where, **row} for row in scored)
    estimates = {metric.name: _estimate(metric) for metric in sets}
    for name, estimate in estimates.items():
        value = math.nan if isinstance(estimate, str) else estimate.value
        state = f"undefined: {estimate}" if isinstance(estimate, str) else _state(value)
        rows.append({"patient": None, "study": None, "slice": None, "metric": name, "value": value, "state": state})
    common = {"task": cell.task, "model": cell.name, "seed": cell.seed, "profile": judge.profile.id}
    rows = [{**common, **row} for row in rows]
    return Scores(rows, summarise(judge, lost, rows, estimates))


def _estimate(metric: ReadyMetric) -> Estimate | str:
    """What a metric of whole sets comes to, or why it says nothing."""
    try:
        with blamed(metric.name):
            estimate: Estimate = metric.scorer.compute()
            return estimate
    except Unavailable as reason:
        return str(reason)


def _unscored(judge: Judge, state: str) -> Iterator[dict[str, Any]]:
    """A row for every metric of a study that cannot be scored."""
    for metric in judge.metrics:
        if not metric.of_set:
            yield {"slice": None, "metric": metric.name, "value": math.nan, "state": state}


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
            metric = judge.ready(use)
            if region is None:
                state = "skipped" if metric.scorer is None else f"excluded: {images}"
            else:
                state = _obstacle(metric, region)
            if region is None or state:
                yield {"slice": None, "metric": metric.name, "value": math.nan, "state": state}
            else:
                yield from _SCORE[metric.level](metric, region)


def _obstacle(metric: ReadyMetric, region: _Region) -> str:
    """The state of a study that a metric cannot say anything about; empty if it can."""
    if metric.scorer is None:
        return "skipped"
    images = region.images
    if "labels" in metric.requires and (images.labels is None or images.predicted_labels is None):
        return "skipped: no label maps"
    return ""


class _Region:
    """A study's images, and those slices of them that have a region."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self.filled: NDArray[np.bool_] = np.asarray(images.mask.any(axis=(1, 2)))
        self.slices = images if self.filled.all() else images.at(self.filled)


def _take_into_set(metric: ReadyMetric, region: _Region) -> Iterator[dict[str, Any]]:
    """Hand a study to a metric of whole sets; it has no row of its own."""
    if region.filled.any():
        with blamed(metric.name):
            metric.scorer.update(region.images)
    yield from ()


def _score_volume(metric: ReadyMetric, region: _Region) -> Iterator[dict[str, Any]]:
    value, state = math.nan, "excluded: empty region"
    if region.filled.any():
        with blamed(metric.name):
            value = float(metric.scorer(region.images))
        state = _state(value)
    yield {"slice": None, "metric": metric.name, "value": value, "state": state}


def _score_slices(metric: ReadyMetric, region: _Region) -> Iterator[dict[str, Any]]:
    values = np.full(len(region.filled), np.nan)
    if region.filled.any():
        with blamed(metric.name):
            given = np.asarray(metric.scorer(region.slices), np.float64)
            if given.shape != (len(region.slices),):
                raise PluginError(
                    f"it gave shape {given.shape} for {len(region.slices)} slices; "
                    "a metric of level 'slice' gives one number a slice"
                )
        values[region.filled] = given
    for index, value in enumerate(values.tolist()):
        state = _state(value) if region.filled[index] else "excluded: empty region"
        yield {"slice": index, "metric": metric.name, "value": value, "state": state}


_SCORE = {"distribution": _take_into_set, "volume": _score_volume, "slice": _score_slices}


def _state(value: float) -> str:
    return "undefined" if math.isnan(value) else "scored"
