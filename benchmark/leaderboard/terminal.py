"""Leaderboards as aligned text, as wide as the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from benchmark.leaderboard.layout import Sheet
from benchmark.leaderboard.pages import pages
from benchmark.leaderboard.tables import Leaderboard
from benchmark.printable import printable

ASCII = str.maketrans("±↑↓†‡§–²…─├┤●", "~^v+#&-2~-||o")
GAP = "  "
STYLES = {"heading": "\x1b[1m", "best": "\x1b[1;32m", "tied": "\x1b[32m"}
RESET = "\x1b[0m"


class Text(str):
    """What stands in a cell, and how it is marked."""

    mark: str

    def __new__(cls, text: str, mark: str = "") -> Text:
        made = super().__new__(cls, text)
        made.mark = mark
        return made


def print_terminal(board: Leaderboard, stream: TextIO | None = None) -> None:
    """Print all tables, on a terminal with colour; to a stream that cannot show them, signs like ± become ASCII."""
    show(lambda screen: to_text(board, screen.width, colour=screen.colour), stream)


@dataclass(frozen=True)
class Screen:
    """What is printed on: columns and lines, and whether it shows colour."""

    width: int
    height: int
    colour: bool


def show(text_for: Callable[[Screen], str], stream: TextIO | None = None) -> None:
    """Print a text that is made for the screen; what is no terminal is taken for one of 140 columns."""
    stream = stream or sys.stdout
    colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    size = shutil.get_terminal_size((140, 48))
    text = text_for(Screen(size.columns, size.lines, colour))
    encoding = stream.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(ASCII).encode(encoding, "replace").decode(encoding)
    print(text, file=stream)


def to_text(board: Leaderboard, width: int = 140, *, colour: bool = False) -> str:
    """All tables as plain text, none wider than ``width`` unless a single column is.

    With ``colour`` the best of a column is bold and green, what is not separated from it green.
    """
    blocks = ["\n".join(_lines(each, width, colour)) for each in pages(board)] or ["nothing to rank yet"]
    return "\n\n".join([*blocks, *(printable(note) for note in board.notes)])


def _lines(page: Sheet, width: int, colour: bool) -> list[str]:
    lines = [styled(printable(page.heading), "heading", colour), *_wrapped(page.about, width)]
    if page.body:
        columns = [
            [Text(printable(cell), page.marks.get((row - 2, place), "")) for row, cell in enumerate(column)]
            for place, column in enumerate(zip(page.header, page.units, *page.body, strict=True))
        ]
        for chosen in _blocks(columns, page.keys, width):
            lines += ["", *_aligned(chosen, page.keys, colour)]
    if page.problems:
        names = max(len(printable(name)) for name, _ in page.problems)
        lines.append("")
        for name, fate in page.problems:
            lines += _wrapped(f"{printable(name).ljust(names)}{GAP}{fate}", width)
    if page.notes:
        lines.append("")
        lines += [line for note in page.notes for line in _wrapped(note, width)]
        if colour and page.marks:
            lines += _wrapped("Green: not separated from the best of the column, which is bold.", width)
    return lines


def styled(text: str, style: str, colour: bool) -> str:
    """The text with the colour of a style, where there is colour."""
    return f"{STYLES[style]}{text}{RESET}" if colour and style in STYLES else text


def _blocks(columns: Sequence[Sequence[Text]], keys: int, width: int) -> list[list[Sequence[Text]]]:
    """Columns packed into as few blocks as fit, about equally wide; each block repeats the key columns."""
    head, rest = list(columns[:keys]), list(columns[keys:])
    room = width - _width(head)
    fewest = len(_packed(rest, room))
    limits = range(_width(rest) // fewest, room)
    narrowest = next((limit for limit in limits if len(_packed(rest, limit)) == fewest), room)
    return [head + block for block in _packed(rest, narrowest)]


def _packed(columns: Sequence[Sequence[Text]], room: int) -> list[list[Sequence[Text]]]:
    """Columns put into blocks of a width, in order; a column that is wider has a block of its own."""
    blocks: list[list[Sequence[Text]]] = [[]]
    for column in columns:
        if blocks[-1] and _width([*blocks[-1], column]) > room:
            blocks.append([])
        blocks[-1].append(column)
    return blocks


def _width(columns: Sequence[Sequence[Text]]) -> int:
    return sum(len(GAP) + max(map(len, column)) for column in columns)


def _aligned(columns: Sequence[Sequence[Text]], keys: int, colour: bool) -> list[str]:
    """Lines: header, units where there are any, a rule, the rows. Key columns left, numbers right."""
    widths = [max(map(len, column)) for column in columns]
    with_units = any(column[1] for column in columns)
    lines = []
    for index, row in enumerate(zip(*columns, strict=True)):
        if index == 1 and not with_units:
            continue
        cells = [
            styled(cell.ljust(width) if place < keys else cell.rjust(width), cell.mark, colour)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((GAP + GAP.join(cells)).rstrip())
    rule = GAP + GAP.join("-" * width for width in widths)
    header = 2 if with_units else 1
    return [*lines[:header], rule, *lines[header:]]


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of running text, indented; what is aligned with spaces stays so on the first line."""
    return textwrap.wrap(
        printable(text), max(40, width), initial_indent=GAP, subsequent_indent=2 * GAP, break_on_hyphens=False
    )
