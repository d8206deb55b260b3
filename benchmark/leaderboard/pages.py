"""Every sheet of a leaderboard, in the order in which people read them."""

from __future__ import annotations

from benchmark.leaderboard.curve_sheet import curve_sheet
from benchmark.leaderboard.layout import (
    Sheet,
    downstream_sheet,
    overall_sheet,
    published_sheet,
    sheet,
    stages_sheet,
    unreadable_sheet,
)
from benchmark.leaderboard.tables import Leaderboard, Table


def pages(board: Leaderboard) -> list[Sheet]:
    """Every sheet of a leaderboard in reading order: curves over budgets; tables, each with its downstream evaluations,
    its stages and what was published beside it; then all tasks, then cells that cannot be read.
    """
    found = [curve_sheet(curve) for curve in board.curves]
    for table in board.tables:
        found += [sheet(table), *beside(table)]
    if board.overall:
        found.append(overall_sheet(board.overall))
    if board.unreadable:
        found.append(unreadable_sheet(board.unreadable))
    return found


def beside(table: Table) -> list[Sheet]:
    """What belongs to a table and ranks nothing: downstream evaluations, stages, what was published beside it."""
    found = []
    if table.downstream:
        found.append(downstream_sheet(table, table.downstream))
    if table.stages:
        found.append(stages_sheet(table, table.stages))
    return found + [published_sheet(table, published) for published in table.published]
