"""Plots against the budget: the primary metric and the rank of each model, with what their tests leave open."""

from __future__ import annotations

from benchmark.leaderboard.curve_sheet import curve_notes
from benchmark.leaderboard.tables import Curve
from benchmark.report.vega import MOST_ROWS, Chart, Spec, classes, label, mark, number, palette, short, spec, tooltip

HEIGHT = 280


def against_budget(curve: Curve) -> tuple[Chart, ...]:
    """The metric with its interval, and the rank with the ranks left open, over the budget on a logarithmic axis."""
    names = list(curve.rows)[:MOST_ROWS]
    metric, ranks = _values(curve, names), _ranks(curve, names)
    x = number("budget", f"budget [{curve.budgets[0].currency}]", kind="log", values=[b.amount for b in curve.budgets])
    what = label(curve.primary)
    changes = " ".join(curve_notes(curve)[1:])
    charts = []
    if metric:
        under = tooltip(model="model", budget="budget", mean=what, low="from", high="to")
        y = number("mean", what)
        charts.append(
            Chart(
                f"{curve.primary.label} against budget",
                "One training a seed with the learning rate held; each budget branches its own decay. Bars: 95 % "
                "interval of the mean over patients, each averaged over seeds.",
                _lines(metric, names, x, y, under),
            )
        )
    if ranks:
        under = tooltip(model="model", budget="budget", rank="rank", low="best open", high="worst open")
        y = number("rank", "rank", tickMinStep=1)
        y["scale"] = {"reverse": True, "zero": False}
        charts.append(
            Chart(
                "Rank against budget",
                f"Bars: ranks that the tests leave open. {changes}",
                _lines(ranks, names, x, y, under),
            )
        )
    return tuple(charts)


def _lines(values: list[Spec], names: list[str], x: Spec, y: Spec, under: list[Spec]) -> Spec:
    colour = classes("model", palette(names), "right")
    ends = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    layers = [
        {"mark": mark("rule", opacity=0.45), "encoding": {"x": x, **ends, "color": colour}},
        {"mark": mark("line", strokeWidth=1.6), "encoding": {"x": x, "y": y, "color": colour}},
        {"mark": mark("point", size=46), "encoding": {"x": x, "y": y, "color": colour, "tooltip": under}},
    ]
    return spec(values, HEIGHT, layer=layers)


def _values(curve: Curve, names: list[str]) -> list[Spec]:
    return [
        {
            "model": name, "budget": budget.amount, "mean": short(interval.mean),
            "low": short(interval.low), "high": short(interval.high),
        }
        for name in names
        for budget, point in zip(curve.budgets, curve.rows[name], strict=True)
        if point.score is not None and (interval := point.score.interval).n
    ]  # fmt: skip


def _ranks(curve: Curve, names: list[str]) -> list[Spec]:
    found = []
    for name in names:
        for budget, point in zip(curve.budgets, curve.rows[name], strict=True):
            if point.rank is not None:
                low, high = point.rank_range or (point.rank, point.rank)
                found.append({"model": name, "budget": budget.amount, "rank": point.rank, "low": low, "high": high})
    return found
