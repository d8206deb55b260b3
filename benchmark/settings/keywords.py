"""Functions that take a statement's fields as keyword arguments.

Type checkers read names and types off the statement's constructor (a ``ParamSpec``), people off the signature and the
docstring that are written here from its fields: nothing is stated twice.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
import typing
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Concatenate, ParamSpec, TypeVar

from benchmark.settings.setting import Setting, Statement, settings_of

P = ParamSpec("P")
S = TypeVar("S", bound=Statement)
R = TypeVar("R")
Owner = TypeVar("Owner")


def keywords(statement: Callable[P, S]) -> Callable[[Callable[[S], R]], Callable[P, R]]:
    """Make a function of a statement one of the statement's fields."""

    def decorate(function: Callable[[S], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            signature.bind(*args, **kwargs)
            return function(statement(*args, **kwargs))

        signature = _describe(call, statement)
        return call

    return decorate


def method_keywords(
    statement: Callable[P, S],
) -> Callable[[Callable[[Owner, S], R]], Callable[Concatenate[Owner, P], R]]:
    """:func:`keywords` for a method."""

    def decorate(method: Callable[[Owner, S], R]) -> Callable[Concatenate[Owner, P], R]:
        @functools.wraps(method)
        def call(self: Owner, /, *args: P.args, **kwargs: P.kwargs) -> R:
            signature.bind(self, *args, **kwargs)
            return method(self, statement(*args, **kwargs))

        signature = _describe(call, statement, inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD))
        return call

    return decorate


def _describe(function: Any, statement: Any, *before: inspect.Parameter) -> inspect.Signature:
    """Give a function the signature and the docstring that a statement's fields make; returns the signature."""
    settings = settings_of(statement)
    named_only = {each.name for each in fields(statement) if each.kw_only}
    kinds = {True: inspect.Parameter.KEYWORD_ONLY, False: inspect.Parameter.POSITIONAL_OR_KEYWORD}
    parameters = [
        inspect.Parameter(one.name, kinds[one.name in named_only], default=one.default, annotation=one.hint)
        for one in settings
    ]
    parameters.sort(key=lambda parameter: parameter.kind)
    hints = typing.get_type_hints(function.__wrapped__)
    del function.__wrapped__  # whose own signature is nobody's business
    function.__signature__ = inspect.Signature([*before, *parameters], return_annotation=hints["return"])
    function.__annotations__ = {**{one.name: one.hint for one in settings}, "return": hints["return"]}
    text = inspect.cleandoc(function.__doc__ or "")
    about, raises, errors = text.partition("\n\nRaises:")
    function.__doc__ = "".join((about, "\n\nArgs:\n", *map(_argument, settings), raises.removeprefix("\n"), errors))
    signature: inspect.Signature = function.__signature__
    return signature


def _argument(setting: Setting) -> str:
    text = setting.python or setting.help[:1].lower() + setting.help[1:]
    if setting.words:
        *others, last = (f"``{word}``" for word in setting.words)
        text = f"{', '.join(others)} or {last}; {text}"
    return textwrap.fill(f"{setting.name}: {text}", 100, initial_indent=" " * 4, subsequent_indent=" " * 8) + "\n"
