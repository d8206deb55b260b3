"""Leaderboards as Markdown."""

from __future__ import annotations

import re

from benchmark.leaderboard.layout import Sheet, pages
from benchmark.leaderboard.tables import Leaderboard

MARKED = "Bold: best of the column; italic: not separated from it (paired Wilcoxon tests with the best, Holm)."


def to_markdown(board: Leaderboard) -> str:
    """All tables as GitHub-flavoured Markdown; names and reasons are escaped."""
    parts = ["# Leaderboards", *(_page(page) for page in pages(board))]
    parts += [escape(note) for note in board.notes]
    return "\n\n".join(parts) + "\n"


def _page(page: Sheet) -> str:
    parts = [f"## {escape(page.heading)}", escape(page.about)]
    if page.body:
        titles = [f"{name} [{unit}]" if unit else name for name, unit in zip(page.header, page.units, strict=True)]
        rule = ["---" if place < page.keys else "---:" for place in range(len(titles))]
        body = [
            [_marked(cell, page.marks.get((at, to), "")) for to, cell in enumerate(r)] for at, r in enumerate(page.body)
        ]
        rows = [[escape(title) for title in titles], rule, *body]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    if page.problems:
        parts.append("\n".join(f"* {escape(name)}: {escape(fate)}" for name, fate in page.problems))
    notes = [*page.notes, *([MARKED] if page.marks else [])]
    if notes:
        parts.append("  \n".join(escape(note) for note in notes))
    return "\n\n".join(part for part in parts if part)


def _marked(cell: str, mark: str) -> str:
    return {"best": "**{}**", "tied": "_{}_"}.get(mark, "{}").format(escape(cell))


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no line breaks, no control characters."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"([\\`*_\[\]<>|#&~!$])", r"\\\1", printable)
