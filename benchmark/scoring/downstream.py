"""Downstream evaluation of stored predictions: what translations are worth for that which comes after them.

Every measure whose units fit is asked, of the predictions and, as the yardstick, of the targets in their place.
Where it cannot say anything (no labels, say) its reason is kept instead of a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from benchmark import atomic
from benchmark.contracts import options
from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy
from benchmark.contracts.specs import DownstreamSpec, TaskSpec
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey
from benchmark.errors import DatasetError, NotApplicable, PluginError, Unavailable, UsageError, said
from benchmark.plan.claim import SCORING, CellAddress, harness_sha256
from benchmark.registry.plugins import Offer, Registry, source_sha256
from benchmark.scoring.aggregate import Values
from benchmark.scoring.rows import Rows
from benchmark.scoring.threads import one_thread
from benchmark.store.predictions import PredictionsReader
from benchmark.store.summaries import DownstreamSummary, DownstreamValue

PROFILE = "downstream"
"""What stands for the profile in rows of downstream evaluations, which have none."""

Given = dict[tuple[str, str], Mapping[str, float] | str]
"""By (patient, study): values by name, or why there are none."""


@dataclass(frozen=True)
class Downstream:
    """What a record keeps of each downstream evaluation, by name, and the rows of the long table."""

    summary: dict[str, DownstreamSummary]
    rows: Rows


def evaluations_for(registry: Registry, task: TaskSpec) -> dict[str, Offer[DownstreamSpec]]:
    """The measures that are asked about translations of a task, by name."""
    offers: dict[str, Offer[DownstreamSpec]] = registry.all("downstream")
    fits = {
        name: offer for name, offer in offers.items() if offer.spec.fits(task.name, task.source_unit, task.target_unit)
    }
    return dict(sorted(fits.items()))


def downstream_key(registry: Registry, task: TaskSpec) -> str:
    """Hash of what determines the evaluations beside predictions and data: their records, their source, the harness."""
    offers = evaluations_for(registry, task)
    if not offers:
        return ""
    return atomic.sha256_of(
        {
            "downstream": {
                name: [repr(replace(o.spec, summary="")), source_sha256(o.plugin.module)] for name, o in offers.items()
            },
            "harness": harness_sha256(SCORING),
        }
    )


@one_thread()
def evaluate_downstream(
    offers: Mapping[str, Offer[DownstreamSpec]], dataset: Dataset, predictions: PredictionsReader, cell: CellAddress
) -> Downstream:
    """Ask every measure about stored predictions.

    A measure that fails is recorded as failed and costs the others nothing.

    Raises:
        BenchmarkError: the predictions are of another data set.
    """
    predictions.require(dataset.info)
    split = _Split(dataset, predictions)
    summary: dict[str, DownstreamSummary] = {}
    rows: Rows = []
    common = {"task": cell.task, "model": cell.name, "seed": cell.seed, "profile": PROFILE}
    for name, offer in offers.items():
        try:
            given, ideal = _ask(offer.spec, dataset, split)
            summary[name] = _summarise(offer.spec, given, ideal, split.lost)
        except (NotApplicable, Unavailable) as reason:
            summary[name] = DownstreamSummary(state="not applicable", reason=str(reason))
            continue
        except (DatasetError, UsageError):
            raise
        except Exception as error:  # a plugin's fault, of which the predictions know nothing
            summary[name] = DownstreamSummary(state="failed", reason=f"{type(error).__name__}: {said(error)}")
            continue
        for (patient, study), values in given.items():
            for value in offer.spec.values:
                number = math.nan if isinstance(values, str) else float(values[value.name])
                state = values if isinstance(values, str) else "undefined" if math.isnan(number) else "scored"
                row = {"patient": patient, "study": study, "slice": None, "metric": f"{name}/{value.name}"}
                rows.append({**common, **row, "value": number, "state": state})
    return Downstream(summary, rows)


class _Split:
    """The test split with stored predictions, or with the targets in their place; read as often as asked."""

    def __init__(self, dataset: Dataset, predictions: PredictionsReader) -> None:
        self._dataset = dataset
        self._predictions = predictions
        keys = dataset.info.in_split(predictions.split)
        self.lost = {key.patient for key in keys if str(key) in predictions.lost}
        self._keys = [key for key in keys if str(key) not in predictions.lost]

    def studies(self, *, ideal: bool, channel: int) -> Iterator[DownstreamStudy]:
        """Studies with their predictions, or ``ideal``: with the target as the prediction; and one source channel."""
        for key in self._keys:
            yield self._study(key, ideal, channel)

    def _study(self, key: CaseKey, ideal: bool, channel: int) -> DownstreamStudy:
        case = self._dataset.load(key)
        return DownstreamStudy(
            patient=key.patient,
            study=key.study,
            source=case.channels[channel],
            target=case.target,
            prediction=case.target if ideal else self._predictions.read(key),
            mask=case.mask,
            labels=case.labels,
            spacing=case.spacing,
            physics=self._dataset.physics(key),
        )


@dataclass(frozen=True)
class _Again:
    """Studies that can be gone through as often as wanted."""

    split: _Split
    ideal: bool
    channel: int

    def __iter__(self) -> Iterator[DownstreamStudy]:
        return self.split.studies(ideal=self.ideal, channel=self.channel)


def _ask(spec: DownstreamSpec, dataset: Dataset, split: _Split) -> tuple[Given, Given]:
    """Values for the predictions, and for the targets in their place."""
    channel = _channel(spec, dataset)
    evaluator = spec.load()(options.build(spec.options, {}), _context(dataset, channel))
    both: list[Given] = []
    for ideal in (False, True):
        if spec.level == "split":
            answers = evaluator.evaluate(_Again(split, ideal, channel))
            keys = [(study.patient, study.study) for study in split.studies(ideal=ideal, channel=channel)]
            given: Given = {key: answers.get(key, "not applicable") for key in keys}
        else:
            given = {}
            for study in split.studies(ideal=ideal, channel=channel):
                try:
                    given[study.patient, study.study] = evaluator.evaluate(study)
                except NotApplicable as reason:
                    given[study.patient, study.study] = f"not applicable: {reason}"
        both.append(given)
    names = {value.name for value in spec.values}
    for values in both[0].values():
        if not isinstance(values, str) and set(values) != names:
            raise PluginError(
                f"downstream evaluation {spec.name} gave {sorted(values)}; its record says {sorted(names)}"
            )
    if both[0] and all(isinstance(values, str) for values in both[0].values()):
        reasons = dict.fromkeys(str(values).removeprefix("not applicable").lstrip(": ") for values in both[0].values())
        raise NotApplicable("; ".join(filter(None, reasons)) or "no study of the test split can be measured")
    return both[0], both[1]


def _channel(spec: DownstreamSpec, dataset: Dataset) -> int:
    """Which channel of the source an evaluation sees: the first in a unit that it asks for."""
    units = [side.unit for side in dataset.info.sources]
    return next((number for number, unit in enumerate(units) if unit in spec.source_units), 0)


def _context(dataset: Dataset, channel: int) -> DownstreamContext:
    info = dataset.info
    named = info.provenance.get("labels", ())
    pairs = named.items() if isinstance(named, Mapping) else ((name, label) for label, name in enumerate(named))
    labels = {str(name): int(label) for name, label in pairs}
    return DownstreamContext(info.task, info.source_maps[channel], info.target_map, info.simulated, labels)


def _summarise(spec: DownstreamSpec, given: Given, ideal: Given, lost: set[str]) -> DownstreamSummary:
    """By value: what it is, its patients' means, their mean, and what the target itself would have had."""
    patients = sorted({patient for patient, _ in given} | lost)
    values: dict[str, DownstreamValue] = {}
    for value in spec.values:
        cohort = _values(given, value.name).cohort(patients, lost)
        yardstick = _values(ideal, value.name).cohort(patients, lost)
        values[value.name] = DownstreamValue(
            label=value.label,
            unit=value.unit,
            higher_is_better=value.higher_is_better,
            digits=value.digits,
            mean=cohort.mean,
            target=yardstick.mean,
            patients=cohort.patients,
            n_expected=cohort.n_expected,
            n_scored=cohort.n_scored,
            n_failed=cohort.n_failed,
        )
    left_out = tuple(sorted({reason for reason in given.values() if isinstance(reason, str)}))
    return DownstreamSummary(state="scored", summary=spec.summary, level=spec.level, values=values, left_out=left_out)


def _values(given: Given, name: str) -> Values:
    """One value of every study that has it."""
    values = Values(by_study=False)
    for (patient, study), numbers in given.items():
        if not isinstance(numbers, str):
            values.add(patient, study, [float(numbers[name])])
    return values
