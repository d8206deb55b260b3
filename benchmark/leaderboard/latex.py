"""Leaderboards as LaTeX tables for ``booktabs``."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.errors import unknown_name
from benchmark.leaderboard.layout import Sheet, column_name, narrowed, sheet
from benchmark.leaderboard.pages import pages
from benchmark.leaderboard.tables import Leaderboard

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"\dag{}", "‡": r"\ddag{}", "§": r"\S{}", "–": "--",
    "²": r"\textsuperscript{2}",
}  # fmt: skip
MARKS = {"best": r"\textbf{{{}}}", "tied": r"\underline{{{}}}"}
LAST_WITH_A_GLYPH = "\u024f"
"""Last letter of Latin Extended-B: pdfLaTeX stops at characters beyond what its fonts have."""


PACKAGES = r"% \usepackage{booktabs} \usepackage{graphicx} \usepackage[T1]{fontenc}"
"""What a document needs to hold these tables."""


def to_latex(board: Leaderboard, columns: Sequence[str] = ()) -> str:
    """All tables, the best of each column bold, what is not separated from it underlined.

    ``columns``: only these beside rank and model, in the tables of tasks, and no other sheets. Packages that a document
    needs for them stand in a comment above.

    Raises:
        UsageError: no table has such a column.
    """
    if not columns:
        return "\n".join([PACKAGES, *(_page(page) for page in pages(board))])
    sheets = [sheet(table) for table in board.tables]
    known = [column_name(header) for page in sheets for header in page.header[page.keys :]]
    for name in columns:
        if name.lower() not in map(str.lower, known):
            raise unknown_name("column", name, set(known))
    return "\n".join([PACKAGES, *(_page(narrowed(page, columns)) for page in sheets)])


def _page(page: Sheet) -> str:
    caption = ". ".join(escape(text) for text in (page.heading, page.about) if text)
    notes = [f"{name}: {fate}" for name, fate in page.problems] + list(page.notes)
    if page.marks:
        notes.append("Bold: best of the column; underlined: not separated from it.")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}.}}",
            *_tabular(page),
            *(rf"\par\footnotesize {escape(note)}" for note in notes),
            r"\end{table}",
            "",
        ]
    )


def _tabular(page: Sheet) -> list[str]:
    if not page.body:
        return []
    titles = [f"{name} [{unit}]" if unit else name for name, unit in zip(page.header, page.units, strict=True)]
    return [
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{{'l' * page.keys}{'r' * (len(titles) - page.keys)}}}",
        r"\toprule",
        _line(titles),
        r"\midrule",
        *(
            _line(row, [page.marks.get((at, place), "") for place in range(len(row))])
            for at, row in enumerate(page.body)
        ),
        r"\bottomrule",
        r"\end{tabular}}",
    ]


def _line(cells: Sequence[str], marks: Sequence[str] = ()) -> str:
    escaped = [escape(cell) for cell in cells]
    if marks:
        escaped = [MARKS.get(mark, "{}").format(cell) for cell, mark in zip(escaped, marks, strict=True)]
    return " & ".join(escaped) + r" \\"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(char) or _glyph(char) for char in text)


def _glyph(char: str) -> str:
    if not char.isprintable():
        return " "
    return char if char <= LAST_WITH_A_GLYPH else "?"
