"""What a model's state may hold: what is read back without pickle."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import BenchmarkError

PLAIN = (bool, int, float, str, type(None))


def not_plain(state: Any, where: str = "") -> str:
    """What in a state is no dict, list, tensor, number or text, and where; empty if all is well."""
    if isinstance(state, Tensor) or type(state) in PLAIN:
        return ""
    if isinstance(state, Mapping):
        for name, value in state.items():
            if type(name) not in (str, int):
                return f"the key {name!r} in {where or 'it'}"
            if fault := not_plain(value, f"{where}[{name!r}]"):
                return fault
        return ""
    if isinstance(state, list | tuple):
        return next(filter(None, (not_plain(value, f"{where}[{i}]") for i, value in enumerate(state))), "")
    return f"{type(state).__module__}.{type(state).__name__} at {where or 'its top'}"


def require_storable(state: Any) -> None:
    """A state must come back from disk without pickle; what is plain does, of anything else it is tried.

    Raises:
        BenchmarkError: it does not; says what is in the way.
    """
    if not (fault := not_plain(state)):
        return
    written = io.BytesIO()
    try:
        torch.save(state, written)
        written.seek(0)
        torch.load(written, weights_only=True)
    except Exception:  # whatever pickling a stranger's object raises
        raise BenchmarkError(
            f"state_dict() holds {fault}, which cannot be stored: keep dicts, lists, tensors, numbers and texts only "
            "(bytes: a uint8 tensor)"
        ) from None
