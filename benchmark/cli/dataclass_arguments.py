"""Command-line arguments from the fields of an importer's options dataclass."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any

from benchmark.contracts.options import coerce
from benchmark.contracts.specs import ImporterSpec
from benchmark.errors import UsageError


def parse(program: str, spec: ImporterSpec, arguments: list[str]) -> tuple[Any, Path]:
    """Build the options of an importer from arguments; also ``--out``, the file to write.

    A field becomes ``--field-name``, or a positional argument where its metadata say ``"positional"``;
    ``help`` and ``choices`` come from the metadata too; where they say ``"repeated"``, an option that is given several
    times becomes a tuple of what was given, whole. Prints help and exits as argparse does.
    """
    parser = argparse.ArgumentParser(prog=program, description=_description(spec), allow_abbrev=False)
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.h5", help="the data set file to write")
    if spec.options is None:
        return None, parser.parse_args(arguments).out
    hints = typing.get_type_hints(spec.options)
    for field in sorted(dataclasses.fields(spec.options), key=_optional):  # what must be given comes first
        _add(parser, field, hints[field.name])
    values = vars(parser.parse_args(arguments))
    output = values.pop("out")
    given = {name: value for name, value in values.items() if value is not None}
    options = {name: _value(value, hints[name], f"--{name.replace('_', '-')}") for name, value in given.items()}
    return spec.options(**options), output


def _description(spec: ImporterSpec) -> str:
    """The summary, and what the options' docstring says of the layout; not one that dataclass made."""
    if spec.options is None:
        return spec.summary
    text = inspect.getdoc(spec.options) or ""
    return f"{spec.summary}. {text}" if text and not text.startswith(f"{spec.options.__name__}(") else spec.summary


def _value(given: Any, hint: Any, where: str) -> Any:
    """What was typed as what the field holds; an option that was given again is all of it."""
    if isinstance(given, list):
        return given[0] if len(given) == 1 else tuple(given)
    return Path(given) if _is_path(hint) else coerce(given, hint, where)


class _Once(argparse.Action):
    """An option that is given twice is a mistake: the first would be forgotten without a word."""

    def __call__(
        self,
        _: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            raise UsageError(f"{option_string} is given twice; it takes one value")
        setattr(namespace, self.dest, values)


class _Joined(argparse.Action):
    """An option of several values may be given again, or take them with commas between."""

    def __call__(
        self,
        _: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        __: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if before is None else f"{before},{values}")


def _is_path(hint: Any) -> bool:
    return hint is Path or Path in typing.get_args(hint)


def _optional(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _add(parser: argparse.ArgumentParser, field: dataclasses.Field[Any], hint: Any) -> None:
    text = str(field.metadata.get("help", "")).replace("%", "%%")
    required = not _optional(field)
    if not required and field.default not in (None, "", (), dataclasses.MISSING):
        text += f" (default: {str(field.default).replace('%', '%%')})"
    if field.metadata.get("positional"):
        parser.add_argument(field.name, metavar=field.name.upper(), help=text, nargs=None if required else "?")
        return
    flag = f"--{field.name.replace('_', '-')}"
    repeated = bool(field.metadata.get("repeated"))
    if hint is bool:
        parser.add_argument(flag, dest=field.name, action=argparse.BooleanOptionalAction, default=None, help=text)
        return
    parser.add_argument(
        flag,
        dest=field.name,
        action="append" if repeated else _Joined if typing.get_origin(hint) is tuple else _Once,
        required=required,
        help=text,
        metavar="VALUE",
        choices=field.metadata.get("choices"),
    )
