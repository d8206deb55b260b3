"""Standard streams that are closed, or whose reader has gone: no reason for a run to end.

A daemon starts without them (``>&-``), and ``benchmark run ... | head`` reads ten lines of a training of a night.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

Told = TypeVar("Told")
MODES = ("r", "w", "w")


def open_closed() -> None:
    """Put nothing in the place of each standard stream that is closed, so that no file of ours gets its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            stream = open(number, MODES[number], encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as we live
            setattr(sys, name, stream)


def give_up_output() -> None:
    """From now on what is printed goes nowhere; standard error too where it is the same file."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError):
        lost, other = os.fstat(1), os.fstat(2)
        if (lost.st_dev, lost.st_ino) == (other.st_dev, other.st_ino):
            os.dup2(nowhere, 2)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def outliving(observer: Told) -> Told:
    """An observer whose calls go on, unheard, once nobody reads the output any more."""

    def heard(call: Callable[..., Any]) -> Callable[..., Any]:
        def told(*arguments: Any) -> Any:
            try:
                return call(*arguments)
            except BrokenPipeError:
                give_up_output()
            return None

        return told

    return type(observer)(*(heard(getattr(observer, field.name)) for field in fields(observer)))  # type: ignore[arg-type]
