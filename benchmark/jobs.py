"""What passes between the supervisor and its workers. Light: the supervisor never imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.claim import CellSpec
from benchmark.store import CellFolder

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
