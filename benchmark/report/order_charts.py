"""Plots of a table's order: rank brackets, patients as lines over the models, the matrix of pairwise decisions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchmark.leaderboard.tables import LEADING, Column, Row, Table
from benchmark.report.gather import CellFacts
from benchmark.report.vega import (
    MOST_ROWS,
    ROW_HEIGHT,
    Chart,
    Spec,
    choice,
    classes,
    label,
    mark,
    names,
    number,
    short,
    some,
    spec,
    tooltip,
)

MOST_IN_MATRIX = 30
MOST_VALUES = 20_000
"""Patients times models times metrics beyond which single patients are not drawn."""
ALPHA = 0.05
LEADERS, OTHERS = "not separated from the best", "behind the best"
BETTER, SAME, WORSE = "row better", "not separated", "column better"


def brackets(table: Table) -> Chart | None:
    """Ranks, and the ranks that resamples and tests leave open."""
    ranked = [row for row in table.rows if row.rank is not None and row.rank_range is not None]
    if len(ranked) < 2:
        return None
    rows = ranked[:MOST_ROWS]
    x: Spec = {"type": "quantitative", "scale": {"domain": [0.5, len(ranked) + 0.5], "nice": False}}
    shared: Spec = {
        "y": names("model", [row.name for row in rows], labelLimit=190, domain=False, ticks=False),
        "color": classes("group", {LEADERS: "var(--good)", OTHERS: "var(--muted)"}),
        "tooltip": tooltip(model="model", rank="rank", first="open from", last="open to"),
    }
    axis: Spec = {"title": "rank", "tickMinStep": 1, "format": "d"}
    layers = [
        {
            "mark": mark("rule", strokeWidth=2),
            "encoding": {**shared, "x": {**x, "field": "first", "axis": axis}, "x2": {"field": "last"}},
        },
        {
            "mark": mark("rule", strokeWidth=7, opacity=0.35),
            "encoding": {**shared, "x": {**x, "field": "inner"}, "x2": {"field": "outer"}},
        },
        {"mark": mark("point", size=75), "encoding": {**shared, "x": {**x, "field": "rank"}}},
    ]
    stable = table.stability
    stability = (
        f" Kendall's tau of the order with that of {stable.resamples} resamples: median {stable.median:.2f}, 95 % of "
        f"them from {stable.low:.2f} to {stable.high:.2f}."
        if stable
        else ""
    )
    return Chart(
        "Ranks and what they leave open",
        "Point: rank. Thin line: ranks that resamples of patients and seeds or the paired tests leave open; thick: "
        f"those of resamples alone.{stability}{some(ranked)}",
        spec([_bracket(row) for row in rows], ROW_HEIGHT * len(rows), layer=layers),
    )


def _bracket(row: Row) -> Spec:
    first, last = row.rank_range or (row.rank, row.rank)
    inner, outer = row.rank_interval or (row.rank, row.rank)
    group = LEADERS if row.tier == LEADING else OTHERS
    return {
        "model": row.name, "rank": row.rank, "group": group, "first": first, "last": last, "inner": inner,
        "outer": outer,
    }  # fmt: skip


def patients(table: Table, cells: Mapping[str, Sequence[CellFacts]]) -> Chart | None:
    """Every patient as a line over the models, beneath means and intervals; one metric at a time."""
    rows = [row for row in table.rows if row.scores][:MOST_ROWS]
    columns = [column for column in table.columns if column.name in (table.ranked_by or (table.primary,))]
    columns.sort(key=lambda column: column.name != table.primary)
    values = [value for column in columns for row in rows for value in _values(row, column, cells.get(row.name, ()))]
    if not values:
        return None
    with_patients = len(values) <= MOST_VALUES
    x = names("model", [row.name for row in rows], labelAngle=-40, labelLimit=130)
    limits = any(value.get("low") is not None for value in values)  # of one patient there are none
    layers = [*(_lines(x) if with_patients else []), *_means(x, limits=limits)]
    chosen = choice("metric", "metric", [label(column) for column in columns])
    missing = "" if with_patients else f" More than {MOST_VALUES} values: patients are not drawn."
    return Chart(
        "Patient by patient",
        "Grey: one line a patient, averaged over slices and seeds; point at it to follow it. Blue: mean and 95 % "
        f"interval. The arrow says which way is better.{missing}{some(table.rows)}",
        spec(
            values if with_patients else [value for value in values if "mean" in value],
            300,
            params=[chosen],
            transform=[{"filter": "datum.metric === metric"}],
            layer=layers,
        ),
    )


def _values(row: Row, column: Column, cells: Sequence[CellFacts]) -> list[Spec]:
    """The mean of a row with its limits, then its patients."""
    score = row.scores[column.name]
    if not score.known:
        return []
    about = {"metric": label(column), "model": row.name}
    found = score.interval
    return [
        {**about, "mean": short(found.mean), "low": short(found.low), "high": short(found.high)},
        *(
            {**about, "patient": patient, "value": short(value)}
            for patient, value in _over_seeds(cells, column.name).items()
        ),
    ]


def _over_seeds(cells: Sequence[CellFacts], metric: str) -> dict[str, float]:
    """A row's value by patient, averaged over the seeds that have one."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        for patient, value in cell.patients.get(metric, {}).items():
            found.setdefault(patient, []).append(value)
    return {patient: math.fsum(values) / len(values) for patient, values in found.items()}


def _lines(x: Spec) -> list[Spec]:
    only = [{"filter": "isValid(datum.value)"}]
    pointed = {"param": "hover", "empty": False}
    encoding = {
        "x": x,
        "y": number("value"),
        "detail": {"field": "patient"},
        "opacity": {"condition": {**pointed, "value": 1}, "value": 0.6},
        "color": {"condition": {**pointed, "value": "var(--accent)"}, "value": "var(--muted)"},
    }
    hover = {
        "name": "hover",
        "select": {"type": "point", "fields": ["patient"], "on": "pointerover", "clear": "pointerout"},
    }
    under = tooltip(patient="patient", model="model", value="value")
    dots = {"type": "point", "filled": True, "size": 22}
    return [
        {"transform": only, "mark": mark("line", strokeWidth=1), "encoding": encoding},
        {"transform": only, "params": [hover], "mark": dots, "encoding": {**encoding, "tooltip": under}},
    ]


def _means(x: Spec, *, limits: bool) -> list[Spec]:
    only = [{"filter": "isValid(datum.mean)"}]
    under = tooltip(model="model", mean="mean", low="95 % from", high="95 % to")
    rule = {
        "transform": only,
        "mark": mark("rule", strokeWidth=3, color="var(--c0)"),
        "encoding": {"x": x, "y": number("low"), "y2": {"field": "high"}},
    }
    point = {
        "transform": only,
        "mark": mark("point", size=80, color="var(--c0)"),
        "encoding": {"x": x, "y": number("mean"), "tooltip": under},
    }
    return [rule, point] if limits else [point]


def matrix(table: Table) -> Chart | None:
    """The paired test of every pair of models."""
    rows = [row.name for row in table.rows if row.rank is not None][:MOST_IN_MATRIX]
    if len(rows) < 2 or not table.comparisons:
        return None
    values = []
    for pair in table.comparisons:
        interval = pair.difference.interval
        for first, second, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            ahead = sign * pair.ahead if pair.adjusted_p <= ALPHA else 0
            limits = sorted((sign * interval.low, sign * interval.high))
            if first in rows and second in rows:
                values.append({
                    "row": first, "column": second, "verdict": BETTER if ahead > 0 else WORSE if ahead < 0 else SAME,
                    "p": short(pair.adjusted_p), "difference": short(sign * interval.mean), "low": short(limits[0]),
                    "high": short(limits[1]), "patients": pair.patients,
                })  # fmt: skip
    primary = table.primary_column
    unit = f" [{primary.unit}]" if primary and primary.unit else ""
    what = f"difference in {primary.label}{unit}" if primary else "difference"
    axis = {"labelLimit": 130, "domain": False, "ticks": False}
    encoding = {
        "x": names("column", rows, **axis, orient="top", labelAngle=-40),
        "y": names("row", rows, **axis),
        "color": classes("verdict", {BETTER: "var(--good)", SAME: "var(--grid)", WORSE: "var(--bad)"}, "bottom"),
        "tooltip": tooltip(
            row="row", column="column", verdict="verdict", p="p after Holm", difference=what, low="95 % from",
            high="95 % to", patients="patients",
        ),
    }  # fmt: skip
    return Chart(
        "Every pair of models",
        f"Paired Wilcoxon test over the metrics that rank, Holm over {len(table.comparisons)} pairs, "
        f"{100 * ALPHA:g} %. Tiers and brackets ask resamples of patients and seeds to agree as well.",
        spec(values, ROW_HEIGHT * len(rows), mark=mark("rect", stroke="var(--bg)"), encoding=encoding),
    )
