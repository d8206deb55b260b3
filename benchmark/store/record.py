"""What a cell leaves behind: one type, one reader, one writer. Nothing else spells the keys of ``record.json``.

A record is checked where it enters: whoever holds a :class:`Record` need not ask again whether a number is a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from benchmark.data.format.facts import DataFacts
from benchmark.json_fields import Fields, RecordError
from benchmark.plan.claim import CellSpec
from benchmark.store.stops import STOPS, Stop
from benchmark.store.summaries import DownstreamSummary, MetricSummary, StageSummary

RECORD_SCHEMA = 2

State = Literal["planned", "running", "done", "failed", "timeout", "skipped", "stale"]
STATES: tuple[State, ...] = get_args(State)

Kind = Literal["trained", "fitted", "fixed", "evaluated"]
"""Who trained the model; of predictions from elsewhere nobody knows."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Finding:
    """What looks wrong in a training: the loss term (or ``output``), and how."""

    term: str
    fault: str
    detail: str

    @classmethod
    def from_json(cls, data: Any, where: str) -> Finding:
        """From its fields.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, where)
        return cls(fields.text("term"), fields.text("fault"), fields.text("detail", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """How a model was trained: ``steps`` done, ``resumed_at`` the step of the checkpoint it went on from (0: none)."""

    steps: int = 0
    updates: int = 0
    """Optimiser steps of the weights that had most of them; 0: not known."""
    resumed_at: int = 0
    images_per_s: float = 0.0
    validation_mae: float | None = None
    """In network space, inside the region; of the last validation."""
    step: str = ""
    """How a step was run: as it is, or as a CUDA graph."""
    slices: str = ""
    """Where the training slices were: in memory, or streamed from which file and why from there."""
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    branched_at: int = 0
    """The step of a shorter budget's training that it went on from; 0: it began at its own beginning."""
    flops_per_step: float | None = None
    """Floating-point operations of a training step, by torch's counter."""
    updates_per_step: float | None = None
    """How often a step updates the generator."""

    @classmethod
    def from_json(cls, data: Any) -> TrainingFacts:
        """From its fields.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, "training")
        return cls(
            steps=fields.count("steps"),
            updates=fields.count("updates") if "updates" in fields else 0,
            resumed_at=fields.count("resumed_at"),
            images_per_s=fields.number("images_per_s") or 0.0,
            validation_mae=fields.number("validation_mae"),
            step=fields.text("step", ""),
            slices=fields.text("slices", ""),
            augmentation=fields.table("augmentation", {}),
            branched_at=fields.count("branched_at") if "branched_at" in fields else 0,
            flops_per_step=fields.number("flops_per_step"),
            updates_per_step=fields.number("updates_per_step"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds that a cell's steps took, ``None`` where there was no such step; CPU seconds are of its process."""

    train_s: float | None = None
    translate_s: float | None = None
    inference_ms_per_slice: float | None = None
    score_s: float | None = None
    cpu_s: float | None = None
    failed_after_s: float | None = None

    def to_json(self) -> dict[str, float]:
        """Those that there are."""
        named = asdict(self)
        return {name: seconds for name, seconds in named.items() if seconds is not None}

    @classmethod
    def from_json(cls, data: Any) -> Timings:
        """From what :meth:`to_json` gave.

        Raises:
            RecordError: a number is none.
        """
        fields = Fields(data, "timings")
        return cls(**{name: fields.number(name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A cell as ``record.json`` states it. Only ``done`` cells have what stands below ``token``."""

    spec: CellSpec
    kind: Kind
    baseline: bool
    state: State
    reason: str = ""
    was: str = ""
    """The state before the cell became stale; never on disk."""
    pid: int | None = None
    """The process that runs it, while it is running."""
    stop: Stop | None = None
    """Why it stopped before its end, where there is a word for that."""
    attempt: int = 1
    """Which attempt this was, of those that did not get further than the one before."""
    token: int = 0
    """Of the lease that it was committed under; counts up. 0 for what no worker wrote."""
    device: str = ""
    dataset: DataFacts | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Weights by network; those called ``generator...`` are what translates."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    training: TrainingFacts | None = None
    timings: Timings = field(default_factory=Timings)
    stages: Mapping[str, StageSummary] = field(default_factory=dict)
    health: tuple[Finding, ...] = ()
    profile_definition: Mapping[str, Any] = field(default_factory=dict)
    score_key: str = ""
    scores: Mapping[str, MetricSummary] = field(default_factory=dict)
    downstream_key: str = ""
    downstream: Mapping[str, DownstreamSummary] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    """Of the host, by its process."""
    peak_gpu_memory_mb: float | None = None
    """Of its device, as torch held it; ``None`` on a CPU."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the files beside the record that it vouches for."""
    stamps: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """Size, time of the last change in ns, and inode of the same files: where these are as they were, nobody has
    written into one, and it need not be read to be trusted."""

    @property
    def id(self) -> str:
        """The cell's id: the hash of its claim."""
        return self.spec.id

    @property
    def task(self) -> str:
        """The task's name."""
        return self.spec.task

    @property
    def name(self) -> str:
        """The model's name in the grid."""
        return self.spec.name

    @property
    def seed(self) -> int:
        """The training seed."""
        return self.spec.seed

    @property
    def profile(self) -> str:
        """The metric profile: name and version of the one it was scored under, else the name of the one asked for."""
        return str(self.profile_definition.get("id", self.spec.profile))

    @property
    def title(self) -> str:
        """How people refer to it: task/name/seed."""
        return self.spec.title

    @property
    def evaluated(self) -> bool:
        """Whether its predictions were made elsewhere; no plan knows of it then."""
        return self.kind == "evaluated"

    @property
    def done(self) -> bool:
        """Whether it has scores."""
        return self.state == "done"

    def ended(self, state: State, reason: str) -> Record:
        """The same cell in another state, without results."""
        return Record(spec=self.spec, kind=self.kind, baseline=self.baseline, state=state, reason=reason)

    def stale(self, reason: str) -> Record:
        """The same record, which no plan knows any more."""
        return replace(self, state="stale", was=self.state, reason=reason)

    def to_json(self) -> dict[str, Any]:
        """As plain values, in the order in which people read them."""
        spec = self.spec
        about: dict[str, Any] = {
            "schema": RECORD_SCHEMA,
            "id": spec.id,
            "state": self.state,
            "reason": self.reason,
            "task": spec.task,
            "model": spec.model,
            "name": spec.name,
            "kind": self.kind,
            "baseline": self.baseline,
            "seed": spec.seed,
            "preset": spec.preset,
            "profile": self.profile,
            "spec": spec.to_json(),
        }
        if self.pid is not None:
            about["pid"] = self.pid
        if self.stop is not None:
            about["stop"] = self.stop
        if self.attempt > 1:
            about["attempt"] = self.attempt
        if self.token:
            about["token"] = self.token
        if timings := self.timings.to_json():
            about["timings"] = timings
        if self.dataset is None:
            return about
        about |= {
            "device": self.device,
            "precision": spec.precision,
            "dataset": self.dataset.to_json(),
            "parameters": dict(self.parameters),
            "provenance": dict(self.provenance),
        }
        if self.training is not None:
            about["training"] = asdict(self.training)
        if self.stages:
            about["stages"] = {name: asdict(stage) for name, stage in self.stages.items()}
        return about | {
            "health": [asdict(finding) for finding in self.health],
            "profile_definition": dict(self.profile_definition),
            "score_key": self.score_key,
            "scores": {name: score.to_json() for name, score in self.scores.items()},
            "downstream_key": self.downstream_key,
            "downstream": {name: summary.to_json() for name, summary in self.downstream.items()},
            "peak_memory_mb": self.peak_memory_mb,
            **({} if self.peak_gpu_memory_mb is None else {"peak_gpu_memory_mb": self.peak_gpu_memory_mb}),
            "files": dict(self.files),
            "stamps": {name: list(stamp) for name, stamp in self.stamps.items()},
        }

    @classmethod
    def from_json(cls, data: Any, expected: CellSpec | None = None) -> Record:
        """From what :meth:`to_json` gave; ``expected`` is the claim that it most likely has.

        Raises:
            RecordError: something is missing, of the wrong kind, or contradicts the cell's claim.
        """
        fields = Fields(data, "record")
        if fields.count("schema") != RECORD_SCHEMA:
            raise RecordError(f"schema {data['schema']}, this harness reads {RECORD_SCHEMA}")
        said = fields.table("spec")
        spec = expected if expected is not None and expected.is_told_by(said) else CellSpec.from_json(said)
        for key in ("id", "task", "model", "name", "seed", "preset"):
            if data.get(key) != getattr(spec, key):
                raise RecordError(f"{key} is {data.get(key)!r}, and its claim says {getattr(spec, key)!r}")
        state = fields.one_of("state", STATES)
        common: dict[str, Any] = {
            "spec": spec,
            "kind": fields.one_of("kind", KINDS),
            "baseline": fields.flag("baseline"),
            "state": state,
            "reason": fields.text("reason", ""),
            "pid": fields.count("pid") if "pid" in fields else None,
            "stop": fields.one_of("stop", STOPS) if "stop" in fields else None,
            "attempt": fields.count("attempt") if "attempt" in fields else 1,
            "token": fields.count("token") if "token" in fields else 0,
            "timings": Timings.from_json(fields.table("timings", {})),
        }
        if "dataset" not in fields:
            if state == "done":
                raise RecordError("it is done and says nothing of its data")
            return cls(**common)
        return cls(
            **common,
            device=fields.text("device"),
            dataset=_dataset(fields.table("dataset")),
            parameters={name: int(count) for name, count in fields.patients("parameters").items() if count is not None},
            provenance=fields.table("provenance"),
            training=TrainingFacts.from_json(data["training"]) if data.get("training") is not None else None,
            stages={
                name: StageSummary.from_json(stage, f"stages.{name}")
                for name, stage in fields.table("stages", {}).items()
            },
            health=tuple(Finding.from_json(item, "health") for item in fields.listing("health")),
            profile_definition=fields.table("profile_definition"),
            score_key=fields.text("score_key"),
            scores={
                name: MetricSummary.from_json(score, f"scores.{name}") for name, score in fields.table("scores").items()
            },
            downstream_key=fields.text("downstream_key"),
            downstream={
                name: DownstreamSummary.from_json(summary, f"downstream.{name}")
                for name, summary in fields.table("downstream").items()
            },
            peak_memory_mb=fields.number("peak_memory_mb"),
            peak_gpu_memory_mb=fields.number("peak_gpu_memory_mb"),
            files=fields.words("files"),
            stamps=_stamps(fields.table("stamps", {})),
        )


def _stamps(data: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    for name, stamp in data.items():
        if not isinstance(stamp, list) or len(stamp) != 3 or not all(type(number) is int for number in stamp):
            raise RecordError(f"record.stamps.{name} is not size, time and inode")
    return {name: (stamp[0], stamp[1], stamp[2]) for name, stamp in data.items()}


def _dataset(data: Mapping[str, Any]) -> DataFacts:
    try:
        return DataFacts.from_json(data)
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"dataset makes no sense: {type(error).__name__} {error}") from None
