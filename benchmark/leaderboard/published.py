"""A reproduced table: what somebody published beside what came out here, and whether the order of models agrees."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.leaderboard.tables import PublishedRow, Reproduction, Table
from benchmark.statistics.agreement import kendall


def reproductions(table: Table, published: Iterable[Mapping[str, Any]]) -> tuple[Reproduction, ...]:
    """The published tables (as a grid's file and ``run.json`` hold them) that are about a table's task."""
    return tuple(found for entry in published if entry["task"] == table.task and (found := _beside(table, entry)))


def _beside(table: Table, entry: Mapping[str, Any]) -> Reproduction | None:
    """``None`` when no model of the published table is in ours."""
    scores: Mapping[str, Mapping[str, float]] = entry["scores"]
    ours = {row.name: row for row in table.rows}
    if not scores.keys() & ours.keys():
        return None
    columns = tuple(column for column in table.columns if any(column.name in values for values in scores.values()))
    rows = []
    for name, values in scores.items():
        means = {
            column.name: score.interval.mean
            for column in columns
            if name in ours and (score := ours[name].scores.get(column.name)) and score.known
        }
        rows.append(PublishedRow(name, means, {key: float(value) for key, value in values.items()}))
    agreement = {
        column.name: kendall(
            {row.name: row.ours[column.name] for row in rows if math.isfinite(row.ours.get(column.name, math.nan))},
            {row.name: row.published[column.name] for row in rows if column.name in row.published},
        )
        for column in columns
    }
    return Reproduction(str(entry["source"]), str(entry["note"]), columns, tuple(rows), agreement)
