"""Options that a model lets be changed after it was trained: how it samples, and nothing of what it learnt.

A field says so with ``metadata={"sampling": True}``, such as the steps of a sampler or the strength of its guidance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchmark.contracts import options
from benchmark.contracts.specs import ModelSpec
from benchmark.errors import UsageError


def changeable(model: ModelSpec) -> list[str]:
    """Names of the options that may be changed."""
    fields = dataclasses.fields(model.options) if model.options is not None else ()
    return [field.name for field in fields if field.metadata.get("sampling")]


def with_sampling(model: ModelSpec, trained: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a model was trained with, some of them changed.

    Raises:
        UsageError: an option that is not there, that decides what was learnt, or a value that it cannot have.
    """
    allowed = changeable(model)
    for name in changes:
        if name not in allowed:
            there = f"those that may be: {', '.join(allowed)}" if allowed else "it has none that may be"
            raise UsageError(f"{model.name}: {name!r} cannot be changed after training; {there}")
    return options.resolve(model.name, model.options, trained, changes)


def told(trained: Mapping[str, Any], used: Mapping[str, Any]) -> tuple[str, ...]:
    """What is to be said of translations that were made otherwise than those that were scored."""
    return tuple(
        f"translated with {name}={value}; it was scored with {name}={trained.get(name)}"
        for name, value in used.items()
        if value != trained.get(name)
    )
