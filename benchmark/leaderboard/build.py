"""From records to leaderboards: group what may be compared, score, rank, say what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.contracts.specs import MetricSpec, TaskSpec
from benchmark.data.format.facts import DataFacts
from benchmark.leaderboard.budgets import curves
from benchmark.leaderboard.capacity import with_differences, with_ratios
from benchmark.leaderboard.collect import Group, collect
from benchmark.leaderboard.contest import seeded
from benchmark.leaderboard.downstream import downstream_of
from benchmark.leaderboard.fidelity import with_uses
from benchmark.leaderboard.marks import mark_best
from benchmark.leaderboard.notes import table_notes
from benchmark.leaderboard.overall import over_tables
from benchmark.leaderboard.published import reproductions
from benchmark.leaderboard.ranking import Ranking, rank
from benchmark.leaderboard.scores import columns, entries, row, stages
from benchmark.leaderboard.tables import Column, Leaderboard, Table
from benchmark.statistics.bootstrap import RESAMPLES, Resamples
from benchmark.store.record import Record

FEWEST_RESAMPLES = 2_000
ROWS_IN_FULL = 60
"""Leaderboards of more rows take fewer resamples for each, but not fewer than :data:`FEWEST_RESAMPLES`."""


def build(
    records: Iterable[Record],
    metrics: Mapping[str, MetricSpec],
    tasks: Mapping[str, TaskSpec] | None = None,
    published: Sequence[Mapping[str, Any]] = (),
    unreadable: Iterable[tuple[str, str]] = (),
) -> Leaderboard:
    """Leaderboards of a run from its cells' records, which are read one at a time, in whatever order they come.

    ``metrics`` gives label, unit and direction; ``tasks``, where given, the headings where no cell was done;
    ``published`` the tables of ``run.json`` that are printed beside ours; ``unreadable`` the cells without a
    readable record (id and reason), which are shown as such.
    """
    collected = collect(records, unreadable)
    rows = sum(len({cell.name for cell in group.cells}) for group in collected.groups)
    count = max(FEWEST_RESAMPLES, RESAMPLES * ROWS_IN_FULL // max(rows, ROWS_IN_FULL))
    pairs = [_table(group, metrics, (tasks or {}).get(group.task), count) for group in collected.groups]
    tables = tuple(replace(table, published=reproductions(table, published)) for table, _ in pairs)
    cells = "cell is" if collected.stale == 1 else "cells are"
    notes = (f"{collected.stale} stale {cells} left out; 'benchmark status' shows them.",) if collected.stale else ()
    overall = over_tables([(table, ranking) for table, (_, ranking) in zip(tables, pairs, strict=True)])
    return Leaderboard(tables, overall, notes, collected.unreadable, curves(tables))


def _table(
    group: Group, metrics: Mapping[str, MetricSpec], task: TaskSpec | None, resampled: int
) -> tuple[Table, Ranking]:
    unit = str(group.definition.get("unit", task.target_unit if task else ""))
    listed = columns(group, metrics, unit)
    data = group.dataset
    content = data.content_sha256 if data is not None else ""
    found = entries(group, listed)
    resamples = Resamples(len(group.patients), content, resampled) if len(group.patients) > 1 else None
    rows = [
        replace(row(entry, group, listed, resamples), seeded=varies)
        for entry, varies in zip(found, seeded(found), strict=True)
    ]
    ranking = rank(with_differences(with_ratios(rows)), found, group, listed, resamples)
    done = [cell for cell in group.cells if cell.state == "done"]
    table = Table(
        task=group.task,
        title=_title(data, task),
        dataset=data.name if data is not None else "",
        content_sha256=content,
        simulated=data.simulated if data is not None else None,
        degraded=data is not None and data.degraded,
        remarks=data.remarks if data is not None else (),
        profile=group.profile,
        preset=group.preset,
        patients=len(group.patients),
        hardware=tuple(sorted({cell.hardware for cell in done})),
        primary=str(group.definition.get("primary", listed[0].name if listed else "")),
        ranked_by=ranking.ranked_by,
        columns=listed,
        rows=tuple(mark_best(ranking.rows, found, group, listed)),
        comparisons=ranking.comparisons,
        stability=ranking.stability,
        notes=(),
        stages=stages(found),
        downstream=downstream_of(found, group, resamples),
        budget=group.budget,
        split=group.split,
    )
    table = with_uses(table, found, group)
    score_keys = {cell.score_key for cell in done}
    notes = table_notes(table, mixed_sources=len(score_keys) > 1)
    return replace(table, notes=notes, columns=_with_values(table)), ranking


def _with_values(table: Table) -> tuple[Column, ...]:
    """The columns but for those of dashes: metrics that were skipped for all models, of which a note says why."""
    scored = [row for row in table.rows if row.scores]
    return tuple(
        column
        for column in table.columns
        if column.name == table.primary or not scored or any(not row.scores[column.name].reason for row in scored)
    )


def _title(data: DataFacts | None, task: TaskSpec | None) -> str:
    """What becomes what: as the data say, which may be another contrast than the task's own."""
    if data is not None:
        return f"{data.source_modality} to {data.target_modality}"
    return f"{task.source_modality} to {task.target_modality}" if task else ""
