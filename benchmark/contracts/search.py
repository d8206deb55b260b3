"""Search spaces: where a good value of an option may lie, declared with the option, each with its source.

``metadata={"search": Range(1e-4, 1e-2, log=True, source="...")}`` on a field of an options dataclass, or of the recipe,
is all that a model needs to take part in ``benchmark tune``.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmark.contracts import options as option_values
from benchmark.errors import UsageError


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; ``log``: each factor as likely as another."""

    low: float
    high: float
    log: bool = False
    source: str = ""


@dataclass(frozen=True)
class Choices:
    """A few values, in no order."""

    values: tuple[Any, ...]
    source: str = ""


Search = Range | Choices


def spaces(owner: str, options: type | None) -> dict[str, Search]:
    """The search spaces that options declare, by option.

    Raises:
        UsageError: one of them makes no sense; the message names the option.
    """
    found = dict(_declared(options))
    for name, search in found.items():
        if fault := fault_of(options, name, search):
            raise UsageError(f"{owner}.{name}: {fault}")
    return found


def _declared(options: type | None) -> Iterator[tuple[str, Search]]:
    for field in dataclasses.fields(options) if options is not None else ():
        if (search := field.metadata.get("search")) is not None:
            yield field.name, search


def fault_of(options: type | None, name: str, search: Any) -> str:
    """What is wrong with a search space; empty if nothing is."""
    if options is None or not isinstance(search, Range | Choices):
        return f"its search space is {search!r:.60}; declare a Range or Choices of benchmark.contracts.search"
    field = next(field for field in dataclasses.fields(options) if field.name == name)
    hint = typing.get_type_hints(options)[name]
    if not search.source:
        return "its search space says nothing of its source"
    if isinstance(search, Choices):
        if len(search.values) < 2:
            return "its search space is a choice of fewer than two values"
        for value in search.values:
            try:
                option_values.coerce(value, hint, name)
            except UsageError as error:
                return f"its search space holds a value that it cannot have: {error}"
        return ""
    if hint not in (int, float):
        return f"its search space is a range, and its type {getattr(hint, '__name__', hint)}"
    if not (math.isfinite(search.low) and math.isfinite(search.high) and search.low < search.high):
        return f"its search space {search.low:g} to {search.high:g} is empty"
    if search.log and search.low <= 0:
        return f"its search space {search.low:g} to {search.high:g} is logarithmic and does not begin above 0"
    if hint is int and not (float(search.low).is_integer() and float(search.high).is_integer()):
        return f"its search space {search.low:g} to {search.high:g} is not of whole numbers"
    default = field.default
    if isinstance(default, int | float) and not search.low <= default <= search.high:
        return f"its search space {search.low:g} to {search.high:g} leaves out its default, {default:g}"
    return ""


def within(search: Search, value: Any) -> bool:
    """Whether a value lies in a search space."""
    if isinstance(search, Choices):
        return option_values.plain(value) in [option_values.plain(one) for one in search.values]
    return isinstance(value, int | float) and search.low <= value <= search.high
