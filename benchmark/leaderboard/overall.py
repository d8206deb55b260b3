"""One order over several tables: mean ranks over metrics and tables, wins, places in the leading group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.leaderboard.ranking import Ranking, separated
from benchmark.leaderboard.tables import LEADING, Overall, OverallRow, Table
from benchmark.statistics.claims import ALPHA
from benchmark.statistics.order import places
from benchmark.statistics.ranks import competition_ranks, open_ranks


def over_tables(ranked: Sequence[tuple[Table, Ranking]]) -> Overall | None:
    """The order over the tables that rank anything, one a task and data set; ``None`` below two of them.

    By the leads of models over each other, averaged over tables (:mod:`benchmark.statistics.order`). A model
    that is missing from a table is shown with the mean over its own tables and their number, but has no place in the
    order: a mean over easier company is not comparable.
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
    rankings = [ranking for _, ranking in ranked]
    order = _order(complete, rankings)
    intervals = _intervals(order, rankings)
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
        "Ordered by leads of models over each other as in each table, averaged over tables. Mean rank (over metrics "
        "and tables) and, in the columns of tables, the ranks there, are for orientation.",
        "wins: first there. leading: not separated from the best.",
    ]
    if intervals:
        notes.append(
            "In brackets: the ranks that the tables leave open together, each tested at "
            f"{100 * _level(len(tables)):.2g} %: the pairs it separates, and nothing else, narrow them."
        )
        if all(low == 1 and high == len(order) for low, high in intervals.values()):
            notes.append("Nothing is separated over all tables: take this order as a tie.")
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
        # of budgets the largest, which says most
        most = max((table.budget.amount for table, _ in candidates if table.budget), default=0)
        fit = [pair for pair in candidates if pair[0].budget is None or pair[0].budget.amount == most]
        best = max(fit, key=lambda pair: len(pair[1].names))
        chosen.append(best)
        if others := [table.key for table, _ in candidates if table is not best[0]]:
            notes.append(
                f"One table for a task and data set: {best[0].key} ranks most models; not {', '.join(others)}."
            )
    return chosen, notes


def _order(means: Mapping[str, float], rankings: Sequence[Ranking]) -> dict[str, int]:
    """Ranks of the models that are in every table; by their mean ranks where a table is too large for leads."""
    names = sorted(means)
    leads = []
    for ranking in rankings:
        if ranking.lead is None:
            return competition_ranks(means, higher_is_better=False)
        where = [ranking.names.index(name) for name in names]
        leads.append(ranking.lead[np.ix_(where, where)])
    return dict(zip(names, places(np.mean(leads, axis=0).round(12)).tolist(), strict=True))


def _level(tables: int) -> float:
    """Of each table, so that the chance of a false claim in any of them is :data:`ALPHA`."""
    return float(1 - (1 - ALPHA) ** (1 / tables))


def _intervals(order: Mapping[str, int], rankings: Sequence[Ranking]) -> Mapping[str, tuple[int, int]]:
    """Ranks that are left open: with the lowest and highest rank that every table leaves to a model, a model is surely
    behind another if the best mean rank that it can have is behind the worst that the other can have.

    Models may be good at different tasks: nothing is taken from one table for another.
    """
    if any(ranking.lead is None for ranking in rankings) or len(order) < 2:
        return {}
    best, worst = dict.fromkeys(order, 0), dict.fromkeys(order, 0)
    for ranking in rankings:
        placed = {row.name: row.rank or 0 for row in ranking.rows if row.name in order}
        apart = separated(ranking.comparisons, placed, placed, _level(len(rankings)))
        ranges = open_ranks(sorted(placed, key=lambda name: (placed[name], name)), apart)
        for name, (low, high) in ranges.items():
            best[name] += low
            worst[name] += high
    return {
        name: (
            min(rank, 1 + sum(worst[other] < best[name] for other in order)),
            max(rank, len(order) - sum(best[other] > worst[name] for other in order)),
        )
        for name, rank in order.items()
    }
