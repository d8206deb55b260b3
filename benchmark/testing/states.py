"""Compare the states of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def difference(one: Any, other: Any, where: str = "") -> str:
    """The first place where two states differ, with what is there; empty if they are the same to the bit."""
    place = where or "the whole"
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"{place}: {tuple(one.shape)} {one.dtype} and {tuple(other.shape)} {other.dtype}"
        if torch.equal(one, other) or (one.is_floating_point() and torch.allclose(one, other, 0, 0, equal_nan=True)):
            return ""
        largest = float((one.double() - other.double()).abs().max())
        return f"{place}, by up to {largest:.2g}"
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if unlike := sorted(map(str, set(one) ^ set(other))):
            return f"{place}: {unlike[0]!r} is in one only"
        return next(filter(None, (difference(one[name], other[name], f"{where}[{name!r}]") for name in one)), "")
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return f"{place}: {len(one)} and {len(other)} items"
        pairs = enumerate(zip(one, other, strict=True))
        return next(filter(None, (difference(a, b, f"{where}[{i}]") for i, (a, b) in pairs)), "")
    return "" if one == other else f"{place}: {one!r:.40} and {other!r:.40}"


def tensors(state: Any, place: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Tensor]:
    """Every tensor of a state by the keys and numbers that lead to it."""
    if isinstance(state, Tensor):
        return {place: state}
    inner = state.items() if isinstance(state, Mapping) else enumerate(state) if isinstance(state, list) else ()
    return {at: value for key, item in inner for at, value in tensors(item, (*place, key)).items()}
