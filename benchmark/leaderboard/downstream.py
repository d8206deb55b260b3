"""Downstream evaluations as a sheet of their own beside a table: models, their values, what the target itself has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.leaderboard.collect import Cell, Group
from benchmark.leaderboard.scores import Entry, score
from benchmark.leaderboard.tables import Column, DownstreamSheet, Score

if TYPE_CHECKING:
    from benchmark.statistics.bootstrap import Resamples


def downstream_of(found: Sequence[Entry], group: Group, resamples: Resamples | None) -> DownstreamSheet | None:
    """The downstream evaluations of a group's models; ``None`` where none was asked."""
    done = [cell for entry in found for cell in entry.done]
    if not any(cell.downstream or cell.no_downstream for cell in done):
        return None
    columns: dict[str, Column] = {}
    ideal: dict[str, float] = {}
    for cell in done:
        for name, value in cell.downstream.items():
            columns.setdefault(name, value.column)
            if not math.isnan(value.ideal):
                ideal.setdefault(name, value.ideal)
    shown = [entry for entry in found if any(cell.downstream for cell in entry.done)]
    rows = {
        entry.name: {column.name: _score(entry, group, column, resamples) for column in columns.values()}
        for entry in shown
    }
    return DownstreamSheet(tuple(columns.values()), rows, ideal, tuple(_notes(done, columns)))


def _score(entry: Entry, group: Group, column: Column, resamples: Resamples | None) -> Score:
    """A model under one value: scored as a metric is, from the cells' measured values in place of their scores."""
    measured = [
        replace(cell, values={column.name: cell.downstream[column.name].values})
        for cell in entry.done
        if column.name in cell.downstream
    ]
    return score(Entry(entry.name, entry.cells, measured), group, column, resamples)


def _notes(done: Sequence[Cell], columns: dict[str, Column]) -> Iterator[str]:
    """What the measures are, and where they have nothing to say."""
    about = {name: text for cell in done for name, text in cell.about_downstream.items()}
    for name, text in sorted(about.items()):
        labels = ", ".join(column.label for column in columns.values() if column.name.startswith(f"{name}/"))
        yield f"{labels}: {text}"
    reasons: dict[tuple[str, str], list[str]] = {}
    for cell in done:
        for name, reason in cell.no_downstream.items():
            reasons.setdefault((name, reason), []).append(cell.name)
    for (name, reason), names in sorted(reasons.items()):
        whose = "" if len(names) == len(done) else f" of {', '.join(dict.fromkeys(names))}"
        yield f"{name}{whose}: {reason}"
    if columns:
        yield "Not part of the ranking. (target itself): what the same evaluation finds in the true images."
