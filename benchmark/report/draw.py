"""What a figure shows: from a run and names to the table, cells and metric that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError, UsageError, unknown_name
from benchmark.leaderboard import build
from benchmark.leaderboard.tables import Column, Leaderboard, Table
from benchmark.registry.plugins import registry
from benchmark.report.gather import cell_facts, gather

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.report.figures import Look
    from benchmark.runs.read import Cell

COLUMNS = 4
"""Models that are drawn where none are named."""


def table_of(board: Leaderboard, task: str) -> Table:
    """The table of a task, or the only one; of several for a task the one with most models.

    Raises:
        UsageError: no such table, or which of them is not said.
    """
    tasks = list(dict.fromkeys(table.task for table in board.tables))
    if not tasks:
        raise UsageError("nothing was run yet")
    if not task and len(tasks) > 1:
        raise UsageError(f"say which task: {', '.join(tasks)}")
    if task and task not in tasks:
        raise unknown_name("task", task, tasks)
    mine = [table for table in board.tables if table.task == (task or tasks[0])]
    return max(mine, key=lambda table: sum(bool(row.scores) for row in table.rows))


def column_of(table: Table, metric: str) -> Column:
    """A metric of a table, by default the primary one.

    Raises:
        UsageError: the table has no such metric.
    """
    columns = {column.name: column for column in table.columns}
    name = metric or table.primary
    if name not in columns:
        raise unknown_name("metric", name, columns)
    return columns[name]


def plot_board(board: Leaderboard, task: str = "", metric: str = "") -> Figure:
    """Ranks with their brackets beside means with 95 % intervals, by matplotlib.

    ``task``: needed where there are several. ``metric``: by default the task's primary one.

    Raises:
        UsageError: no such task or metric, or nothing was scored.
    """
    from benchmark.report.figures import table_figure

    table = table_of(board, task)
    return table_figure(table, column_of(table, metric).name)


def order_of(run: Path | None, task: str, metric: str) -> Figure:
    """The order of a task's table as a figure."""
    return plot_board(gather([run]).board, task, metric)


def plot_cell(cell: Cell, *patients: str, metric: str = "") -> Figure:
    """Source, target, translation and signed error of patients, by matplotlib; by default of the worst, the median
    and the best one.

    ``metric``: printed and judged by; by default the profile's primary one.

    Raises:
        UsageError: no such patient or metric.
        BenchmarkError: the cell is not done, or its predictions or the data are not there any more.
    """
    from benchmark.report.figures import CHOSEN, case_figure

    facts = cell_facts(cell)
    if not facts.has_predictions:
        raise BenchmarkError(f"{cell.title} is {cell.state} and has no predictions to draw")
    specs = {name: offer.spec for name, offer in registry().all("metric").items()}
    (table,) = build([cell.record], specs).tables
    return case_figure([facts], column_of(table, metric), patients or CHOSEN)


def cases_of(
    run: Path | None, task: str, models: Sequence[str], patients: Sequence[str], metric: str, look: Look
) -> Figure:
    """Cases of a task as a figure; of each model the first seed.

    Raises:
        UsageError: an unknown name, or a model without predictions.
    """
    from benchmark.report.figures import CHOSEN, case_figure

    material = gather([run])
    table = table_of(material.board, task)
    cells = {name: found[0] for name, found in material.of(table).items() if found[0].has_predictions}
    names = models or [row.name for row in table.rows if row.name in cells][:COLUMNS]
    for name in names:
        if name not in cells:
            raise unknown_name("model", name, cells, hint=f"(with predictions of {table.task})")
    if not names:
        raise UsageError(f"{table.task}: no model has predictions to draw")
    return case_figure([cells[name] for name in names], column_of(table, metric), patients or CHOSEN, look)
