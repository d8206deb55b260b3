"""Which tests start processes: found by reading what they reach, so that nobody has to mark them."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
STARTERS = (
    "subprocess",
    "multiprocessing",
    "pty",
    "benchmark.executors",
    "benchmark.runs.execute",
    "benchmark.runs.start",
)
"""Modules that start processes, and rooms of the harness that do."""
CALLS = frozenset({"fork", "Popen"})


def starts_processes(functions: Iterable[object], cls: type | None = None) -> bool:
    """Whether one of these functions names something that starts a process, itself or through what it calls.

    Followed are globals, classes with their methods, methods of ``cls``, and imports inside functions, through the code
    of tests and of the conformance kit. What a value holds when the test runs is not known here.
    """
    left, seen = [inspect.unwrap(function) for function in functions if callable(function)], set[int]()
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if _starts(thing):
            return True
        left += _reached(thing, cls)
    return False


def _starts(thing: object) -> bool:
    if isinstance(thing, types.ModuleType):
        return _starter(thing.__name__)
    if isinstance(thing, types.FunctionType) and any(
        name in CALLS or _starter(name) for name in _names(thing.__code__)
    ):
        return True
    return _starter(getattr(thing, "__module__", None) or "")


@cache
def _starter(name: str) -> bool:
    return any(name == start or name.startswith(f"{start}.") for start in STARTERS)


def _reached(thing: object, cls: type | None) -> Iterator[object]:
    if isinstance(thing, types.FunctionType) and _ours(thing.__code__.co_filename):
        for name in _names(thing.__code__):
            method = getattr(cls, name, None)
            yield from (value for value in (thing.__globals__.get(name), method) if value is not None)
    elif isinstance(thing, types.MethodType):
        yield thing.__func__
    elif isinstance(thing, type):
        members = (getattr(member, "__func__", member) for parent in thing.__mro__ for member in vars(parent).values())
        yield from (member for member in members if isinstance(member, types.FunctionType))


@cache
def _ours(file: str) -> bool:
    """Code of tests, and of the kit that they subclass; what lies below is not read."""
    path = Path(file)
    return path.is_relative_to(ROOT) and ("tests" in path.parts or "testing" in path.parts)


def _names(code: types.CodeType) -> Iterator[str]:
    """Names that a function's code uses, and modules that it imports."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
