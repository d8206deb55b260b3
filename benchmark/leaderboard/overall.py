"""One order over several tables: mean ranks over metrics and tables, wins, places in the leading group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.leaderboard.ranking import Ranking
from benchmark.leaderboard.tables import LEADING, Overall, OverallRow, Table
from benchmark.statistics.ranks import competition_ranks, rank_intervals

FEWEST_PATIENTS = 4
"""Tables with fewer give the overall table no rank intervals; from here on resamples over two tables or more part
equal models in fewer than 5 % of studies (``tests/performance/coverage.py``)."""


def over_tables(ranked: Sequence[tuple[Table, Ranking]]) -> Overall | None:
    """Mean ranks over the tables that rank anything, one a task and data set; ``None`` below two of them.

    A model that is missing from a table is shown with the mean over its own tables and their number, but
    has no place in the order: a mean over easier company is not comparable.
    """
    ranked, left_out = _one_each([(table, ranking) for table, ranking in ranked if ranking.names])
    if len(ranked) < 2:
        return None
    tables = [table for table, _ in ranked]
    by_name: dict[str, dict[str, float]] = {}
    for table in tables:
        for row in table.rows:
            if row.mean_rank is not None:
                by_name.setdefault(row.name, {})[table.key] = row.mean_rank
    # rounded, since thirds that add up to the same may differ in their last bit
    means = {name: round(math.fsum(found.values()) / len(found), 9) for name, found in by_name.items()}
    complete = {name: means[name] for name, found in by_name.items() if len(found) == len(tables)}
    order = competition_ranks(complete, higher_is_better=False)
    enough = min(table.patients for table in tables) >= FEWEST_PATIENTS
    intervals = _intervals(sorted(complete), [ranking for _, ranking in ranked]) if enough else {}
    rows = []
    for name, mean in means.items():
        mine = [(table, row) for table in tables for row in table.rows if row.name == name and row.rank]
        rows.append(
            OverallRow(
                name=name,
                baseline=mine[0][1].baseline,
                rank=order.get(name),
                rank_interval=intervals.get(name),
                mean_rank=mean,
                ranked_in=len(mine),
                wins=sum(row.rank == 1 for _, row in mine),
                leading=sum(row.tier == LEADING for _, row in mine),
                ranks={table.key: row.rank for table, row in mine if row.rank},
            )
        )
    rows.sort(key=lambda row: (row.rank or math.inf, row.mean_rank, row.name))
    notes = [
        "Mean over tables of the mean rank over metrics in each; equal scores share the middle rank. In the columns "
        "of tables: the rank there.",
        "wins: first there. leading: not separated from the best.",
    ]
    if intervals:
        notes.append(
            "In brackets: the ranks taken in 95 % of the resamples of patients and seeds, the tables taken as given."
        )
    if not enough:
        notes.append(f"No rank intervals: a table has fewer than {FEWEST_PATIENTS} patients.")
    notes += left_out
    if len(complete) < len(means):
        notes.append("Without a rank: not scored in every table; the mean is over the tables it is in.")
    single = len({table.task for table in tables}) == len(tables)
    kinds = {(table.simulated, table.degraded) for table in tables}
    simulated, degraded = kinds.pop() if len(kinds) == 1 else (None, False)
    return Overall(
        simulated=simulated,
        degraded=degraded,
        tables=tuple(table.key for table in tables),
        headings=tuple(table.task if single else table.key for table in tables),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _one_each(
    ranked: Sequence[tuple[Table, Ranking]],
) -> tuple[list[tuple[Table, Ranking]], list[str]]:
    """Of each task and data set the table that ranks most models, the first of equals; notes on the others.

    The same predictions scored under several profiles or trained at several presets must not weigh several times.
    """
    alike: dict[tuple[str, str], list[tuple[Table, Ranking]]] = {}
    for table, ranking in ranked:
        alike.setdefault((table.task, table.content_sha256), []).append((table, ranking))
    chosen, notes = [], []
    for candidates in alike.values():
        best = max(candidates, key=lambda pair: len(pair[1].names))
        chosen.append(best)
        if others := [table.key for table, _ in candidates if table is not best[0]]:
            notes.append(
                f"One table for a task and data set: {best[0].key} ranks most models; not {', '.join(others)}."
            )
    return chosen, notes


def _intervals(names: Sequence[str], rankings: Sequence[Ranking]) -> Mapping[str, tuple[int, int]]:
    """Rank intervals of the models that are in every table."""
    known = [ranking.resampled for ranking in rankings if ranking.resampled is not None]
    if len(known) < len(rankings) or len(names) < 2:
        return {}
    total = np.zeros((len(known[0]), len(names)))
    for ranking, drawn in zip(rankings, known, strict=True):
        total += drawn[:, [ranking.names.index(name) for name in names]]
    limits = rank_intervals(total.round(9)).tolist()
    return {name: (low, high) for name, (low, high) in zip(names, limits, strict=True)}
