"""Checkpoints that hold everything the next training step depends on. Read without pickle.

torch does not check the checksums of its archives, so a checkpoint carries a hash of its own content: an altered bit
of a weight would else go unnoticed into all further training.
"""

from __future__ import annotations

import errno
import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import atomic

SCHEMA = 2


@dataclass(frozen=True)
class Checkpoint:
    """A model's state after ``step`` steps; ``seconds`` is the training time spent on them, ``updates`` how often the
    weights that were updated most were.
    """

    cell: str
    step: int
    seconds: float
    finished: bool
    model: dict[str, Any]
    random: dict[str, Any]
    updates: int = 0


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically.

    Raises:
        OSError: the disk is full.
    """
    payload = {"schema": SCHEMA, **vars(checkpoint), "sha256": _content_sha256(vars(checkpoint))}

    def write(temporary: Path) -> None:
        try:
            torch.save(payload, temporary)
        except RuntimeError as error:
            if "inline_container" in str(error):  # how torch says that a write came up short
                raise OSError(errno.ENOSPC, "No space left on device", str(path)) from error
            raise

    atomic.write_with(path, write)


def load(path: Path, cell: str, device: torch.device) -> Checkpoint | None:
    """Read the checkpoint of a cell; ``None`` when there is none, or it is torn, altered or another cell's."""
    if not path.is_file():
        return None
    try:
        payload = torch.load(path, map_location=device, weights_only=True)
        if payload.pop("schema") != SCHEMA or payload["cell"] != cell:
            return None
        if payload.pop("sha256") != _content_sha256(payload):
            return None
        return Checkpoint(**payload)
    except Exception:  # whatever a damaged file makes torch raise
        return None


def _content_sha256(content: dict[str, Any]) -> str:
    """Hash of all tensors and plain values, wherever they lie."""
    digest = hashlib.sha256()

    def take(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(f"tensor {value.dtype} {tuple(value.shape)}".encode())
            plain = value.detach().cpu().contiguous().reshape(-1)
            digest.update(plain.view(torch.uint8).numpy().data)
        elif isinstance(value, dict):
            digest.update(f"dict {len(value)}".encode())
            for key, item in value.items():
                digest.update(f"key {key!r}".encode())
                take(item)
        elif isinstance(value, list | tuple):
            digest.update(f"list {len(value)}".encode())
            for item in value:
                take(item)
        else:
            digest.update(f"{value!r}".encode())

    take(content)
    return digest.hexdigest()


def random_state() -> dict[str, Any]:
    """The state of every random generator a model may draw from: torch, CUDA, numpy and Python."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        # of the worker's own device: asking all of them would touch each, and another machine may have fewer
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
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
        torch.cuda.set_rng_state(state["cuda"][0].cpu())
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def seed_everything(seed: int) -> None:
    """Seed every generator a model may draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
