"""What one job does: a cell, or several short ones after each other, with the data that need building as cells too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.cell.job import job_from_json, job_to_json
from benchmark.executors import Assignment, Event
from benchmark_executors import exchange


@dataclass(frozen=True)
class Bundle:
    """``timeout``, ``attempts``, ``preload``: see :class:`benchmark.executors.Surroundings`. ``poll_seconds``: how
    often both sides look at files. ``lost_seconds``: how long one that says nothing is taken to be alive.
    ``independent``: the job goes on when the run that wants it has gone. ``stage``: a folder of the node to which data
    are copied first; empty: none."""

    assignments: tuple[Assignment, ...]
    timeout: float | None
    attempts: int
    preload: tuple[str, ...]
    poll_seconds: float
    lost_seconds: float
    independent: bool
    stage: str = ""

    def write(self, folder: Path) -> None:
        """Put it into a job's folder."""
        cells = [{"title": one.title, "job": job_to_json(one.job)} for one in self.assignments]
        plain = ("timeout", "attempts", "poll_seconds", "lost_seconds", "independent", "stage")
        settings = {name: getattr(self, name) for name in plain}
        exchange.write(folder / "bundle.json", {**settings, "preload": list(self.preload), "cells": cells})

    @classmethod
    def read(cls, folder: Path) -> Bundle | None:
        """What lies in a job's folder; ``None`` where nothing readable does."""
        content = exchange.read(folder / "bundle.json")
        return None if content is None else cls._from_json(content)

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> Bundle:
        cells = content.pop("cells")
        assignments = tuple(Assignment(cell["title"], job_from_json(cell["job"])) for cell in cells)
        return cls(assignments=assignments, **{**content, "preload": tuple(content["preload"])})


def end(folder: Path, number: int, event: Event) -> None:
    """Write down how the ``number``-th cell of a job ended."""
    content = {name: getattr(event, name) for name in ("title", "state", "reason", "stop", "attempt")}
    exchange.write(folder / f"ended.{number}", content)


def ended(folder: Path, number: int) -> Event | None:
    """How the ``number``-th cell of a job ended, once it has."""
    content = exchange.read(folder / f"ended.{number}")
    return Event("finished", **content) if content else None


def unfinished(folder: Path, assignments: Sequence[Assignment]) -> dict[int, Assignment]:
    """The cells of a job that have not ended, by their number in it."""
    return {number: one for number, one in enumerate(assignments) if ended(folder, number) is None}
