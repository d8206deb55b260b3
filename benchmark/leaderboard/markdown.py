"""Leaderboards as Markdown."""

from __future__ import annotations

import re

from benchmark.leaderboard.layout import Sheet, pages
from benchmark.leaderboard.tables import Leaderboard


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
        rows = [[escape(title) for title in titles], rule, *([escape(cell) for cell in row] for row in page.body)]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    if page.problems:
        parts.append("\n".join(f"* {escape(name)}: {escape(fate)}" for name, fate in page.problems))
    if page.notes:
        parts.append("  \n".join(escape(note) for note in page.notes))
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no line breaks, no control characters."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return re.sub(r"([\\`*_\[\]<>|#&~!$])", r"\\\1", printable)
