"""Downstream measures of stored predictions: what translations are worth for that which comes after them.

Every measure whose units fit is asked, of the predictions and, as the yardstick, of the targets in their place.
Where it cannot say anything (no labels, say) its reason is kept instead of a number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmark import atomic
from benchmark.contracts import options
from benchmark.contracts.protocols import MeasureContext, MeasuredStudy
from benchmark.contracts.specs import MeasureSpec, TaskSpec
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey, text
from benchmark.errors import DatasetError, NotApplicable, PluginError, Unavailable, UsageError
from benchmark.plan.claim import SCORING, harness_sha256
from benchmark.plan.file_tasks import task_of
from benchmark.registry.plugins import Offer, Registry, source_sha256

PROFILE = "downstream"
"""What stands for the profile in rows of downstream measures, which have none."""

Rows = list[dict[str, Any]]
Found = dict[tuple[str, str], Mapping[str, float] | str]
"""By (patient, study): values by name, or why there are none."""


@dataclass(frozen=True)
class Measured:
    """What a record keeps of each measure, by name, and the rows of the long table."""

    summary: dict[str, dict[str, Any]]
    rows: Rows


def measures_for(registry: Registry, task: TaskSpec) -> dict[str, Offer[MeasureSpec]]:
    """The measures that are asked about translations of a task, by name."""
    offers: dict[str, Offer[MeasureSpec]] = registry.all("measure")
    fits = {
        name: offer for name, offer in offers.items() if offer.spec.fits(task.name, task.source_unit, task.target_unit)
    }
    return dict(sorted(fits.items()))


def measure_key(registry: Registry, task: TaskSpec) -> str:
    """Hash of what determines measures beside predictions and data: their records, their source, and this module."""
    offers = measures_for(registry, task)
    if not offers:
        return ""
    return atomic.sha256_of(
        {
            "measures": {name: [repr(o.spec), source_sha256(o.plugin.module)] for name, o in offers.items()},
            "harness": harness_sha256(SCORING),
        }
    )


def measure(registry: Registry, dataset: Dataset, predictions: Path, about: Mapping[str, Any]) -> Measured:
    """Ask every measure that fits about stored predictions; ``about`` gives task, name and seed for the rows.

    A measure that fails is recorded as failed and costs the others nothing.
    """
    task = task_of(registry, about["task"], dataset.path)
    summary: dict[str, dict[str, Any]] = {}
    rows: Rows = []
    common = {"task": about["task"], "model": about["name"], "seed": about["seed"], "profile": PROFILE}
    for name, offer in measures_for(registry, task).items():
        spec = offer.spec
        try:
            with _Split(dataset, predictions) as split:
                found, ideal = _ask(spec, dataset, split)
                summary[name] = _summarise(spec, found, ideal, split.lost)
        except (NotApplicable, Unavailable) as reason:
            summary[name] = {"state": "not applicable", "reason": str(reason)}
            continue
        except (DatasetError, UsageError):
            raise
        except Exception as error:  # a plugin's fault, of which the predictions know nothing
            reason_text = " ".join(str(error).split())
            summary[name] = {"state": "failed", "reason": f"{type(error).__name__}: {reason_text}"}
            continue
        for (patient, study), values in found.items():
            for value in spec.values:
                number = math.nan if isinstance(values, str) else float(values[value.name])
                state = values if isinstance(values, str) else "undefined" if math.isnan(number) else "scored"
                row = {"patient": patient, "study": study, "slice": None, "metric": f"{name}/{value.name}"}
                rows.append({**common, **row, "value": number, "state": state})
    return Measured(summary, rows)


class _Split:
    """The test split with stored predictions, or with the targets in their place; read as often as asked."""

    def __init__(self, dataset: Dataset, predictions: Path) -> None:
        import h5py

        self._dataset = dataset
        self._file = h5py.File(predictions, "r")
        if text(self._file.attrs.get("dataset", "")) != dataset.info.content_sha256:
            raise DatasetError(f"{predictions}: made from another data set; run the cell again")
        lost: dict[str, str] = json.loads(self._file.attrs.get("lost", "{}"))
        self.lost = {key.patient for key in dataset.info.in_split("test") if str(key) in lost}
        self._keys = [key for key in dataset.info.in_split("test") if str(key) not in lost]

    def __enter__(self) -> _Split:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def studies(self, *, ideal: bool) -> Iterator[MeasuredStudy]:
        """Studies with their predictions, or ``ideal``: with the target as the prediction."""
        for key in self._keys:
            yield self._study(key, ideal)

    def _study(self, key: CaseKey, ideal: bool) -> MeasuredStudy:
        case = self._dataset.load(key)
        return MeasuredStudy(
            patient=key.patient,
            study=key.study,
            source=case.source,
            target=case.target,
            prediction=case.target if ideal else self._file[str(key)][()],
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

    def __iter__(self) -> Iterator[MeasuredStudy]:
        return self.split.studies(ideal=self.ideal)


def _ask(spec: MeasureSpec, dataset: Dataset, split: _Split) -> tuple[Found, Found]:
    """Values for the predictions, and for the targets in their place."""
    measure = spec.load()(options.build(spec.options, {}), _context(dataset))
    both: list[Found] = []
    for ideal in (False, True):
        if spec.level == "split":
            given = measure.measure(_Again(split, ideal))
            keys = [(study.patient, study.study) for study in split.studies(ideal=ideal)]
            found: Found = {key: given.get(key, "not applicable") for key in keys}
        else:
            found = {}
            for study in split.studies(ideal=ideal):
                try:
                    found[study.patient, study.study] = measure.measure(study)
                except NotApplicable as reason:
                    found[study.patient, study.study] = f"not applicable: {reason}"
        both.append(found)
    names = {value.name for value in spec.values}
    for values in both[0].values():
        if not isinstance(values, str) and set(values) != names:
            raise PluginError(f"measure {spec.name} gave {sorted(values)}; its record says {sorted(names)}")
    if both[0] and all(isinstance(values, str) for values in both[0].values()):
        reasons = dict.fromkeys(str(values).removeprefix("not applicable").lstrip(": ") for values in both[0].values())
        raise NotApplicable("; ".join(filter(None, reasons)) or "no study of the test split can be measured")
    return both[0], both[1]


def _context(dataset: Dataset) -> MeasureContext:
    info = dataset.info
    named = info.provenance.get("labels", ())
    pairs = named.items() if isinstance(named, Mapping) else ((name, label) for label, name in enumerate(named))
    labels = {str(name): int(label) for name, label in pairs}
    return MeasureContext(info.task, info.source_map, info.target_map, info.simulated, labels)


def _summarise(spec: MeasureSpec, found: Found, ideal: Found, lost: set[str]) -> dict[str, Any]:
    """By value: what it is, its patients' means, their mean, and what the target itself would have had.

    A patient with a study that is lost has no value, as in the scores.
    """
    patients = list(dict.fromkeys([patient for patient, _ in found] + sorted(lost)))
    values: dict[str, dict[str, Any]] = {}
    for value in spec.values:
        means = {
            patient: None if patient in lost else _mean(found, patient, value.name) for patient in sorted(patients)
        }
        known = [mean for mean in means.values() if mean is not None]
        best = [_mean(ideal, patient, value.name) for patient in patients if patient not in lost]
        ideals = [mean for mean in best if mean is not None]
        values[value.name] = {
            **{key: each for key, each in asdict(value).items() if key != "name"},
            "mean": fmean(known) if known else None,
            "target": fmean(ideals) if ideals else None,
            "patients": means,
            "n_expected": len(patients),
            "n_scored": len(known),
            "n_failed": len(lost),
        }
    left_out = sorted({reason for reason in found.values() if isinstance(reason, str)})
    more = {"left_out": left_out} if left_out else {}
    return {"state": "scored", "summary": spec.summary, "level": spec.level, "values": values, **more}


def _mean(found: Found, patient: str, name: str) -> float | None:
    """A patient's mean over the studies that have a finite value."""
    numbers = [float(v[name]) for (who, _), v in found.items() if who == patient and not isinstance(v, str)]
    finite = [number for number in numbers if math.isfinite(number)]
    return fmean(finite) if finite else None
