"""Plots of a table as Vega-Lite specifications: plain mappings that a page carries and draws.

Colours are the page's own (CSS variables), so that plots follow light, dark and print. Every plot comes with its
numbers in a table beside it. Specification: Vega-Lite 6 (vega.github.io/vega-lite/docs).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.leaderboard.tables import LEADING, Column, Row, Table
from benchmark.report.gather import CellFacts
from benchmark.statistics.agreement import kendall

Spec = dict[str, Any]
MOST_ROWS = 40
"""Rows of a table that plots show; the first ones."""
MOST_IN_MATRIX = 30
MOST_POINTS = 20_000
"""Patients times models beyond which single patients are not drawn."""
ALPHA = 0.05
ROW_HEIGHT = 19
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


@dataclass(frozen=True)
class Chart:
    """A plot, its heading and what it shows in words."""

    title: str
    caption: str
    spec: Spec


def charts(table: Table, cells: Mapping[str, Sequence[CellFacts]]) -> list[Chart]:
    """The plots of a table that its numbers allow."""
    made = [
        _brackets(table),
        _patients(table, cells),
        _matrix(table),
        _costs(table),
        _downstream(table),
    ]
    return [chart for chart in made if chart is not None]


def _spec(values: list[Spec], height: int, **parts: Any) -> Spec:
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        **parts,
    }


def _axis(title: str, **more: Any) -> Spec:
    return {"title": title, **more}


def _models(rows: Sequence[Row]) -> Spec:
    """The models as the vertical axis, best first."""
    return {
        "field": "model",
        "type": "nominal",
        "sort": [row.name for row in rows],
        "axis": _axis("", labelLimit=190, domain=False, ticks=False),
    }


def _some(rows: Sequence[Row]) -> str:
    """What to say where not all rows are drawn."""
    return f" The first {MOST_ROWS} of {len(rows)} models." if len(rows) > MOST_ROWS else ""


def _brackets(table: Table) -> Chart | None:
    """Ranks, and the ranks that resamples and tests leave open."""
    ranked = [row for row in table.rows if row.rank is not None and row.rank_range is not None]
    if len(ranked) < 2:
        return None
    rows = ranked[:MOST_ROWS]
    values = [
        {
            "model": row.name,
            "rank": row.rank,
            "low": row.rank_range[0],
            "high": row.rank_range[1],
            "inner": row.rank_interval[0] if row.rank_interval else row.rank,
            "outer": row.rank_interval[1] if row.rank_interval else row.rank,
            "group": "not separated from the best" if row.tier == LEADING else "behind the best",
        }
        for row in rows
        if row.rank_range is not None
    ]
    colour = {
        "field": "group",
        "type": "nominal",
        "scale": {
            "domain": ["not separated from the best", "behind the best"],
            "range": ["var(--good)", "var(--muted)"],
        },
        "legend": {"title": None, "orient": "top", "symbolOpacity": 1},
    }
    tooltip = [
        {"field": "model", "title": "model"},
        {"field": "rank", "title": "rank"},
        {"field": "low", "title": "open from"},
        {"field": "high", "title": "open to"},
    ]
    x = {"type": "quantitative", "scale": {"domain": [0.5, len(ranked) + 0.5], "nice": False}}
    shared = {"y": _models(rows), "color": colour, "tooltip": tooltip}
    layers = [
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {
                **shared,
                "x": {**x, "field": "low", "axis": _axis("rank", tickMinStep=1, format="d")},
                "x2": {"field": "high"},
            },
        },
        {
            "mark": {"type": "rule", "strokeWidth": 7, "opacity": 0.35},
            "encoding": {**shared, "x": {**x, "field": "inner"}, "x2": {"field": "outer"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
            "encoding": {**shared, "x": {**x, "field": "rank"}},
        },
    ]
    stability = (
        f" Kendall's tau of the order with that of {table.stability.resamples} resamples: median "
        f"{table.stability.median:.2f}, 95 % of them from {table.stability.low:.2f} to {table.stability.high:.2f}."
        if table.stability
        else ""
    )
    return Chart(
        "Ranks and what they leave open",
        "Point: rank. Thin line: ranks that resamples of patients and seeds or the paired tests leave open; thick: "
        f"those of resamples alone.{stability}{_some(ranked)}",
        _spec(values, ROW_HEIGHT * len(rows), layer=layers),
    )


def _patients(table: Table, cells: Mapping[str, Sequence[CellFacts]]) -> Chart | None:
    """Every patient as a line over the models, beneath means and intervals."""
    rows = [row for row in table.rows if row.scores][:MOST_ROWS]
    columns = [column for column in table.columns if column.name in (table.ranked_by or (table.primary,))]
    columns.sort(key=lambda column: column.name != table.primary)
    if not rows or not columns:
        return None
    labels = {column.name: _label(column) for column in columns}
    values: list[Spec] = []
    for column in columns:
        for row in rows:
            score = row.scores[column.name]
            if not score.known:
                continue
            values.append({
                "metric": labels[column.name], "model": row.name, "mean": _short(score.interval.mean),
                "low": _short(score.interval.low), "high": _short(score.interval.high),
            })  # fmt: skip
            values += [
                {"metric": labels[column.name], "model": row.name, "patient": patient, "value": _short(value)}
                for patient, value in _over_seeds(cells.get(row.name, ()), column.name).items()
            ]
    lines = len(values) <= MOST_POINTS
    if not lines:
        values = [value for value in values if "mean" in value]
    x = {
        "field": "model", "type": "nominal", "sort": [row.name for row in rows],
        "axis": _axis("", labelAngle=-40, labelLimit=130),
    }  # fmt: skip
    y = {"type": "quantitative", "scale": {"zero": False}}
    chosen = {"filter": "datum.metric === metric"}
    hover = {
        "name": "hover",
        "select": {"type": "point", "fields": ["patient"], "on": "pointerover", "clear": "pointerout"},
    }
    layers: list[Spec] = []
    if lines:
        tooltip = [
            {"field": "patient", "title": "patient"},
            {"field": "model", "title": "model"},
            {"field": "value", "title": "value", "type": "quantitative"},
        ]
        only = [chosen, {"filter": "isValid(datum.value)"}]
        lit = {"condition": {"param": "hover", "empty": False, "value": 1}, "value": 0.6}
        colour = {"condition": {"param": "hover", "empty": False, "value": "var(--accent)"}, "value": "var(--muted)"}
        encoding = {"x": x, "y": {**y, "field": "value", "axis": _axis("")}, "detail": {"field": "patient"}}
        layers += [
            {"transform": only, "mark": {"type": "line", "strokeWidth": 1}, "encoding": {**encoding, "opacity": lit, "color": colour}},
            {"transform": only, "params": [hover], "mark": {"type": "point", "filled": True, "size": 22},
             "encoding": {**encoding, "opacity": lit, "color": colour, "tooltip": tooltip}},
        ]  # fmt: skip
    only = [chosen, {"filter": "isValid(datum.mean)"}]
    tooltip = [
        {"field": "model"}, {"field": "mean", "type": "quantitative"},
        {"field": "low", "title": "95 % from", "type": "quantitative"},
        {"field": "high", "title": "95 % to", "type": "quantitative"},
    ]  # fmt: skip
    layers += [
        {"transform": only, "mark": {"type": "rule", "strokeWidth": 3, "color": "var(--c0)"},
         "encoding": {"x": x, "y": {**y, "field": "low", "axis": _axis("")}, "y2": {"field": "high"}}},
        {"transform": only, "mark": {"type": "point", "filled": True, "size": 80, "color": "var(--c0)", "opacity": 1},
         "encoding": {"x": x, "y": {**y, "field": "mean"}, "tooltip": tooltip}},
    ]  # fmt: skip
    choice = {"name": "metric", "value": labels[columns[0].name], "bind": {"input": "select", "name": "metric ", "options": list(labels.values())}}  # fmt: skip
    missing = "" if lines else f" More than {MOST_POINTS} values: patients are not drawn."
    return Chart(
        "Patient by patient",
        "Grey: one line a patient, averaged over slices and seeds; point at it to follow it. Blue: mean and 95 % "
        f"interval. Arrows in the legend say which way is better.{missing}{_some(table.rows)}",
        _spec(values, 300, params=[choice], layer=layers),
    )


def _over_seeds(cells: Sequence[CellFacts], metric: str) -> dict[str, float]:
    """A row's value by patient, averaged over the seeds that have one."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        for patient, value in cell.patients.get(metric, {}).items():
            found.setdefault(patient, []).append(value)
    return {patient: math.fsum(values) / len(values) for patient, values in found.items()}


def _matrix(table: Table) -> Chart | None:
    """The paired test of every pair of models."""
    rows = [row for row in table.rows if row.rank is not None][:MOST_IN_MATRIX]
    if len(rows) < 2 or not table.comparisons:
        return None
    names = [row.name for row in rows]
    verdicts = ("row better", "not separated", "column better")
    values = []
    for pair in table.comparisons:
        for first, second, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            if first in names and second in names:
                ahead = sign * pair.ahead if pair.adjusted_p <= ALPHA else 0
                values.append({
                    "row": first, "column": second, "verdict": verdicts[0 if ahead > 0 else 2 if ahead < 0 else 1],
                    "p": _short(pair.adjusted_p), "difference": _short(sign * pair.difference.interval.mean),
                    "low": _short(sign * pair.difference.interval.low), "high": _short(sign * pair.difference.interval.high),
                    "patients": pair.patients,
                })  # fmt: skip
    primary = next((column for column in table.columns if column.name == table.primary), None)
    unit = f" [{primary.unit}]" if primary and primary.unit else ""
    label = f"difference in {primary.label}{unit}" if primary else "difference"
    axis = {"type": "nominal", "sort": names, "axis": _axis("", labelLimit=130, domain=False, ticks=False)}
    encoding = {
        "x": {**axis, "field": "column", "axis": {**axis["axis"], "orient": "top", "labelAngle": -40}},
        "y": {**axis, "field": "row"},
        "color": {
            "field": "verdict", "type": "nominal",
            "scale": {"domain": list(verdicts), "range": ["var(--good)", "var(--grid)", "var(--bad)"]},
            "legend": {"title": None, "orient": "bottom"},
        },
        "tooltip": [
            {"field": "row"}, {"field": "column"}, {"field": "verdict"}, {"field": "p", "title": "p after Holm", "type": "quantitative"},
            {"field": "difference", "title": label, "type": "quantitative"},
            {"field": "low", "title": "95 % limit", "type": "quantitative"}, {"field": "high", "title": "95 % limit ", "type": "quantitative"},
            {"field": "patients"},
        ],
    }  # fmt: skip
    return Chart(
        "Every pair of models",
        f"Paired Wilcoxon test over the metrics that rank, Holm over {len(table.comparisons)} pairs, {100 * ALPHA:g} %. "
        "Tiers and brackets ask resamples of patients and seeds to agree as well.",
        _spec(values, ROW_HEIGHT * len(rows), mark={"type": "rect", "stroke": "var(--bg)"}, encoding=encoding),
    )


def _costs(table: Table) -> Chart | None:
    """What quality costs, and the models that no other beats in both."""
    column = next((column for column in table.columns if column.name == table.primary), None)
    if column is None or column.higher_is_better is None:
        return None
    kinds = {
        "training time [s]": "train_s",
        "time a slice [ms]": "inference_ms",
        "parameters": "parameters",
        "peak memory [MB]": "peak_memory_mb",
    }
    values: list[Spec] = []
    for kind, attribute in kinds.items():
        points = [
            (row, float(cost), row.scores[column.name].interval.mean)
            for row in table.rows[:MOST_ROWS]
            if row.scores and row.scores[column.name].known and (cost := getattr(row, attribute))
        ]
        front = set(_front([(cost, quality if column.higher_is_better else -quality) for _, cost, quality in points]))
        sides = _sides([(cost, quality) for _, cost, quality in points])
        values += [
            {
                "side": sides[place], "kind": kind, "model": row.name, "cost": _short(cost), "quality": _short(quality),
                "front": "no other is both cheaper and better" if place in front else "another is both",
            }
            for place, (row, cost, quality) in enumerate(points)
        ]  # fmt: skip
    if not values:
        return None
    present = [kind for kind in kinds if any(value["kind"] == kind for value in values)]
    x = {"field": "cost", "type": "quantitative", "scale": {"type": "log"}, "axis": _axis("cost (logarithmic)")}
    y = {"field": "quality", "type": "quantitative", "scale": {"zero": False}, "axis": _axis(_label(column))}
    names = ["no other is both cheaper and better", "another is both"]
    colour = {
        "field": "front", "type": "nominal", "scale": {"domain": names, "range": ["var(--good)", "var(--muted)"]},
        "legend": {"title": None, "orient": "top", "symbolOpacity": 1},
    }  # fmt: skip
    layers = [
        {"transform": [{"filter": f"datum.front === '{names[0]}'"}],
         "mark": {"type": "line", "interpolate": "step-after", "color": "var(--good)", "strokeDash": [4, 3]},
         "encoding": {"x": x, "y": y}},
        {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
         "encoding": {"x": x, "y": y, "color": colour, "tooltip": [
             {"field": "model"}, {"field": "cost", "type": "quantitative"}, {"field": "quality", "title": _label(column), "type": "quantitative"}]}},
        *_names(x, y),
    ]  # fmt: skip
    choice = {"name": "kind", "value": present[0], "bind": {"input": "select", "name": "cost ", "options": present}}
    return Chart(
        "Cost against quality",
        f"{_label(column)} by what it costs; the line joins the models of the Pareto front. Models without the cost "
        f"(baselines train nothing) are not shown.{_some(table.rows)}",
        _spec(values, 280, params=[choice], transform=[{"filter": "datum.kind === kind"}], layer=layers),
    )


def _front(points: Sequence[tuple[float, float]]) -> Iterator[int]:
    """Places of the points ``(cost, quality)`` that no other beats in one without losing in the other."""
    for place, (cost, quality) in enumerate(points):
        beaten = any(c <= cost and q >= quality and (c < cost or q > quality) for c, q in points)
        if not beaten:
            yield place


def _downstream(table: Table) -> Chart | None:
    """Fidelity against downstream use, with the agreement of the two orders."""
    column = next((column for column in table.columns if column.name == table.primary), None)
    measures = table.measures
    if column is None or measures is None or column.higher_is_better is None:
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
        agreement = kendall(useful, {name: means[name] for name in useful})
        # tau of raw values; turned so that positive means: better in one is better in the other
        turn = 1.0 if measure.higher_is_better in (column.higher_is_better, None) else -1.0
        tau = "" if math.isnan(agreement.tau) else f" (tau {turn * agreement.tau:+.2f}, {agreement.n} models)"
        kinds.append(f"{_label(measure)}{tau}")
        sides = _sides([(means[name], value) for name, value in useful.items()])
        values += [
            {"side": side, "kind": kinds[-1], "model": name, "use": _short(value), "quality": _short(means[name])}
            for side, (name, value) in zip(sides, useful.items(), strict=True)
        ]
    if not values:
        return None
    x = {"field": "quality", "type": "quantitative", "scale": {"zero": False}, "axis": _axis(_label(column))}
    y = {"field": "use", "type": "quantitative", "scale": {"zero": False}, "axis": _axis("downstream measure")}
    layers = [
        {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 1, "color": "var(--c1)"},
         "encoding": {"x": x, "y": y, "tooltip": [
             {"field": "model"}, {"field": "quality", "title": _label(column), "type": "quantitative"}, {"field": "use", "title": "downstream", "type": "quantitative"}]}},
        *_names(x, y),
    ]  # fmt: skip
    choice = {"name": "kind", "value": kinds[0], "bind": {"input": "select", "name": "measure ", "options": kinds}}
    return Chart(
        "Fidelity against downstream use",
        "tau: Kendall's, positive where what is better in fidelity is better downstream; means of models.",
        _spec(values, 280, params=[choice], transform=[{"filter": "datum.kind === kind"}], layer=layers),
    )


def _sides(points: Sequence[tuple[float, float]]) -> list[str]:
    """On which side of its point a name stands: by turns from the lowest up, so that few names cover each other."""
    order = sorted(range(len(points)), key=lambda place: points[place][1])
    sides = [""] * len(points)
    for turn, place in enumerate(order):
        sides[place] = "right" if turn % 2 else "left"
    return sides


def _names(x: Spec, y: Spec) -> list[Spec]:
    """The models' names beside their points."""
    return [
        {
            "transform": [{"filter": f"datum.side === '{side}'"}],
            "mark": {
                "type": "text", "align": align, "dx": dx, "color": "var(--ink)", "fontSize": 11, "limit": 120, "clip": False
            },
            "encoding": {"x": x, "y": y, "text": {"field": "model"}},
        }
        for side, align, dx in (("right", "left", 7), ("left", "right", -7))
    ]  # fmt: skip


def _label(column: Column) -> str:
    """``PSNR ↑ [dB]``."""
    arrow = {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
    return f"{column.label}{arrow}{f' [{column.unit}]' if column.unit else ''}"


def _short(value: float) -> float | None:
    """Five digits are enough to draw; what is not finite is left out."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
