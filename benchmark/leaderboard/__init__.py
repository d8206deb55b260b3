"""Leaderboards: derived from the cells' records alone, and rebuildable at any time.

:func:`build` makes the tables; the other functions write them down. Nothing here needs torch, and
only :func:`to_frame` pandas.
"""

from benchmark.leaderboard.brackets import to_brackets
from benchmark.leaderboard.brief import to_brief
from benchmark.leaderboard.build import build
from benchmark.leaderboard.export import to_csv, to_frame, to_json
from benchmark.leaderboard.latex import to_latex
from benchmark.leaderboard.markdown import to_markdown
from benchmark.leaderboard.tables import Leaderboard, Row, Score, Table
from benchmark.leaderboard.terminal import print_terminal, to_text

__all__ = [
    "Leaderboard",
    "Row",
    "Score",
    "Table",
    "build",
    "print_terminal",
    "to_brackets",
    "to_brief",
    "to_csv",
    "to_frame",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_text",
]
