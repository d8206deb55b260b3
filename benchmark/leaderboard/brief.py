"""A leaderboard on one screen: what a run ends with. The long tables are a command away."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmark.leaderboard.fidelity import agreement
from benchmark.leaderboard.layout import Sheet, overall_sheet, perceptual_to_show, short_sheet, use_to_show
from benchmark.leaderboard.tables import ENOUGH_SEEDS, Leaderboard, Table
from benchmark.leaderboard.terminal import GAP, styled
from benchmark.printable import printable

FEWEST_ROWS = 2
"""Rows of a table that are shown however low the screen is."""
MOST_PROBLEMS = 6
BETWEEN = 4
"""Columns between tables that stand side by side."""
WIDEST_NAME = 28
LEGEND = "(1-3): ranks that the tests leave open; *: not separated from the best; ± 95 %; † baseline; ‡ too few seeds"


@dataclass(frozen=True)
class _Line:
    """Pieces of text, each with the name of its style, which has no width."""

    pieces: tuple[tuple[str, str], ...]

    @property
    def width(self) -> int:
        return sum(len(text) for text, _ in self.pieces)

    def drawn(self, colour: bool) -> str:
        return "".join(styled(text, style, colour) for text, style in self.pieces)


Block = Sequence[_Line]


def to_brief(board: Leaderboard, width: int, height: int, *, colour: bool = False) -> str:
    """The order over all tasks, a short table for each task, and what failed: as much as ``height`` lines hold.

    Tables stand side by side where ``width`` columns have room for them. On a low screen they lose rows first, then
    the last of them are only counted.
    """
    sheets = [_narrow(overall_sheet(board.overall))] if board.overall else []
    sheets += [short_sheet(table) for table in board.tables]
    small = _small_print(sheets, board, width)
    if not sheets:
        return "\n".join(line.drawn(colour) for line in (small or [_plain("nothing to rank yet")]))
    room = height - len(small) - 1
    longest = max(len(sheet.body) for sheet in sheets)
    fewest = min(FEWEST_ROWS, longest)
    text: list[str] = []
    for rows in range(min(longest, max(room, fewest)), fewest - 1, -1):
        text = _packed([_block(sheet, rows) for sheet in sheets], width, colour)
        if len(text) <= room:
            break
    shown = len(sheets)
    while len(text) > room and shown > 1:
        shown -= 1
        text = _packed([_block(sheet, fewest) for sheet in sheets[:shown]], width, colour)
    more = [f"... and {len(sheets) - shown} more tables"] if shown < len(sheets) else []
    return "\n".join([*text, *more, "", *(line.drawn(colour) for line in small)])


def _narrow(sheet: Sheet) -> Sheet:
    """The order over all tasks without the columns of single tasks, which stand beside it."""
    columns = sheet.header.index("leading") + 1
    body = tuple(row[:columns] for row in sheet.body)
    return replace(sheet, header=sheet.header[:columns], units=sheet.units[:columns], body=body)


def _block(sheet: Sheet, rows: int) -> Block:
    """A table as lines, cut after some rows."""
    shown = sheet.body[:rows]
    header = [f"{name} {unit}".rstrip() for name, unit in zip(sheet.header, sheet.units, strict=True)]
    grid = [[_short(text) for text in row] for row in (header, *shown)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    cut = f"first {rows} of {len(sheet.body)}, " if len(sheet.body) > rows else ""
    lines = [_Line(((printable(sheet.heading), "heading"), (f"{GAP}{cut}{printable(sheet.about)}", "")))]
    for number, row in enumerate(grid):
        pieces = []
        for place, (text, size) in enumerate(zip(row, widths, strict=True)):
            mark = sheet.marks.get((number - 1, place), "")
            pieces += [(GAP, ""), (text.ljust(size) if place < sheet.keys else text.rjust(size), mark)]
        lines.append(_Line(tuple(pieces)))
    return lines


def _packed(blocks: Sequence[Block], width: int, colour: bool) -> list[str]:
    """Blocks beside each other as long as they fit, then below; an empty line between."""
    shelves: list[list[Block]] = [[]]
    for block in blocks:
        if shelves[-1] and sum(_width(other) + BETWEEN for other in shelves[-1]) + _width(block) > width:
            shelves.append([])
        shelves[-1].append(block)
    lines: list[str] = []
    for shelf in shelves:
        if lines:
            lines.append("")
        for number in range(max(map(len, shelf))):
            text = ""
            for block in shelf:
                line = block[number] if number < len(block) else _plain("")
                text += line.drawn(colour) + " " * (_width(block) - line.width + BETWEEN)
            lines.append(text.rstrip())
    return lines


def _small_print(sheets: Sequence[Sheet], board: Leaderboard, width: int) -> list[_Line]:
    """What the signs mean, and the first of what is not done, one line each."""
    fates = [(f"{sheet.heading}/{name}", fate) for sheet in sheets for name, fate in sheet.problems]
    fates += [(each.cell, each.reason) for each in board.unreadable]
    fates += [fate for table in board.tables for fate in _broken_metrics(table)]
    shown = fates if len(fates) <= MOST_PROBLEMS + 1 else fates[:MOST_PROBLEMS]
    wrapped = (line for text in _said(board) for line in textwrap.wrap(printable(text), width))
    texts = [LEGEND, *wrapped] if any(sheet.body for sheet in sheets) else []
    texts += [f"{printable(name)}: {printable(fate)}" for name, fate in shown]
    if len(shown) < len(fates):
        texts.append(f"... and {len(fates) - len(shown)} more that are not done")
    return [_plain(text if len(text) <= width else f"{text[: width - 1]}…") for text in texts]


def _said(board: Leaderboard) -> Iterator[str]:
    """What of the tables' notes belongs beside an order, each once whatever the number of tables."""
    rows = [row for table in board.tables for row in table.rows]
    trained = [row for row in rows if row.seeds and row.seeded]
    if trained and all(len(row.seeds) == 1 for row in trained):
        yield f"one seed: nothing is claimed of a trained model; --seeds {ENOUGH_SEEDS} can tell them apart"
    if any(row.capacity or row.compute for row in rows):
        yield "(6x): not matched, so many times the usual; --grid matched compares at equal capacity"
    if taus := [text for table in board.tables if (text := _agreement(table))]:
        yield f"Kendall's tau with the order (1: the same, 0: nothing to do with it): {'; '.join(taus)}"
    yield from (f"{table.task}: {table.disagreement}" for table in board.tables if table.disagreement)


def _agreement(table: Table) -> str:
    """How far what stands beside the primary metric on this screen agrees with the order."""
    taus = {}
    if (seen := perceptual_to_show(table)) is not None:
        taus[seen.label] = agreement(table, seen).tau
    if (use := use_to_show(table)) is not None and table.downstream is not None:
        taus[use.label] = table.downstream.uses[use.name].models.tau
    known = [f"{label} {tau:.2f}" for label, tau in taus.items() if not math.isnan(tau)]
    return f"{table.task} {', '.join(known)}" if known else ""


def _broken_metrics(table: Table) -> Iterator[tuple[str, str]]:
    """Metrics that failed and gave no model a value."""
    for metric in dict.fromkeys(name for row in table.rows for name in row.scores):
        scores = [row.scores[metric] for row in table.rows if metric in row.scores]
        failed = [score.reason for score in scores if score.reason.startswith("failed")]
        if failed and not any(score.known for score in scores):
            yield f"{table.task}, metric {metric}", failed[0]


def _width(block: Block) -> int:
    return max(line.width for line in block)


def _plain(text: str) -> _Line:
    return _Line(((text, ""),))


def _short(name: str) -> str:
    """A name that leaves room for others."""
    text = printable(name)
    return text if len(text) <= WIDEST_NAME else f"{text[: WIDEST_NAME - 1]}…"
