"""Rank and primary metric against budget, by matplotlib, for papers and for pages that show no scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.errors import UsageError
from benchmark.leaderboard.tables import Curve, Leaderboard, Point
from benchmark.printable import printable
from benchmark.report.figures import MM, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 10
"""Models that have a colour of their own: matplotlib's cycle."""
ASIDE = 0.015
"""How far the marks of two models lie apart, as a power of ten: intervals that cover each other can be told apart."""


def curve_of(board: Leaderboard, task: str) -> Curve:
    """The curve of a task, or the only one.

    Raises:
        UsageError: there is none, or which of several is not said.
    """
    tasks = [curve.task for curve in board.curves]
    if not tasks:
        raise UsageError("no curve: it takes two budgets or more that were scored (benchmark run --budgets 100,300)")
    if task not in tasks and (task or len(tasks) > 1):
        raise UsageError(f"say which task: {', '.join(tasks)}")
    return next(curve for curve in board.curves if curve.task == (task or tasks[0]))


def curve_figure(board: Leaderboard, task: str = "") -> Figure:
    """The metric with its 95 % interval beside the rank with the ranks left open, both over the budget (log axis).

    ``task``: needed where there are several. Models that use no budget are lines without marks; of more than ten
    models the last are left out.

    Raises:
        UsageError: no such task, or it has no two budgets that were scored.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curve = curve_of(board, task)
    amounts = [budget.amount for budget in curve.budgets]
    names = list(curve.rows)[:MOST]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(175 * MM, 70 * MM), layout="constrained")
        FigureCanvasAgg(figure)
        values, ranks = figure.subplots(1, 2)
    for number, name in enumerate(names):
        points, free = curve.rows[name], name in curve.free
        shift = 10 ** (ASIDE * (number - (len(names) - 1) / 2))
        style: Any = {
            "color": f"C{number}", "label": printable(name), "linestyle": ":" if free else "-",
            "linewidth": 1.2, "elinewidth": 0.8, "markersize": 4,
        }  # fmt: skip
        scores = [point.score.interval if point.score is not None else None for point in points]
        means = [interval.mean if interval else math.nan for interval in scores]
        sides = [interval.half_width if interval and math.isfinite(interval.half_width) else 0.0 for interval in scores]
        places = [amount * shift for amount in amounts]
        values.errorbar(places, means, [0.0] * len(sides) if free else sides, fmt="" if free else "o", **style)
        _ranks(ranks, places, points, style, free)
    arrow = {True: ", higher is better", False: ", lower is better", None: ""}[curve.primary.higher_is_better]
    unit = f" [{curve.primary.unit}]" if curve.primary.unit else ""
    values.set_ylabel(f"{curve.primary.label}{unit}{arrow}", parse_math=False)
    ranks.set_ylabel("rank (bars: ranks left open)")
    ranks.invert_yaxis()
    ranks.yaxis.get_major_locator().set_params(integer=True)
    for axis in (values, ranks):
        axis.set_xscale("log")
        axis.set_xticks(amounts, [budget.label for budget in curve.budgets])
        axis.minorticks_off()
        axis.set_xlabel(f"budget [{curve.budgets[0].currency}]")
        axis.grid(linewidth=0.4, alpha=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*values.get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=7.5)
    simulated = ", simulated data" if any(one.simulated for one in board.tables if one.key in curve.tables) else ""
    figure.suptitle(printable(f"{curve.task}: {curve.title}{simulated}"), fontsize=8.5, parse_math=False)
    return figure


def _ranks(axis: Axes, places: list[float], points: Sequence[Point], style: Any, free: bool) -> None:
    ranks = [math.nan if point.rank is None else float(point.rank) for point in points]
    open_to = [point.rank_range or (point.rank or 0, point.rank or 0) for point in points]
    sides = [
        [rank - low for rank, (low, _) in zip(ranks, open_to, strict=True)],
        [high - rank for rank, (_, high) in zip(ranks, open_to, strict=True)],
    ]
    axis.errorbar(places, ranks, sides, fmt="" if free else "o", **style)
