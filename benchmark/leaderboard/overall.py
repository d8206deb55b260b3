"""One order over several tables: mean ranks, wins, places in the leading group."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmark.leaderboard.tables import LEADING, Overall, OverallRow, Table
from benchmark.statistics.ranks import competition_ranks, mean_ranks


def over_tables(tables: Sequence[Table]) -> Overall | None:
    """Mean ranks over the tables that rank anything; ``None`` below two of them.

    A model that is missing from a table is shown with the mean over its own tables and their number, but
    has no place in the order: a mean over easier company is not comparable.
    """
    tables = [table for table in tables if any(row.rank is not None for row in table.rows)]
    if len(tables) < 2:
        return None
    blocks = [{row.name: float(row.rank) for row in table.rows if row.rank is not None} for table in tables]
    means = mean_ranks(blocks, higher_is_better=False)
    complete = {name: mean for name, mean in means.items() if all(name in block for block in blocks)}
    order = competition_ranks(complete, higher_is_better=False)
    rows = []
    for name, mean in means.items():
        mine = [(table, row) for table in tables for row in table.rows if row.name == name and row.rank]
        rows.append(
            OverallRow(
                name=name,
                baseline=mine[0][1].baseline,
                rank=order.get(name),
                mean_rank=mean,
                ranked_in=len(mine),
                wins=sum(row.rank == 1 for _, row in mine),
                leading=sum(row.tier == LEADING for _, row in mine),
                ranks={table.key: row.rank for table, row in mine if row.rank},
            )
        )
    rows.sort(key=lambda row: (row.rank or math.inf, row.mean_rank, row.name))
    notes = [
        "Mean of the ranks in each table; models that share a rank there share the middle one.",
        "wins: first by the mean. leading: not separated from the best.",
    ]
    if len(complete) < len(means):
        notes.append("Without a rank: not scored in every table; the mean is over the tables it is in.")
    single = len({table.task for table in tables}) == len(tables)
    kinds = {table.simulated for table in tables}
    return Overall(
        simulated=kinds.pop() if len(kinds) == 1 else None,
        tables=tuple(table.key for table in tables),
        headings=tuple(table.task if single else table.key for table in tables),
        rows=tuple(rows),
        notes=tuple(notes),
    )
