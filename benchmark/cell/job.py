"""What passes between the supervisor and its workers. Light: the supervisor never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.contracts.presets import DataSize
from benchmark.plan.claim import CellSpec
from benchmark.plan.expand import BuildJob
from benchmark.settings.statement import LOST_SECONDS
from benchmark.store.folder import CellFolder
from benchmark.store.record import Kind, Record, State
from benchmark.store.stops import Stop

STOP = "stop"
"""The supervisor's only command: write a checkpoint and end."""


@dataclass(frozen=True)
class CellJob:
    """What a worker is told: which cell, where, on what device, and whether only scores are missing.

    ``folder`` is the cell's own until a worker has the cell's lease; from then on it is the lease's.
    """

    spec: CellSpec
    folder: CellFolder
    baseline: bool
    device: str
    score_only: bool = False
    graphs: bool = False
    """Replay training steps as CUDA graphs where the model can."""
    kind: Kind = "trained"
    attempt: int = 1
    """Counts how often it was begun without getting further; see :func:`benchmark.store.stops.next_attempt`."""
    seen: int = 0
    """The token of its record when it was assigned: a later one is the work of somebody else."""
    over: int | None = None
    """The token of a lease whose holder is known to be dead, to be taken over."""
    token: int = 0
    """Of the worker's own lease."""
    lost_seconds: float = LOST_SECONDS
    """How long others wait for a sign of life before they take over."""
    data: str = ""
    """Where a copy of its data lies that is quicker to read; empty: they are read where the claim says."""

    def again(self, attempt: int) -> CellJob:
        """The same for the next attempt: what the one before has left is no other's work."""
        record = self.folder.read()
        return replace(self, attempt=attempt, seen=record.token if record else self.seen, over=None)

    def record(self, state: State, reason: str = "", stop: Stop | None = None) -> Record:
        """The cell's record in a state without results."""
        return Record(
            spec=self.spec,
            kind=self.kind,
            baseline=self.baseline,
            state=state,
            reason=reason,
            stop=stop,
            attempt=self.attempt,
            token=self.token,
        )


@dataclass(frozen=True)
class Progress:
    """Where a cell's training stands."""

    step: int
    steps: int
    losses: Mapping[str, float]
    images_per_second: float


@dataclass(frozen=True)
class Message:
    """From a worker: ``progress``, or how the job ended: ``done``, ``failed``, ``skipped``, ``interrupted``, or
    ``elsewhere``, which says that somebody else has the cell, and that nothing was done here."""

    kind: str
    reason: str = ""
    progress: Progress | None = None
    stop: Stop | None = None
    """Why it was interrupted, or why it failed where there is a word for that."""
    further: bool = False
    """Whether training went on from where it stood, so that the next attempt is the first of its kind."""


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
        "attempt": job.attempt,
        "seen": job.seen,
        "over": job.over,
        "lost_seconds": job.lost_seconds,
    }


def job_from_json(data: Mapping[str, Any]) -> CellJob | BuildJob:
    """From what :func:`job_to_json` gave."""
    if "build" in data:
        return BuildJob(**{**data["build"], "size": DataSize(**data["build"]["size"])})
    rest = {name: value for name, value in data.items() if name not in ("cell", "folder")}
    return CellJob(CellSpec.from_json(data["cell"]), CellFolder(Path(data["folder"])), **rest)
