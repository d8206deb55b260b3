"""Training curves of a table's models: loss terms, validation error, images per second; thinned out to be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.leaderboard import Table
from benchmark.report.charts import Chart, Spec, _spec
from benchmark.report.gather import CellFacts, training_log

MOST_MODELS = 40
POINTS = 120
"""Of a curve; longer ones are averaged over equal stretches."""


@dataclass(frozen=True)
class Curves:
    """One cell's training."""

    cell: CellFacts
    chart: Chart | None


def training(table: Table, cells: Mapping[str, Sequence[CellFacts]]) -> tuple[Chart | None, list[Curves]]:
    """The validation errors of all models in one plot, and the losses of each: the first seed of the first rows."""
    curves, validation = [], []
    for row in [row for row in table.rows if row.name in cells][:MOST_MODELS]:
        cell = cells[row.name][0]
        log = training_log(cell)
        losses = _series(log, lambda line: line.get("losses") or {})
        errors = _series(log, lambda line: {"validation": line.get("validation_mae")})
        validation += [{**point, "model": row.name} for point in errors]
        if losses or cell.findings:
            curves.append(Curves(cell, _losses(losses) if losses else None))
    overview = _validation(validation, [row.name for row in table.rows]) if validation else None
    return overview, curves


def _series(log: Sequence[Mapping[str, Any]], read: Any) -> list[Spec]:
    """Values by step and term, averaged over stretches of steps where there are many."""
    terms: dict[str, list[tuple[float, float]]] = {}
    for line in log:
        step = line.get("step")
        for term, value in read(line).items():
            if isinstance(step, int | float) and isinstance(value, int | float) and math.isfinite(value):
                terms.setdefault(str(term), []).append((step, float(value)))
    return [
        {"term": term, "step": round(step), "value": float(f"{value:.4g}")}
        for term, points in terms.items()
        for step, value in _thinned(points)
    ]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) <= POINTS:
        return list(points)
    edges = [round(place * len(points) / POINTS) for place in range(POINTS + 1)]
    return [
        (points[high - 1][0], math.fsum(value for _, value in points[low:high]) / (high - low))
        for low, high in zip(edges, edges[1:], strict=False)
    ]


def _losses(values: list[Spec]) -> Chart:
    terms = list(dict.fromkeys(value["term"] for value in values))
    spec = _spec(
        values,
        210,
        mark={"type": "line", "strokeWidth": 1.6},
        encoding={
            "x": {"field": "step", "type": "quantitative", "axis": {"title": "step"}},
            "y": {"field": "value", "type": "quantitative", "scale": {"type": "symlog"}, "axis": {"title": "loss"}},
            "color": {"field": "term", "type": "nominal", "scale": _palette(terms), "legend": {"title": None}},
            "tooltip": [{"field": "term"}, {"field": "step"}, {"field": "value", "type": "quantitative"}],
        },
    )
    return Chart("Losses", "All terms that were logged, as weighted in training; symmetric logarithmic axis.", spec)


def _validation(values: list[Spec], order: Sequence[str]) -> Chart:
    names = [name for name in order if any(value["model"] == name for value in values)]
    spec = _spec(
        values,
        240,
        mark={"type": "line", "strokeWidth": 1.6, "point": {"filled": True, "size": 18}},
        encoding={
            "x": {"field": "step", "type": "quantitative", "axis": {"title": "step"}},
            "y": {
                "field": "value", "type": "quantitative", "scale": {"zero": False},
                "axis": {"title": "validation MAE (networks' scale)"},
            },
            "color": {
                "field": "model", "type": "nominal", "sort": names, "scale": _palette(names), "legend": {"title": None}
            },
            "tooltip": [{"field": "model"}, {"field": "step"}, {"field": "value", "type": "quantitative"}],
        },
    )  # fmt: skip
    return Chart("Validation error", "Mean absolute error on the validation patients during training.", spec)


def _palette(names: Sequence[str]) -> Spec:
    return {"domain": list(names), "range": [f"var(--c{place % 10})" for place in range(len(names))]}
