"""Leaderboards as aligned text, as wide as the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

from benchmark.leaderboard.layout import Sheet, overall_sheet, sheet
from benchmark.leaderboard.tables import Leaderboard

ASCII = str.maketrans({"±": "~", "↑": "^", "↓": "v", "†": "*", "–": "-", "²": "2"})
GAP = "  "


def print_terminal(board: Leaderboard, stream: TextIO | None = None) -> None:
    """Print all tables; to a stream that cannot show them, signs like ± become ASCII."""
    stream = stream or sys.stdout
    text = to_text(board, shutil.get_terminal_size((140, 24)).columns)
    encoding = stream.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(ASCII).encode(encoding, "replace").decode(encoding)
    print(text, file=stream)


def to_text(board: Leaderboard, width: int = 140) -> str:
    """All tables as plain text, none wider than ``width`` unless a single column is."""
    sheets = [sheet(table) for table in board.tables]
    if board.overall:
        sheets.append(overall_sheet(board.overall))
    blocks = ["\n".join(_lines(each, width)) for each in sheets] or ["nothing to rank yet"]
    return "\n\n".join([*blocks, *(_safe(note) for note in board.notes)])


def _lines(page: Sheet, width: int) -> list[str]:
    lines = [_safe(page.heading), _safe(f"  {page.about}")]
    if page.body:
        columns = [[_safe(cell) for cell in column] for column in zip(page.header, page.units, *page.body, strict=True)]
        for chosen in _blocks(columns, page.keys, width):
            lines += ["", *_aligned(chosen, page.keys, with_units=any(page.units))]
    if page.problems:
        names = max(len(_safe(name)) for name, _ in page.problems)
        lines += ["", *(f"  {_safe(name).ljust(names)}{GAP}{_safe(fate)}" for name, fate in page.problems)]
    if page.notes:
        lines.append("")
        lines += [line for note in page.notes for line in _wrapped(_safe(note), width)]
    return lines


def _blocks(columns: Sequence[Sequence[str]], keys: int, width: int) -> list[list[Sequence[str]]]:
    """Columns packed into blocks that fit; each block repeats the key columns."""
    head = list(columns[:keys])
    used = sum(len(GAP) + max(map(len, column)) for column in head)
    blocks: list[list[Sequence[str]]] = [[]]
    room = width - used
    for column in columns[keys:]:
        needed = len(GAP) + max(map(len, column))
        if needed > room and blocks[-1]:
            blocks.append([])
            room = width - used
        blocks[-1].append(column)
        room -= needed
    return [head + block for block in blocks]


def _aligned(columns: Sequence[Sequence[str]], keys: int, *, with_units: bool) -> list[str]:
    """Lines: header, units where there are any, a rule, the rows. Key columns left, numbers right."""
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for index, row in enumerate(zip(*columns, strict=True)):
        if index == 1 and not with_units:
            continue
        cells = [
            cell.ljust(width) if place < keys else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((GAP + GAP.join(cells)).rstrip())
    rule = GAP + GAP.join("-" * width for width in widths)
    header = 2 if with_units else 1
    return [*lines[:header], rule, *lines[header:]]


def _wrapped(note: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(note, max(40, width), initial_indent="  ", subsequent_indent="    ") or [""]


def _safe(text: str) -> str:
    """Without control characters, so that no name can move the cursor, colour the screen or break a line."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
