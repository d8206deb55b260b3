"""Rank and primary metric against budget: tables of one task that differ in nothing but how long models trained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmark.contracts.budget import budgets_from
from benchmark.errors import UsageError
from benchmark.leaderboard.ranking import separated
from benchmark.leaderboard.tables import Curve, Leaderboard, Point, Row, Table, Turn
from benchmark.statistics.claims import ALPHA


def curves(tables: Sequence[Table]) -> tuple[Curve, ...]:
    """A curve for each task, data set, profile, preset and currency with two budgets or more."""
    alike: dict[tuple[str, ...], list[Table]] = {}
    for table in tables:
        if table.budget is not None and any(row.scores for row in table.rows):
            key = (table.task, table.content_sha256, table.profile, table.preset, table.budget.currency)
            alike.setdefault(key, []).append(table)
    return tuple(
        _curve(sorted(some, key=lambda table: table.budget.amount if table.budget else 0.0))
        for some in alike.values()
        if len(some) > 1
    )


def at_budget(board: Leaderboard, said: str, run: str) -> Leaderboard:
    """The tables of one budget alone.

    Raises:
        UsageError: it is no amount, or nothing was trained for it.
    """
    known = list(dict.fromkeys(table.budget for table in board.tables if table.budget is not None))
    if not known:
        raise UsageError(f"{run}: it has no budgets; benchmark run --budgets 100,300,1000 makes a run that has")
    asked = {budget for currency in {b.currency for b in known} for budget in budgets_from([said], currency)}
    tables = tuple(table for table in board.tables if table.budget in asked)
    if not tables:
        labels = ", ".join(budget.label for budget in known)
        raise UsageError(
            f"budget {said}: {run} was trained for {labels} {known[0].currency}; the same benchmark run with "
            f"--budgets {labels.replace(' ', '')},{said} goes on from there"
        )
    return replace(board, tables=tables, curves=(), overall=None)


def _curve(tables: Sequence[Table]) -> Curve:
    last = tables[-1]
    by_name = [{row.name: row for row in table.rows if row.scores} for table in tables]
    names = list(dict.fromkeys(name for rows in reversed(by_name) for name in rows))
    order = {row.name: place for place, row in enumerate(last.rows)}
    names.sort(key=lambda name: order.get(name, math.inf))
    primary = last.primary_column or last.columns[0]
    return Curve(
        task=last.task,
        title=last.title,
        tables=tuple(table.key for table in tables),
        budgets=tuple(table.budget for table in tables if table.budget is not None),
        primary=primary,
        rows={name: tuple(_point(rows.get(name), primary.name) for rows in by_name) for name in names},
        free=tuple(name for name in names if any(_is_free(rows.get(name)) for rows in by_name)),
        turns=tuple(turn for pair in itertools.pairwise(tables) for turn in _turns(*pair)),
    )


def _is_free(row: Row | None) -> bool:
    return row is not None and not row.seeded and not row.submitted


def _point(row: Row | None, metric: str) -> Point:
    return Point(row.rank, row.rank_range, row.scores.get(metric)) if row else Point(None, None, None)


def _turns(before: Table, after: Table) -> Iterator[Turn]:
    """Pairs that stand the other way round after a longer training, the larger changes first."""
    old, new = ({row.name: row.rank for row in table.rows if row.rank} for table in (before, after))
    both = sorted(old.keys() & new.keys(), key=lambda name: (new[name], name))
    apart = [separated(table.comparisons, ranks, both, ALPHA) for table, ranks in ((before, old), (after, new))]
    turned = [
        (winner, loser) for winner in both for loser in both if new[winner] < new[loser] and old[winner] > old[loser]
    ]
    claimed = {pair: all(frozenset(pair) in pairs for pairs in apart) for pair in turned}
    for winner, loser in sorted(turned, key=lambda pair: (not claimed[pair], new[pair[0]], new[pair[1]])):
        if before.budget is not None and after.budget is not None:
            yield Turn(after.budget, before.budget, winner, loser, claimed[winner, loser])
