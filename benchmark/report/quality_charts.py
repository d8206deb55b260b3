"""Plots of what quality costs and what it is worth: Pareto fronts, fidelity against downstream use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.leaderboard.tables import Column, Table
from benchmark.report.vega import (
    MOST_ROWS,
    Chart,
    Spec,
    choice,
    classes,
    label,
    mark,
    number,
    short,
    some,
    spec,
    tooltip,
)
from benchmark.statistics.agreement import resampled_tau

COSTS = {
    "training time [s]": "train_s",
    "time a slice [ms]": "inference_ms",
    "parameters": "parameters",
    "peak memory [MB]": "peak_memory_mb",
}
FRONT, BEATEN = "no other is both cheaper and better", "another is both"
HEIGHT = 280


def costs(table: Table) -> Chart | None:
    """What quality costs, and the models that no other beats in both."""
    column = _primary(table)
    if column is None:
        return None
    values: list[Spec] = []
    for kind, attribute in COSTS.items():
        points = [
            (row.name, float(cost), row.scores[column.name].interval.mean)
            for row in table.rows[:MOST_ROWS]
            if row.scores and row.scores[column.name].known and (cost := getattr(row, attribute))
        ]
        sign = 1 if column.higher_is_better else -1
        front = set(_front([(cost, sign * quality) for _, cost, quality in points]))
        sides = _sides([quality for _, _, quality in points])
        values += [
            {
                "kind": kind, "model": name, "cost": short(cost), "quality": short(quality), "side": sides[place],
                "front": FRONT if place in front else BEATEN,
            }
            for place, (name, cost, quality) in enumerate(points)
        ]  # fmt: skip
    if not values:
        return None
    x, y = number("cost", "cost (logarithmic)", kind="log"), number("quality", label(column))
    under = tooltip(model="model", cost="cost", quality=label(column))
    colour = classes("front", {FRONT: "var(--good)", BEATEN: "var(--muted)"})
    layers: list[Spec] = [
        {
            "transform": [{"filter": f"datum.front === '{FRONT}'"}],
            "mark": mark("line", interpolate="step-after", color="var(--good)", strokeDash=[4, 3]),
            "encoding": {"x": x, "y": y},
        },
        {"mark": mark("point", size=80), "encoding": {"x": x, "y": y, "color": colour, "tooltip": under}},
        *_names(x, y, values),
    ]
    kinds = [kind for kind in COSTS if any(value["kind"] == kind for value in values)]
    return Chart(
        "Cost against quality",
        f"{label(column)} by what it costs; the line joins the models of the Pareto front. Models without a cost of "
        f"the kind are not shown.{some(table.rows)}",
        _chosen(values, choice("kind", "cost", kinds), layers),
    )


def _front(points: Sequence[tuple[float, float]]) -> Iterator[int]:
    """Places of the points ``(cost, quality)`` that no other beats in one without losing in the other."""
    for place, (cost, quality) in enumerate(points):
        if not any(c <= cost and q >= quality and (c < cost or q > quality) for c, q in points):
            yield place


def downstream(table: Table) -> Chart | None:
    """Fidelity against downstream use, with the agreement of the two orders."""
    column, measures = _primary(table), table.downstream
    if column is None or measures is None:
        return None
    means = {
        row.name: row.scores[column.name].interval.mean
        for row in table.rows[:MOST_ROWS]
        if row.scores and row.scores[column.name].known
    }
    values: list[Spec] = []
    kinds: list[str] = []
    for measure in measures.columns:
        useful = {
            name: row[measure.name].interval.mean
            for name, row in measures.rows.items()
            if name in means and row[measure.name].known
        }
        if len(useful) < 2:
            continue
        # turned so that positive means: what is better in one is better in the other
        turn = 1.0 if measure.higher_is_better in (column.higher_is_better, None) else -1.0
        agreement = turn * _tau([means[name] for name in useful], list(useful.values()))
        said = "" if math.isnan(agreement) else f" (tau {agreement:+.2f}, {len(useful)} models)"
        kinds.append(f"{label(measure)}{said}")
        values += [
            {"kind": kinds[-1], "model": name, "use": short(value), "quality": short(means[name]), "side": side}
            for side, (name, value) in zip(_sides(list(useful.values())), useful.items(), strict=True)
        ]
    if not values:
        return None
    x, y = number("quality", label(column)), number("use", "downstream evaluation")
    under = tooltip(model="model", quality=label(column), use="downstream")
    points = {"mark": mark("point", size=80, color="var(--c1)"), "encoding": {"x": x, "y": y, "tooltip": under}}
    return Chart(
        "Fidelity against downstream use",
        "tau: Kendall's, positive where what is better in fidelity is better downstream; over means of models.",
        _chosen(values, choice("kind", "measure", kinds), [points, *_names(x, y, values)]),
    )


def _primary(table: Table) -> Column | None:
    """The primary metric, if it has a direction."""
    column = table.primary_column
    return column if column is not None and column.higher_is_better is not None else None


def _tau(first: Sequence[float], second: Sequence[float]) -> float:
    return float(resampled_tau(np.array([first]), np.array(second))[0])


def _chosen(values: Sequence[Spec], chosen: Spec, layers: Sequence[Spec]) -> Spec:
    """A plot of one kind of values at a time."""
    only = [{"filter": f"datum.kind === {chosen['name']}"}]
    return spec(values, HEIGHT, params=[chosen], transform=only, layer=list(layers))


def _sides(heights: Sequence[float]) -> list[str]:
    """On which side of its point a name stands: by turns from the lowest up, so that few names cover each other."""
    sides = [""] * len(heights)
    for turn, place in enumerate(sorted(range(len(heights)), key=lambda place: heights[place])):
        sides[place] = "right" if turn % 2 else "left"
    return sides


def _names(x: Spec, y: Spec, values: Sequence[Spec]) -> list[Spec]:
    """The models' names beside their points; no layer without a name, of which Vega complains."""
    sides = {value["side"] for value in values}
    return [
        {
            "transform": [{"filter": f"datum.side === '{side}'"}],
            "mark": mark("text", align=align, dx=dx, color="var(--ink)", fontSize=11, limit=120),
            "encoding": {"x": x, "y": y, "text": {"field": "model"}},
        }
        for side, align, dx in (("right", "left", 7), ("left", "right", -7))
        if side in sides
    ]
