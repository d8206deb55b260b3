"""Options of the command line from the fields of a statement, and the statement's values from what was typed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from benchmark.cli import completion
from benchmark.errors import UsageError
from benchmark.settings.setting import PANELS, Setting, Statement, settings_of

F = TypeVar("F", bound=Callable[..., None])


def options_from(statement: type[Statement]) -> Callable[[F], F]:
    """Give a command an option for each setting that has a panel, beside the options that it declares itself.

    The command gets what was typed as keyword arguments; :func:`read` makes values of it.
    """

    def decorate(command: F) -> F:
        own = inspect.signature(command, eval_str=True)
        flags = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        options = [_parameter(one) for one in settings_of(statement) if one.panel] + flags
        options.sort(key=lambda one: PANELS.index(one.annotation.__metadata__[0].rich_help_panel))
        command.__signature__ = own.replace(parameters=options)  # type: ignore[attr-defined]
        return command

    return decorate


def read(statement: type[Statement], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a statement's settings from what was typed for them.

    Raises:
        UsageError: text that no value can be read from.
    """
    return {one.name: _value(one, typed[one.name]) for one in settings_of(statement) if one.panel}


def _parameter(setting: Setting) -> inspect.Parameter:
    switch = setting.form == "value" and setting.scalar is bool
    kind: Any = {"names": str, "pairs": list[str] | None}.get(setting.form) or setting.scalar
    default = "" if setting.form == "names" else setting.default
    if setting.word:
        kind, default = str, setting.word
    elif setting.default is None:
        kind = kind | None
    option = typer.Option(
        *(setting.flags or ([setting.flag] if switch else ())),
        metavar=setting.metavar or "|".join(setting.words) or None,
        help=setting.help,
        min=None if setting.word else setting.minimum,
        autocompletion=_completion(setting),
        rich_help_panel=setting.panel,
    )
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def _completion(setting: Setting) -> Callable[..., completion.Suggestions] | None:
    if setting.words:
        return completion.words(*setting.words)
    if not setting.complete:
        return None
    name, *arguments = setting.complete
    function: Callable[..., Any] = getattr(completion, name)
    return function(*arguments) if arguments else function


def _value(setting: Setting, typed: Any) -> Any:
    if setting.form == "names":
        return tuple(name.strip() for name in (typed or "").split(",") if name.strip())
    if setting.form == "pairs":
        return _pairs(setting, typed or [])
    if setting.word:
        return _number(setting, typed)
    return typed


def _number(setting: Setting, text: str) -> int:
    if text == setting.word:
        number: int = setting.default
        return number
    if not text.isdigit() or int(text) < (setting.minimum or 0):
        raise UsageError(f"{setting.flag} {text!r}: give a number from {setting.minimum:g} on, or {setting.word}")
    return int(text)


def _pairs(setting: Setting, items: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` by key; where the metavar has a dot in its key, ``NAME.OPTION=VALUE`` by name and option."""
    values: dict[str, Any] = {}
    flag = setting.flags[0] if setting.flags else setting.flag
    nested = "." in setting.metavar.partition("=")[0]
    for item in items:
        key, separator, value = item.partition("=")
        owner, dot, option = key.rpartition(".")
        if not separator or not (owner and dot and option if nested else key and value):
            raise UsageError(f"{flag} {item!r}: write {setting.metavar}{setting.advice}")
        if nested:
            values.setdefault(owner, {})[option] = value
        elif key in values:
            raise UsageError(f"{flag} {item!r}: {key} was given before")
        else:
            values[key] = value
    return values
