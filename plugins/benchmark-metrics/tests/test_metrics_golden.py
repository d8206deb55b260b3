"""Values that other people's evaluation code gives (golden/README.md), and values that nobody should give."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_metrics.pointwise import MAE, MSE, NMSE, PSNR, RMSE
from benchmark_metrics.ssim import SSIM
from benchmark_metrics.uqi import UQI
from benchmark_metrics.vif import VIFP

from benchmark.protocols import Images

GOLDEN = Path(__file__).parent / "golden"
METRICS = {
    "MAE": MAE,
    "MSE": MSE,
    "RMSE": RMSE,
    "NMSE": NMSE,
    "PSNR": PSNR,
    "SSIM_wang": SSIM,
    "SSIM_wang_3d": SSIM,
    "UQI": UQI,
    "VIF-P": VIFP,
}
ENTRIES = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))


@cache
def arrays(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "inputs.npz") as file:
        return {name.split("/")[1]: file[name] for name in file.files if name.split("/")[0] == case}


def number(value: Any) -> float:
    return {"Infinity": math.inf, "NaN": math.nan}.get(value, value)


def covered(use: str) -> list[dict[str, Any]]:
    return [entry for entry in ENTRIES if entry["metric"] in METRICS and entry["use"] == use]


def score(entry: dict[str, Any]) -> float:
    """Our value for an entry: its settings turned into preparation, region and range."""
    settings, case = entry["settings"], arrays(entry["case"])
    truth, prediction = case["gt"].astype(np.float64), case["pred"].astype(np.float64)
    if crop := re.match(r"square (\d+)", str(settings.get("crop"))):
        inside = [slice((size - int(crop[1])) // 2, (size + int(crop[1])) // 2) for size in truth.shape[1:]]
        truth, prediction = truth[:, *inside], prediction[:, *inside]
    mask = case["mask"] > 0 if settings.get("mask") == "body" else np.ones(truth.shape, dtype=bool)
    low, high = data_range(entry, truth)
    clips = "range" in settings and entry["metric"] != "MAE"
    if clips or "window_center_width" in settings or entry["implementation"] == "ldct-benchmark":
        truth, prediction = np.clip(truth, low, high), np.clip(prediction, low, high)
    return value_of(METRICS[entry["metric"]](), prediction, truth, mask, (low, high))


def value_of(metric: Any, prediction: Any, truth: Any, mask: Any, data_range: tuple[float, float]) -> float:
    """The value of one slice, or of a volume."""
    if truth.ndim == 3:
        return metric.score_volume(Images(prediction, truth, mask, data_range))
    return metric.score(Images(prediction[None], truth[None], mask[None], data_range)).item()


def data_range(entry: dict[str, Any], truth: np.ndarray) -> tuple[float, float]:
    settings, case = entry["settings"], entry["case"]
    if "range" in settings:
        return tuple(settings["range"])
    if "window_center_width" in settings:
        centre, width = settings["window_center_width"]
        low = centre - 1024 - width / 2
        return low, low + width - 1  # the window of DICOM PS3.3 C.11.2.1.2
    if settings.get("input") == "HU + 1024 clipped to [0, 2924]":
        return -1024.0, 1900.0
    if entry["implementation"] == "fastMRI":
        return 0.0, float(truth.max())
    width = settings.get("data_range", settings.get("max_val"))
    if case == "slice_hu" or case.startswith("ct3d"):
        low = -float(settings.get("shift", 1024))
        return low, low + (width or 4095.0)
    return 0.0, width or (1.0 if case == "unit_128" else 255.0)


def label(entry: dict[str, Any]) -> str:
    return "-".join((entry["case"], entry["metric"], entry["implementation"].replace(" ", "_")))


@pytest.mark.parametrize("entry", covered("match"), ids=label)
def test_matches_other_implementations(entry: dict[str, Any]) -> None:
    expected = number(entry["value"])
    atol, rtol = entry["atol"], entry.get("rtol", 0.0)
    assert score(entry) == pytest.approx(expected, abs=atol, rel=rtol if rtol else 0.0)


def test_covers_every_golden_entry_of_our_metrics() -> None:
    counts = Counter(entry["metric"] for entry in covered("match"))
    assert counts == {
        "MAE": 47, "MSE": 22, "RMSE": 6, "NMSE": 21, "PSNR": 90,
        "SSIM_wang": 44, "SSIM_wang_3d": 5, "UQI": 16, "VIF-P": 48,
    }  # fmt: skip


def faults() -> list[dict[str, Any]]:
    """Wrong values, without those that are right by accident (identical images, say)."""
    right = {(entry["case"], entry["metric"]): number(entry["value"]) for entry in covered("match")}
    return [
        entry
        for entry in covered("warn")
        if entry["value"] is not None
        and not abs(right.get((entry["case"], entry["metric"]), math.nan) - number(entry["value"])) <= 1e-6
    ]


@pytest.mark.parametrize("entry", faults(), ids=label)
def test_does_not_repeat_known_faults(entry: dict[str, Any]) -> None:
    settings = {**entry["settings"], "shift": 1024} if entry["metric"] == "SSIM_wang" else entry["settings"]
    ours, wrong = score({**entry, "settings": settings}), number(entry["value"])
    assert not math.isnan(ours)
    assert math.isnan(wrong) or abs(ours - wrong) > 1e-4
