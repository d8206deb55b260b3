"""Compare the states of models, and find in them what cannot be stored without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

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
