"""The training log, ``log.jsonl``: one JSON object a line, appended while a cell trains.

A line is torn when its writer is killed. Whoever reads takes what is whole up to there; whoever goes on writing cuts
the rest off first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


class TrainingLog:
    """The log of one cell: lines with ``step``, and ``losses`` with ``images_per_s``, or ``validation_mae``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def losses(self, step: int, losses: Mapping[str, float], images_per_s: float | None = None) -> None:
        """Append the losses of a step; those that are not finite are left out, as JSON has no word for them."""
        line: dict[str, Any] = {"step": step, "losses": {k: v for k, v in losses.items() if math.isfinite(v)}}
        self._append(line if images_per_s is None else {**line, "images_per_s": round(images_per_s, 2)})

    def validation(self, step: int, mae: float) -> None:
        """Append a validation error, in network space."""
        self._append({"step": step, "validation_mae": mae if math.isfinite(mae) else None})

    def start_at(self, step: int) -> None:
        """Drop what was logged after a step, and any torn line: training goes on from there."""
        if not step:
            self._path.unlink(missing_ok=True)
            return
        self._path.write_text(self.text(step), encoding="utf-8")

    def text(self, step: int) -> str:
        """The whole lines up to a step, as they stand in the file."""
        return _written(line for line in self.lines() if line["step"] <= step)

    def begin_with(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Drop everything, and begin with these lines of another training that goes on here."""
        self._path.write_text(_written(lines), encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line, in order, up to one that is torn or makes no sense; none where there is no log."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return []
        lines = []
        for text in content.splitlines():
            if (line := _parsed(text)) is None:
                break
            lines.append(line)
        return lines

    def last_validation(self) -> float | None:
        """The latest validation error."""
        errors = [line["validation_mae"] for line in self.lines() if "validation_mae" in line]
        return errors[-1] if errors else None

    def _append(self, line: Mapping[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")


class LogTail:
    """New lines of a log that another process writes."""

    def __init__(self, path: Callable[[], Path]) -> None:
        """``path`` says where the log is: it moves when its cell is begun, and when it is ended."""
        self._path = path
        self._read = 0

    def new(self) -> list[dict[str, Any]]:
        """What was logged since the last time; all of it again where training went on from before that."""
        try:
            with self._path().open("rb") as handle:
                if handle.seek(0, 2) < self._read:
                    self._read = 0
                handle.seek(self._read)
                text, newline, _ = handle.read().rpartition(b"\n")
        except OSError:
            return []
        self._read += len(text) + len(newline)
        lines = (_parsed(line) for line in text.splitlines())
        return [line for line in lines if line is not None]


def _written(lines: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def _parsed(text: bytes) -> dict[str, Any] | None:
    """A line of a log; ``None`` if it is torn or none."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and type(line.get("step")) is int else None
