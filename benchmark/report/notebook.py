"""What notebooks show of a leaderboard, a run or a cell: small tables; every name is text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from benchmark.leaderboard.layout import Sheet
from benchmark.leaderboard.pages import pages
from benchmark.leaderboard.tables import Leaderboard
from benchmark.printable import printable

MOST_ROWS = 200


def board_html(board: Leaderboard) -> str:
    """All tables of a leaderboard, each with its notes folded away."""
    return "".join(map(_sheet, pages(board))) or "<p>nothing to rank yet</p>"


def table_html(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows as a table; the first of them where there are very many."""
    body = list(rows)
    head = Markup("").join(Markup("<th>{}</th>").format(_text(name)) for name in header)
    lines = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(_text(cell)) for cell in row))
        for row in body[:MOST_ROWS]
    )
    more = Markup("<p>and {} more</p>").format(len(body) - MOST_ROWS) if len(body) > MOST_ROWS else ""
    return str(Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>{}").format(head, lines, more))


def _sheet(sheet: Sheet) -> str:
    header = [f"{name} [{unit}]" if unit else name for name, unit in zip(sheet.header, sheet.units, strict=True)]
    parts = [Markup("<h4>{}</h4><p>{}</p>").format(_text(sheet.heading), _text(sheet.about))]
    if sheet.body:
        parts.append(Markup(table_html(header, sheet.body)))  # escaped where it was made
    parts += [Markup("<p>{}: {}</p>").format(_text(name), _text(fate)) for name, fate in sheet.problems]
    if sheet.notes:
        notes = Markup("").join(Markup("<li>{}</li>").format(_text(note)) for note in sheet.notes)
        parts.append(Markup("<details><summary>notes</summary><ul>{}</ul></details>").format(notes))
    return str(Markup("").join(parts))


def _text(text: str) -> Markup:
    return escape(printable(text))
