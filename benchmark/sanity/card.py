"""A sanity card: every metric of a profile against graded distortions of one data set's own targets.

A metric that does not get worse where the image gets worse cannot be trusted on this data set; the card says which,
and where. It is made from the test split, since that is what is scored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.format.cases import Case
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey
from benchmark.plan.claim import CellAddress
from benchmark.printable import markdown
from benchmark.registry.plugins import Registry
from benchmark.sanity.distortions import DISTORTIONS, Distortion, Scene
from benchmark.scoring.judge import Judge, make_judge
from benchmark.scoring.prepare import Study
from benchmark.scoring.score import score_studies
from benchmark.store.summaries import MetricSummary

SCHEMA = 1
LESIONS = ("lesion", "tumour", "tumor")
"""Words in the names of labels that are lesions."""
UNMOVED = 1e-6
"""Relative change below which a metric has not noticed anything."""

MONOTONE, NOT_MONOTONE, BLIND, NO_DIRECTION, UNDEFINED = "monotone", "not monotone", "unmoved", "", "undefined"


@dataclass(frozen=True)
class Tested:
    """A metric of the profile."""

    name: str
    label: str
    unit: str
    digits: int
    higher_is_better: bool | None


@dataclass(frozen=True)
class Ladder:
    """A distortion: its steps, and by metric the mean over patients at each, and what is to be said of them."""

    distortion: str
    levels: tuple[str, ...]
    values: Mapping[str, tuple[float, ...]]
    verdicts: Mapping[str, str]

    @property
    def wrong(self) -> tuple[str, ...]:
        """Metrics that got better somewhere on the way."""
        return tuple(name for name, verdict in self.verdicts.items() if verdict == NOT_MONOTONE)

    @property
    def blind(self) -> tuple[str, ...]:
        """Metrics that noticed nothing."""
        return tuple(name for name, verdict in self.verdicts.items() if verdict == BLIND)


@dataclass(frozen=True)
class Card:
    """What the metrics make of the distortions; infinite is perfect, NaN undefined."""

    dataset: str
    content_sha256: str
    nature: str
    """Simulated data, real data, or simulated degradation of real images."""
    profile: str
    patients: int
    metrics: tuple[Tested, ...]
    identity: Mapping[str, float]
    ladders: tuple[Ladder, ...]
    skipped: Mapping[str, str]
    """Metrics and distortions that could not be tried, and why."""

    @property
    def wrong(self) -> tuple[Ladder, ...]:
        """The distortions that some metric did not follow."""
        return tuple(ladder for ladder in self.ladders if ladder.wrong)

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping; infinite values are the text ``inf``, undefined ones null."""
        plain: dict[str, Any] = _plain(asdict(self))
        return {"schema": SCHEMA, **plain}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def make_card(
    registry: Registry,
    dataset: Dataset,
    profile: str,
    *,
    patients: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> Card:
    """Score the distortions of a data set's test targets; ``patients``: of the first so many only, 0: of all.

    Raises:
        UsageError: the profile is not for targets in this unit.
    """
    info = dataset.info
    judge = make_judge(registry, profile, info)
    chosen = info.splits["test"][: patients or None]
    keys = [key for key in info.in_split("test") if key.patient in chosen]
    scene = _scene(dataset)
    identity = _score(judge, dataset, keys, lambda study: study.target.astype(np.float64))
    specs = [registry.metric(use.metric).spec for use in judge.profile.metrics]
    skipped = {name: score.reason for name, score in identity.items() if not score.scored}
    metrics = tuple(
        Tested(spec.name, spec.label, identity[spec.name].unit, spec.digits, spec.higher_is_better)
        for spec in specs
        if spec.name not in skipped
    )
    perfect = {metric.name: _value(identity[metric.name]) for metric in metrics}
    ladders = []
    for distortion in DISTORTIONS:
        if distortion.needs_lesions and not _lesions(dataset, keys, scene):
            skipped[distortion.name] = "no lesion is labelled in the test split"
            continue
        report(distortion.name)
        ladders.append(_ladder(distortion, judge, dataset, keys, scene, metrics, perfect))
    return Card(
        info.name, info.content_sha256, info.nature, judge.profile.id, len(chosen), metrics, perfect,
        tuple(ladders), skipped,
    )  # fmt: skip


def _ladder(
    distortion: Distortion,
    judge: Judge,
    dataset: Dataset,
    keys: Sequence[CaseKey],
    scene: Scene,
    metrics: Sequence[Tested],
    perfect: Mapping[str, float],
) -> Ladder:
    part = (lambda case: _with_lesions(case, scene)) if distortion.needs_lesions else None
    steps = [
        _score(judge, dataset, keys, lambda case, s=strength: distortion.apply(case, scene, s), part)  # type: ignore[misc]
        for strength in distortion.levels.values()
    ]
    values = {metric.name: tuple(_value(step[metric.name]) for step in steps) for metric in metrics}
    verdicts = {
        metric.name: verdict([perfect[metric.name], *values[metric.name]], metric.higher_is_better)
        for metric in metrics
    }
    return Ladder(distortion.name, tuple(distortion.levels), values, verdicts)


def verdict(values: Sequence[float], higher_is_better: bool | None) -> str:
    """Whether values get worse from step to step; the first is the undistorted image's."""
    if higher_is_better is None:
        return NO_DIRECTION
    if any(math.isnan(value) for value in values):
        return UNDEFINED
    signed = [-value if higher_is_better else value for value in values]
    size = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    steps = [
        0.0 if after == before or abs(after - before) <= UNMOVED * size else after - before
        for before, after in pairwise(signed)
    ]
    if not any(steps):
        return BLIND
    return MONOTONE if all(step > 0 for step in steps) else NOT_MONOTONE


def _scene(dataset: Dataset) -> Scene:
    info = dataset.info
    total, count = np.zeros(info.image_size), 0
    for key in info.in_split("train"):
        target = dataset.load_sides(key).target
        if target is not None:
            total += target.sum(0, dtype=np.float64)
            count += len(target)
    named = info.provenance.get("labels", ())
    pairs = named.items() if isinstance(named, Mapping) else ((name, label) for label, name in enumerate(named))
    lesions = tuple(int(label) for name, label in pairs if any(word in str(name).lower() for word in LESIONS))
    return Scene(info.source_maps[0], info.target_map, total / max(count, 1), lesions)


def _lesions(dataset: Dataset, keys: Sequence[CaseKey], scene: Scene) -> bool:
    return any(_with_lesions(dataset.load(key), scene).mask.any() for key in keys)


def _with_lesions(case: Case, scene: Scene) -> Case:
    """The case without a region in slices that show no lesion: an image left as it was scores perfectly there."""
    labels = np.zeros(case.mask.shape, np.uint8) if case.labels is None else case.labels
    shown = (np.isin(labels, scene.lesions) & case.mask).any(axis=(1, 2), keepdims=True)
    return replace(case, mask=case.mask & shown)


def _score(
    judge: Judge,
    dataset: Dataset,
    keys: Sequence[CaseKey],
    make: Callable[[Case], NDArray[np.float64]],
    part: Callable[[Case], Case] | None = None,
) -> dict[str, MetricSummary]:
    """The profile's summary of what ``make`` gives for the cases; ``part`` says where they are looked at."""

    def studies() -> Iterator[tuple[CaseKey, Study | str]]:
        for key in keys:
            case = dataset.load(key)
            if part is not None and not (case := part(case)).mask.any():
                continue
            yield key, Study(case, make(case), case.labels)

    return score_studies(judge, studies(), CellAddress(dataset.info.task, "sanity", 0)).summary


def _value(score: MetricSummary) -> float:
    """A metric's mean; infinite where every patient's score is perfect."""
    if not score.scored:
        return math.nan
    if score.mean is not None:
        return score.mean
    return math.inf if score.infinite else math.nan


def rows(card: Card) -> tuple[list[str], list[list[str]]]:
    """Header and body of the card as a table: a row for each step, the last column names metrics that are wrong."""
    header = ["distortion", "step", *(f"{m.label}{_arrow(m)}{f' ({m.unit})' if m.unit else ''}" for m in card.metrics)]
    labels = {metric.name: metric.label for metric in card.metrics}
    body = [["none", "", *(_shown(card.identity[m.name], m) for m in card.metrics), ""]]
    for ladder in card.ladders:
        for place, level in enumerate(ladder.levels):
            cells = [
                _shown(ladder.values[m.name][place], m) + (" !" if m.name in ladder.wrong else "") for m in card.metrics
            ]
            said = ""
            if place == 0:
                parts = [f"NOT MONOTONE: {', '.join(labels[name] for name in ladder.wrong)}"] if ladder.wrong else []
                parts += [f"unmoved: {', '.join(labels[name] for name in ladder.blind)}"] if ladder.blind else []
                said = "; ".join(parts) or "ok"
            body.append([ladder.distortion if place == 0 else "", level, *cells, said])
    return [*header, "remarks"], body


def notes(card: Card) -> list[str]:
    """What the card is of, and what could not be tried."""
    kind = card.nature if card.nature == "real data" else card.nature.upper()
    lines = [
        f"{card.dataset} {card.content_sha256[:8]}, {kind}, {card.patients} test patients, profile {card.profile}: "
        "means over patients of the test targets against themselves, distorted.",
        "!: does not get worse at every step; a metric without an arrow has no direction. unmoved: notices nothing.",
    ]
    return lines + [f"{name}: skipped: {reason}" for name, reason in card.skipped.items()]


def to_markdown(card: Card) -> str:
    """The card as GitHub-flavoured Markdown."""
    header, body = rows(card)
    rule = ["---", "---", *("---:" for _ in card.metrics), "---"]
    table = [header, rule, *body]
    lines = ["| " + " | ".join(cell if line is rule else markdown(cell) for cell in line) + " |" for line in table]
    title, about, *more = f"# Sanity card of {markdown(card.dataset)}", *(markdown(note) for note in notes(card))
    return "\n".join([title, "", about, "", *lines, "", *(f"* {note}" for note in more)]) + "\n"


def _arrow(metric: Tested) -> str:
    return {True: " ↑", False: " ↓", None: ""}[metric.higher_is_better]


def _shown(value: float, metric: Tested) -> str:
    if math.isnan(value):
        return "–"
    return "perfect" if math.isinf(value) else f"{value:.{metric.digits}f}"
