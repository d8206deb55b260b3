"""Text for the terminal: escaped, aligned, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from benchmark.printable import printable


def safe(text: object) -> str:
    """The text with its lines, and no control characters in them."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def echo(text: object = "") -> None:
    """Print a line."""
    typer.echo(safe(text))


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=1, allow_nan=False))


def warn(lines: Iterable[str]) -> None:
    """Print warnings to stderr, a line each."""
    for line in lines:
        print(safe(f"warning: {line}"), file=sys.stderr)


def columns(rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows as lines of aligned columns; the last column is not padded."""
    texts = [[safe(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))] if texts else []
    lines = []
    for row in texts:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return lines


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 patient``, ``2 patients``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def minutes(seconds: float | None) -> str:
    """A duration for people."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
