"""Options of components: dataclass defaults, changed by preset, grid file and command line.

A default may depend on the value of another option: ``metadata={"when": {"architecture": {"authors": (8, "its
paper")}}}`` gives 8 where ``architecture`` is ``authors``, with the source of that value. It holds unless a preset,
a grid or the user sets the option itself; the value that results is what the record holds.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any

from benchmark.errors import UsageError


def resolve(owner: str, options: type | None, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every option of ``owner``: its defaults with each layer laid over them.

    Defaults that depend on another option follow the value that the layers give to that one.

    Raises:
        UsageError: an option that the component does not have, or a value of the wrong type.
    """
    if options is None:
        extra = [name for layer in layers for name in layer]
        if extra:
            raise UsageError(f"{owner} has no options, but {extra[0]!r} was set")
        return {}
    fields = {field.name: field for field in dataclasses.fields(options)}
    hints = typing.get_type_hints(options)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if field.default is not dataclasses.MISSING:
            values[name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            values[name] = field.default_factory()
    for layer in layers:
        for name, value in layer.items():
            if name not in fields:
                near = difflib.get_close_matches(name, fields, n=3, cutoff=0.5)
                advice = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"It has: {', '.join(fields)}."
                raise UsageError(f"{owner} has no option {name!r}. {advice}")
            values[name] = coerce(value, hints[name], f"{owner}.{name}")
    for name in fields.keys() - {name for layer in layers for name in layer}:
        for other, cases in fields[name].metadata.get("when", {}).items():
            if values[other] in cases:
                values[name] = cases[values[other]][0]
    return {name: plain(value) for name, value in values.items()}


def coerce(value: Any, hint: Any, where: str) -> Any:
    """Turn a TOML value or a string from the command line into what the type hint asks for.

    Raises:
        UsageError: it cannot be.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() == "none" and type(None) in args):
            if type(None) in args:
                return None
        else:
            for choice in args:
                if choice is not type(None):
                    try:
                        return coerce(value, choice, where)
                    except UsageError:
                        continue
        raise UsageError(f"{where}: {value!r} is not {hint}")
    if origin is typing.Literal:
        for choice in args:
            if value == choice or str(value) == str(choice):
                return choice
        raise UsageError(f"{where}: {value!r} is not one of {', '.join(map(str, args))}")
    if origin is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            raise UsageError(f"{where}: {value!r} is not a list")
        return tuple(coerce(part, args[0], where) for part in parts)
    if hint is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "yes", "1", "on"):
            return True
        if str(value).lower() in ("false", "no", "0", "off"):
            return False
    elif hint is int and not isinstance(value, bool):
        if isinstance(value, int):
            return value
        try:
            return int(str(value))
        except ValueError:
            pass
    elif hint is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif hint is str and isinstance(value, str):
        return value
    raise UsageError(f"{where}: {value!r} is not {getattr(hint, '__name__', hint)}")


def plain(value: Any) -> Any:
    """Tuples as lists, so that a value survives JSON unchanged."""
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def build(options: type | None, values: Mapping[str, Any]) -> Any:
    """The options dataclass from resolved values (``None`` for a component without options)."""
    if options is None:
        return None
    hints = typing.get_type_hints(options)
    return options(**{name: coerce(value, hints[name], name) for name, value in values.items()})


def describe(options: type | None, changed: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Name, type, default, help and source of every option, for ``benchmark show``.

    ``search``: where ``benchmark tune`` looks, as the fields of :mod:`benchmark.contracts.search`, or ``None``.
    ``when`` lists the defaults that hold where another option has some value: ``[{"option", "value", "default",
    "source"}]``.
    """
    if options is None:
        return []
    hints = typing.get_type_hints(options)
    values = resolve("", options, changed or {})
    return [
        {
            "name": field.name,
            "type": _type_name(hints[field.name]),
            "default": values.get(field.name),
            "help": field.metadata.get("help", ""),
            "source": field.metadata.get("source", ""),
            "search": _search(field.metadata.get("search")),
            "when": [
                {"option": other, "value": case, "default": plain(default), "source": source}
                for other, cases in field.metadata.get("when", {}).items()
                for case, (default, source) in cases.items()
            ],
        }
        for field in dataclasses.fields(options)
    ]


def _search(declared: Any) -> dict[str, Any] | None:
    """A search space (:mod:`benchmark.contracts.search`) as plain values."""
    known = dataclasses.is_dataclass(declared) and not isinstance(declared, type)
    return {key: plain(value) for key, value in vars(declared).items()} if known else None


def _type_name(hint: Any) -> str:
    """A type as a user would write it: ``int``, ``a|b`` for choices, ``float,...`` for lists."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return "|".join(map(str, args))
    if origin is tuple:
        return f"{_type_name(args[0])},..."
    if origin in (typing.Union, types.UnionType):
        return "|".join(_type_name(arg) for arg in args)
    return "none" if hint is type(None) else str(getattr(hint, "__name__", hint))
