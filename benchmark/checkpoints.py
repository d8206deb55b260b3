"""Checkpoints that hold everything the next training step depends on. Read without pickle."""

from __future__ import annotations

import errno
import pickle
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import atomic

SCHEMA = 1


@dataclass(frozen=True)
class Checkpoint:
    """A model's state after ``step`` steps; ``seconds`` is the training time spent on them."""

    cell: str
    step: int
    seconds: float
    finished: bool
    model: dict[str, Any]
    random: dict[str, Any]


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically.

    Raises:
        OSError: the disk is full.
    """
    payload = {"schema": SCHEMA, **vars(checkpoint)}

    def write(temporary: Path) -> None:
        try:
            torch.save(payload, temporary)
        except RuntimeError as error:
            if "inline_container" in str(error):  # how torch says that a write came up short
                raise OSError(errno.ENOSPC, "No space left on device", str(path)) from error
            raise

    atomic.write_with(path, write)


def load(path: Path, cell: str, device: torch.device) -> Checkpoint | None:
    """Read the checkpoint of a cell; ``None`` when there is none, or it is torn or another cell's."""
    if not path.is_file():
        return None
    try:
        payload = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError):
        return None
    if not isinstance(payload, dict) or payload.pop("schema", None) != SCHEMA or payload.get("cell") != cell:
        return None
    return Checkpoint(**payload)


def random_state() -> dict[str, Any]:
    """The state of every random generator a model may draw from: torch, CUDA, numpy and Python."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [
            str(kind),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            cached,
        ],
        "python": [version, list(internal), gauss],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put all random generators back to where :func:`random_state` found them."""
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([item.cpu() for item in state["cuda"]])
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def seed_everything(seed: int) -> None:
    """Seed every generator a model may draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
