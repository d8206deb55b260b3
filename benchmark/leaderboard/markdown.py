"""Leaderboards as Markdown."""

from __future__ import annotations

from benchmark.leaderboard.layout import Sheet
from benchmark.leaderboard.pages import pages
from benchmark.leaderboard.tables import Leaderboard
from benchmark.printable import markdown

MARKED = "Bold: best of the column; italic: not separated from it (paired Wilcoxon tests with the best, Holm)."


def to_markdown(board: Leaderboard) -> str:
    """All tables as GitHub-flavoured Markdown; names and reasons are escaped."""
    parts = ["# Leaderboards", *(_page(page) for page in pages(board))]
    parts += [markdown(note) for note in board.notes]
    return "\n\n".join(parts) + "\n"


def _page(page: Sheet) -> str:
    parts = [f"## {markdown(page.heading)}", markdown(page.about)]
    if page.body:
        titles = [f"{name} [{unit}]" if unit else name for name, unit in zip(page.header, page.units, strict=True)]
        rule = ["---" if place < page.keys else "---:" for place in range(len(titles))]
        body = [
            [_marked(cell, page.marks.get((at, to), "")) for to, cell in enumerate(r)] for at, r in enumerate(page.body)
        ]
        rows = [[markdown(title) for title in titles], rule, *body]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    if page.problems:
        parts.append("\n".join(f"* {markdown(name)}: {markdown(fate)}" for name, fate in page.problems))
    notes = [*page.notes, *([MARKED] if page.marks else [])]
    if notes:
        parts.append("  \n".join(markdown(note) for note in notes))
    return "\n\n".join(part for part in parts if part)


def _marked(cell: str, mark: str) -> str:
    return {"best": "**{}**", "tied": "_{}_"}.get(mark, "{}").format(markdown(cell))
