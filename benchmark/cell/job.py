"""What passes between the supervisor and its workers. Light: the supervisor never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.contracts.presets import DataSize
from benchmark.plan.claim import CellSpec
from benchmark.plan.expand import BuildJob
from benchmark.store.folder import CellFolder
from benchmark.store.record import Kind, Record, State

STOP = "stop"
"""The supervisor's only command: write a checkpoint and end."""


@dataclass(frozen=True)
class CellJob:
    """What a worker is told: which cell, where, on what device, and whether only scores are missing."""

    spec: CellSpec
    folder: CellFolder
    baseline: bool
    device: str
    score_only: bool = False
    graphs: bool = False
    """Replay training steps as CUDA graphs where the model can."""
    kind: Kind = "trained"

    def record(self, state: State, reason: str = "") -> Record:
        """The cell's record in a state without results."""
        return Record(spec=self.spec, kind=self.kind, baseline=self.baseline, state=state, reason=reason)


@dataclass(frozen=True)
class Progress:
    """Where a cell's training stands."""

    step: int
    steps: int
    losses: Mapping[str, float]
    images_per_second: float


@dataclass(frozen=True)
class Message:
    """From a worker: ``progress``, or how the job ended (``done``, ``failed``, ``skipped``, ``interrupted``)."""

    kind: str
    reason: str = ""
    progress: Progress | None = None


def job_to_json(job: CellJob | BuildJob) -> dict[str, Any]:
    """A job as a plain mapping, for executors whose workers share nothing but a file system."""
    if isinstance(job, BuildJob):
        return {"build": asdict(job)}
    return {
        "cell": job.spec.to_json(),
        "folder": str(job.folder.path.absolute()),
        "baseline": job.baseline,
        "device": job.device,
        "score_only": job.score_only,
        "graphs": job.graphs,
        "kind": job.kind,
    }


def job_from_json(data: Mapping[str, Any]) -> CellJob | BuildJob:
    """From what :func:`job_to_json` gave."""
    if "build" in data:
        return BuildJob(**{**data["build"], "size": DataSize(**data["build"]["size"])})
    spec, folder = CellSpec.from_json(data["cell"]), CellFolder(Path(data["folder"]))
    return CellJob(spec, folder, data["baseline"], data["device"], data["score_only"], data["graphs"], data["kind"])
