"""Pieces of Vega-Lite specifications: plain mappings that a page carries and draws (vega.github.io/vega-lite/docs).

Colours are the page's own (CSS variables), so that plots follow light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.leaderboard.tables import Column

Spec = dict[str, Any]
MOST_ROWS = 40
"""Rows of a table that plots show; the first ones."""
ROW_HEIGHT = 19
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
NUMBERS = frozenset({"value", "mean", "low", "high", "p", "difference", "cost", "quality", "use"})
COLOURS = 10
"""The page's ``--c0`` to ``--c9``."""


@dataclass(frozen=True)
class Chart:
    """A plot, its heading and what it shows in words."""

    title: str
    caption: str
    spec: Spec


def spec(values: Sequence[Spec], height: int, **parts: Any) -> Spec:
    """A plot as wide as the page lets it be."""
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": list(values)},
        **parts,
    }


def number(field: str, title: str = "", *, zero: bool = False, kind: str = "linear", **axis: Any) -> Spec:
    """A numeric axis."""
    scale = {"type": kind} if kind != "linear" else {"zero": zero}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": {"title": title, **axis}}


def names(field: str, order: Sequence[str], **axis: Any) -> Spec:
    """An axis of names in an order."""
    return {"field": field, "type": "nominal", "sort": list(order), "axis": {"title": "", **axis}}


def classes(field: str, colours: Mapping[str, str], orient: str = "top") -> Spec:
    """Colours of a few classes, with their legend."""
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": {"title": None, "orient": orient, "symbolOpacity": 1},
    }


def palette(values: Sequence[str]) -> dict[str, str]:
    """A colour for each of some names."""
    return {value: f"var(--c{place % COLOURS})" for place, value in enumerate(values)}


def tooltip(**fields: str) -> list[Spec]:
    """What is shown of the thing under the pointer: titles by field; of numbers four digits."""
    return [
        {"field": field, "title": title, **({"format": ".4~g"} if field in NUMBERS else {})}
        for field, title in fields.items()
    ]


def mark(kind: str, **more: Any) -> Spec:
    """A kind of mark and its looks; points are filled."""
    return {"type": kind, **({"filled": True, "opacity": 1} if kind == "point" else {}), **more}


def choice(name: str, label: str, options: Sequence[str]) -> Spec:
    """A list to choose from, beneath the plot; filters read it by its name."""
    return {
        "name": name,
        "value": options[0],
        "bind": {"input": "select", "name": f"{label} ", "options": list(options)},
    }


def label(column: Column) -> str:
    """``PSNR ↑ [dB]``."""
    arrow = {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
    return f"{column.label}{arrow}{f' [{column.unit}]' if column.unit else ''}"


def short(value: float) -> float | None:
    """Five digits are enough to draw; what is not finite is left out."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def some(rows: Sequence[object]) -> str:
    """What to say where not all rows are drawn."""
    return f" The first {MOST_ROWS} of {len(rows)} models." if len(rows) > MOST_ROWS else ""
