"""JSON files that carry the hash of their own text, so that a torn or altered one is noticed.

The first line is the seal, the rest is what it seals; together they are one JSON object. The hash is of the text,
which is read anyway: of the value's canonical form it would take as long as all else that a leaderboard does. A seal
shows accidents, and edits by hand; whoever edits can seal again, which ``benchmark verify`` finds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import atomic


class Unsealed(ValueError):
    """The file is torn, or was altered."""


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, sealed.

    Raises:
        OSError: it cannot be written.
        ValueError: a number is NaN or infinite.
    """
    atomic.write_bytes(path, sealed(value))


def sealed(value: Mapping[str, Any]) -> bytes:
    """The text of a sealed JSON object.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    content = json.dumps(value, indent=1, allow_nan=False).removeprefix("{\n").encode() + b"\n"
    return _first_line(content) + content


def read_sealed(path: str | Path) -> dict[str, Any]:
    """Read what :func:`write_sealed` wrote.

    Raises:
        Unsealed: it is torn, was altered, or is no JSON object.
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as handle:
        text = handle.read()
    end = text.find(b"\n") + 1
    if text[:end] != _first_line(text[end:]):
        raise Unsealed("torn or altered")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unsealed(str(error)) from None
    del value["sha256"]
    return dict(value)


def _first_line(content: bytes) -> bytes:
    return b'{"sha256": "' + hashlib.sha256(content).hexdigest().encode() + b'",\n'
