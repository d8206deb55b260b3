"""Leaderboards as LaTeX tables for ``booktabs``."""

from __future__ import annotations

from benchmark.leaderboard.layout import Sheet, pages
from benchmark.leaderboard.tables import Leaderboard

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"\dag{}", "–": "--", "²": r"\textsuperscript{2}",
}  # fmt: skip


def to_latex(board: Leaderboard) -> str:
    """All tables; needs ``\\usepackage{booktabs}`` and ``\\usepackage[T1]{fontenc}``."""
    return "\n".join(_page(page) for page in pages(board))


def _page(page: Sheet) -> str:
    titles = [f"{name} [{unit}]" if unit else name for name, unit in zip(page.header, page.units, strict=True)]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(page.heading)}. {escape(page.about)}. {escape(' '.join(page.notes))}}}",
        rf"\begin{{tabular}}{{{'l' * page.keys}{'r' * (len(titles) - page.keys)}}}",
        r"\toprule",
        _line(titles),
        r"\midrule",
        *(_line(row) for row in page.body),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {escape(name)}: {escape(fate)}" for name, fate in page.problems),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return " & ".join(escape(cell) for cell in cells) + r" \\"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(char, char if char.isprintable() else " ") for char in text)
