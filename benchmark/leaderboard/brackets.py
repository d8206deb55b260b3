"""Rank brackets as text: of every model the ranks that patients and seeds leave open, drawn on one line."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.leaderboard.layout import short_sheet
from benchmark.leaderboard.tables import LEADING, Leaderboard, Row, Table
from benchmark.leaderboard.terminal import GAP, styled
from benchmark.printable import printable

RANK, OPEN, FIRST, LAST = "●", "─", "├", "┤"
WIDEST_NAME = 28
STEP = 4
"""Columns from one rank to the next, where there is room."""


def to_brackets(board: Leaderboard, width: int = 140, *, colour: bool = False) -> str:
    """A plot for each table that ranks at least two models."""
    plots = ["\n".join(_plot(table, width, colour)) for table in board.tables if len(_ranked(table)) > 1]
    if not plots:
        return "nothing to rank yet"
    return "\n\n".join([*plots, f"{RANK} rank   {FIRST}{OPEN}{LAST} ranks that the tests leave open   * leading group"])


def _ranked(table: Table) -> list[tuple[Row, int]]:
    return [(row, row.rank) for row in table.rows if row.rank is not None]


def _plot(table: Table, width: int, colour: bool) -> Iterator[str]:
    rows = _ranked(table)
    names = [_short(row) for row, _ in rows]
    margin = max(map(len, names)) + 2 * len(GAP)
    last: int = max(max([rank, *(row.rank_range or ())]) for row, rank in rows)
    room = max(10, width - margin - 1)
    axis: int = min(room, STEP * (last - 1) + 1)

    def column(rank: int) -> int:
        return round((rank - 1) / max(1, last - 1) * (axis - 1))

    sheet = short_sheet(table)
    yield f"{styled(printable(sheet.heading), 'heading', colour)}{GAP}{printable(sheet.about)}"
    yield " " * margin + _ticks(axis, [column(rank) for rank in range(1, last + 1)])
    for name, (row, rank) in zip(names, rows, strict=True):
        line = [" "] * axis
        if row.rank_range:
            low, high = (column(limit) for limit in row.rank_range)
            line[low : high + 1] = OPEN * (high + 1 - low)
            line[low], line[high] = FIRST, LAST
        line[column(rank)] = RANK
        drawn = styled("".join(line).rstrip(), "tied" if row.tier == LEADING else "", colour)
        yield f"{GAP}{name.ljust(margin - 2 * len(GAP))}{GAP}{drawn}"


def _ticks(axis: int, columns: list[int]) -> str:
    """Numbers of ranks, as many as have a space between them."""
    text = ""
    for rank, column in enumerate(columns, start=1):
        if not text or column > len(text):
            text = text.ljust(column) + str(rank)
    return text[:axis]


def _short(row: Row) -> str:
    name = printable(row.name)
    cut = name if len(name) <= WIDEST_NAME else f"{name[: WIDEST_NAME - 1]}…"
    return cut + ("*" if row.tier == LEADING else "")
