"""Training curves of a table's models: loss terms, validation error, images per second; thinned out to be drawn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.leaderboard import Table
from benchmark.report.gather import CellFacts, training_log
from benchmark.report.vega import Chart, Spec, classes, mark, number, palette, spec, tooltip

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
        for low, high in itertools.pairwise(edges)
    ]


def _losses(values: list[Spec]) -> Chart:
    terms = list(dict.fromkeys(value["term"] for value in values))
    encoding = {
        "x": number("step", "step"),
        "y": number("value", "loss", kind="symlog"),
        "color": classes("term", palette(terms), "right"),
        "tooltip": tooltip(term="term", step="step", value="value"),
    }
    return Chart(
        "Losses",
        "All terms that were logged, as weighted in training; symmetric logarithmic axis.",
        spec(values, 210, mark=mark("line", strokeWidth=1.6), encoding=encoding),
    )


def _validation(values: list[Spec], order: Sequence[str]) -> Chart:
    models = [name for name in order if any(value["model"] == name for value in values)]
    encoding = {
        "x": number("step", "step"),
        "y": number("value", "validation MAE on the networks' scale"),
        "color": classes("model", palette(models), "right"),
        "tooltip": tooltip(model="model", step="step", value="value"),
    }
    points = {"filled": True, "size": 18}
    return Chart(
        "Validation error",
        "Mean absolute error on the validation patients during training.",
        spec(values, 240, mark=mark("line", strokeWidth=1.6, point=points), encoding=encoding),
    )
