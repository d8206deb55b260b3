"""What a record keeps of scores: of a metric, of a downstream evaluation, of one step of a model of several.

Each is checked where it enters, as the record that holds it is (:mod:`benchmark.store.record`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from benchmark.contracts.specs import Level
from benchmark.json_fields import Fields, RecordError

DownstreamState = Literal["scored", "not applicable", "failed"]

Patients = Mapping[str, float | None]
"""Values by patient, ``None`` where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """What a record keeps of one metric: values by patient, their mean, and how many are missing why.

    ``state`` is ``scored``, or ``skipped`` with the reason. ``infinite`` names patients whose value is infinite.
    Metrics of level ``distribution`` have an ``interval``, and ``bias`` where they say it, instead of patients.
    """

    state: Literal["scored", "skipped"]
    reason: str = ""
    level: Level = "slice"
    unit: str = ""
    mean: float | None = None
    patients: Patients = field(default_factory=dict)
    infinite: tuple[str, ...] = ()
    n_expected: int = 0
    n_scored: int = 0
    n_failed: int = 0
    slices_excluded: int = 0
    interval: tuple[float | None, float | None] | None = None
    bias: float | None = None
    n: int | None = None
    """Images that a distribution rests on."""
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether there is anything but a reason."""
        return self.state == "scored"

    def to_json(self) -> dict[str, Any]:
        """As the record holds it: of a skipped metric only why, and nothing that it does not have."""
        if not self.scored:
            return {"state": self.state, "reason": self.reason}
        about: dict[str, Any] = {
            "state": self.state,
            "level": self.level,
            "unit": self.unit,
            "mean": self.mean,
            "patients": dict(self.patients),
            "n_expected": self.n_expected,
            "n_scored": self.n_scored,
            "n_failed": self.n_failed,
            "slices_excluded": self.slices_excluded,
        }
        if self.infinite:
            about["infinite"] = list(self.infinite)
        if self.interval is not None:
            about["interval"] = list(self.interval)
        if self.bias is not None:
            about["bias"] = self.bias
        if self.n is not None:
            about["n"] = self.n
        if self.provenance:
            about["provenance"] = dict(self.provenance)
        return about

    @classmethod
    def from_json(cls, data: Any, where: str) -> MetricSummary:
        """From what :meth:`to_json` gave.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, where)
        if fields.one_of("state", ("scored", "skipped")) == "skipped":
            return cls(state="skipped", reason=fields.text("reason"))
        interval = fields.numbers("interval")
        if interval is not None and len(interval) != 2:
            raise RecordError(f"{where}.interval has {len(interval)} limits")
        patients = fields.patients("patients")
        infinite = fields.texts("infinite")
        if not patients.keys() >= set(infinite):
            raise RecordError(f"{where}.infinite names patients that are not among its patients")
        return cls(
            state="scored",
            level=fields.one_of("level", get_args(Level)),
            unit=fields.text("unit"),
            mean=fields.number("mean"),
            patients=patients,
            infinite=infinite,
            n_expected=fields.count("n_expected"),
            n_scored=fields.count("n_scored"),
            n_failed=fields.count("n_failed"),
            slices_excluded=fields.count("slices_excluded"),
            interval=None if interval is None else (interval[0], interval[1]),
            bias=fields.number("bias"),
            n=fields.count("n") if "n" in fields else None,
            provenance=fields.words("provenance"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DownstreamValue:
    """One number of a downstream evaluation: what it is, its patients' means, and what the target itself would have."""

    label: str
    unit: str
    higher_is_better: bool | None
    digits: int
    mean: float | None
    target: float | None
    patients: Patients
    n_expected: int
    n_scored: int
    n_failed: int

    @classmethod
    def from_json(cls, data: Any, where: str) -> DownstreamValue:
        """From its fields.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, where)
        return cls(
            label=fields.text("label"),
            unit=fields.text("unit"),
            higher_is_better=fields.flag("higher_is_better") if data.get("higher_is_better") is not None else None,
            digits=fields.count("digits"),
            mean=fields.number("mean"),
            target=fields.number("target"),
            patients=fields.patients("patients"),
            n_expected=fields.count("n_expected"),
            n_scored=fields.count("n_scored"),
            n_failed=fields.count("n_failed"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DownstreamSummary:
    """What a record keeps of one downstream evaluation; ``left_out`` says why studies have no value."""

    state: DownstreamState
    reason: str = ""
    summary: str = ""
    level: str = ""
    values: Mapping[str, DownstreamValue] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def scored(self) -> bool:
        """Whether there is anything but a reason."""
        return self.state == "scored"

    def to_json(self) -> dict[str, Any]:
        """As the record holds it."""
        if not self.scored:
            return {"state": self.state, "reason": self.reason}
        about: dict[str, Any] = {
            "state": self.state,
            "summary": self.summary,
            "level": self.level,
            "values": {name: asdict(value) for name, value in self.values.items()},
        }
        return about | ({"left_out": list(self.left_out)} if self.left_out else {})

    @classmethod
    def from_json(cls, data: Any, where: str) -> DownstreamSummary:
        """From what :meth:`to_json` gave.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, where)
        state: DownstreamState = fields.one_of("state", get_args(DownstreamState))
        if state != "scored":
            return cls(state=state, reason=fields.text("reason"))
        values = {
            name: DownstreamValue.from_json(value, f"{where}.values.{name}")
            for name, value in fields.table("values").items()
        }
        return cls(
            state="scored",
            summary=fields.text("summary", ""),
            level=fields.text("level", ""),
            values=values,
            left_out=fields.texts("left_out"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSummary:
    """What one step of a model of several steps is worth: values by patient and their mean."""

    mean: float | None
    patients: Patients
    n_expected: int
    n_scored: int

    @classmethod
    def from_json(cls, data: Any, where: str) -> StageSummary:
        """From its fields.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, where)
        patients = fields.patients("patients")
        return cls(
            mean=fields.number("mean"),
            patients=patients,
            n_expected=fields.count("n_expected"),
            n_scored=fields.count("n_scored"),
        )
