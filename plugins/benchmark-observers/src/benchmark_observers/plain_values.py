"""What the stores are given, the same for each: settings, curves and results of a cell as names and plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmark.runs.observers import ObservedCell

Setting = str | int | float | bool


def settings(cell: ObservedCell) -> dict[str, Setting]:
    """Everything that was set for a cell: options and recipe under their names, lists as JSON."""
    found: dict[str, Any] = {
        "task": cell.task,
        "model": cell.model,
        "seed": cell.seed,
        "preset": cell.preset,
        "profile": cell.profile,
        "baseline": cell.baseline,
        "cell": cell.id,
    }
    found |= {f"option.{name}": value for name, value in cell.options.items()}
    found |= {f"recipe.{name}": value for name, value in cell.recipe.items()}
    return {
        name: value if isinstance(value, str | int | float | bool) else json.dumps(value)
        for name, value in found.items()
    }


def curves(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of one line of a training log."""
    found = {f"loss/{name}": value for name, value in line.get("losses", {}).items()}
    found |= {f"training/{name}": line[name] for name in ("images_per_s", "validation_mae") if name in line}
    return {name: float(value) for name, value in found.items() if value is not None}


def results(record: Mapping[str, Any]) -> dict[str, float]:
    """Scores (means over patients, in the units of the profile), times, and how many parameters each network has."""
    found = {f"score/{name}": score.get("mean") for name, score in record.get("scores", {}).items()}
    found |= {f"time/{name}": value for name, value in record.get("timings", {}).items()}
    found |= {f"parameters/{name}": value for name, value in record.get("parameters", {}).items()}
    return {name: float(value) for name, value in found.items() if value is not None}


def facts(record: Mapping[str, Any]) -> dict[str, str]:
    """How a cell ended, on which data, under which metric profile; whether the data are simulated."""
    dataset = record.get("dataset", {})
    found = {
        "state": str(record["state"]),
        "reason": str(record.get("reason") or ""),
        "dataset": str(dataset.get("name", "")),
        "simulated": {True: "yes", False: "no"}.get(dataset.get("simulated"), ""),
        "profile": str(record.get("profile", "")) if record["state"] == "done" else "",
    }
    return {name: value for name, value in found.items() if value}


def last_step(record: Mapping[str, Any]) -> int:
    """The step at which results stand in a chart: the end of training."""
    return int(record.get("training", {}).get("steps", 0))
