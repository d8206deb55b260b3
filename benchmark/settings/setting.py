"""One setting: what there is to say of it beside name, type and default, kept in its field's metadata."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import UsageError

WHAT, TRAINING, HOW, WHERE = "What to run", "Training and scoring", "How to run it", "Where it is kept"
PANELS = (WHAT, TRAINING, HOW, WHERE)
"""Headings of ``benchmark run --help``, in their order."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a field of a :class:`Statement` says of itself beside its name, its type and its default."""

    name: str = ""
    hint: Any = None
    default: Any = None
    help: str = ""
    """For ``benchmark run --help`` and docs/cli.md."""
    python: str = ""
    """For ``help(benchmark.run)``, where a script gives something else than a shell does."""
    panel: str = ""
    """The heading of its option; without one it has none on the command line."""
    metavar: str = ""
    """What stands for its value; for a ``Literal`` and a switch that follows from the type."""
    flags: tuple[str, ...] = ()
    """Names of the option, where it is not the field's."""
    complete: tuple[str, ...] = ()
    """What completes its value: a function of :mod:`benchmark.cli.completion`, and what that is called with."""
    minimum: float | None = None
    """The least value that the command line takes."""
    word: str = ""
    """What is typed for the default, where that is a number which means something else."""
    advice: str = ""
    """What is said after its metavar where its text cannot be read."""
    in_name: bool = False
    """Whether it goes into the hash at the end of a run folder's name."""
    kept: bool = True
    """Whether ``run.json`` says it; callbacks cannot be written down."""

    @property
    def flag(self) -> str:
        """The long name of its option."""
        return self.flags[-1] if self.flags else f"--{self.name.replace('_', '-')}"

    @property
    def words(self) -> tuple[str, ...]:
        """The values of a ``Literal``; empty for any other type."""
        return typing.get_args(self.hint) if typing.get_origin(self.hint) is Literal else ()

    @property
    def form(self) -> Literal["value", "names", "pairs"]:
        """How it is typed: as one value, as a list with commas, or as several ``KEY=VALUE``."""
        kinds = {typing.get_origin(kind) for kind in _alternatives(self.hint)}
        return "pairs" if Mapping in kinds else "names" if Collection in kinds and self.default == () else "value"

    @property
    def scalar(self) -> type:
        """The type of the one value that is typed."""
        if self.default is not None:
            return Path if isinstance(self.default, Path) else type(self.default)
        scalar: type = next(kind for kind in _alternatives(self.hint) if kind is not types.NoneType)
        return scalar


def _alternatives(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def setting(default: Any, help: str, **more: Any) -> Any:
    """A field of a :class:`Statement`; ``more`` is what :class:`Setting` has."""
    return field(default=default, metadata={"setting": Setting(default=default, help=help, **more)})


def choice(default: Any, help: str, **more: Any) -> Any:
    """A :func:`setting` that changes cells, and is not in the name of their run's folder in so many words."""
    return setting(default, help, in_name=True, **more)


def settings_of(statement: type[Statement]) -> tuple[Setting, ...]:
    """Every setting of a statement, in the order of its fields."""
    hints = typing.get_type_hints(statement)
    return tuple(replace(each.metadata["setting"], name=each.name, hint=hints[each.name]) for each in fields(statement))


@dataclass(frozen=True)
class Statement:
    """What somebody said, checked field by field as it is made.

    Lists of names become tuples, so that whoever made the list cannot change it.
    """

    def __post_init__(self) -> None:
        for each in settings_of(type(self)):
            value = getattr(self, each.name)
            if each.words and value not in each.words:
                *others, last = each.words
                raise UsageError(f"{each.name} {value!r}: choose {', '.join(others)} or {last}")
            if each.form == "names":
                if isinstance(value, str):
                    raise UsageError(f"{each.name}={value!r}: give a list of names, [{value!r}]")
                object.__setattr__(self, each.name, tuple(value))

    def said(self) -> dict[str, Any]:
        """All of it as JSON, for ``run.json``."""
        return {each.name: as_json(getattr(self, each.name)) for each in settings_of(type(self)) if each.kept}


def as_json(value: Any) -> Any:
    """A value as JSON holds it; text for what JSON does not know."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, Collection):
        return [as_json(one) for one in value]
    return str(value)
