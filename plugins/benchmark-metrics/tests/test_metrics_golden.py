"""Values that other people's evaluation code gives (golden/README.md), and values that nobody should give.

Every entry about images is here; those about statistics are in the harness's tests, LPIPS in its own.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import benchmark_metrics
import numpy as np
import pytest
from benchmark_metrics.ldct_bench import SwappedVIFP
from benchmark_metrics.ms_ssim import MSSSIM
from benchmark_metrics.ms_ssim_synthrad import SynthradMSSSIM
from benchmark_metrics.pointwise import MAE, MSE, NMSE, NRMSE, PSNR, RMSE, Bias
from benchmark_metrics.ssim import SSIM
from benchmark_metrics.structures import HD95, Dice, diagonal, dice, hausdorff
from benchmark_metrics.synthrad import HD95WithoutMissed
from benchmark_metrics.uqi import UQI
from benchmark_metrics.vif import VIFP

from benchmark.contracts.protocols import Images
from benchmark.data.format.cases import Case
from benchmark.data.format.schema import CaseKey
from benchmark.scoring.prepare import Study, prepare

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
UNIFORM = {"window": "uniform", "covariance": "sample"}
METRICS = {
    "MAE": MAE(),
    "MSE": MSE(),
    "RMSE": RMSE(),
    "NMSE": NMSE(),
    "NRMSE_euclidean": NRMSE(),
    "NRMSE_min-max": NRMSE("range"),
    "NRMSE_mean": NRMSE("mean"),
    "mean_error": Bias(),
    "PSNR": PSNR(),
    "SSIM": SSIM(**UNIFORM),
    "SSIM_uniform7": SSIM(**UNIFORM),
    "SSIM_uniform7_3d": SSIM(**UNIFORM),
    "SSIM_uniform7_slices": SSIM(**UNIFORM),
    "SSIM_wang": SSIM(),
    "SSIM_wang_3d": SSIM(),
    "SSIM_reflect": SSIM(border="reflect"),
    "MS-SSIM": MSSSIM(),
    "UQI": UQI(),
    "VIF-P": VIFP(),
    "VIF": SwappedVIFP(),
}
CLASSES = {
    "AB": (2, 3, 5, 6, *range(10, 15), *range(26, 52), 79, *range(92, 117)),
    "HN": (15, 16, 17, *range(26, 51), 79, 90, 91),
}
"""Labels of TotalSegmentator that SynthRAD2025 looks at, by region."""


@cache
def arrays(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "inputs.npz") as file:
        return {name.split("/")[1]: file[name] for name in file.files if name.split("/")[0] == case}


def number(value: Any) -> float:
    return {"Infinity": math.inf, "NaN": math.nan}.get(value, value)


def about_images(use: str) -> list[dict[str, Any]]:
    return [
        entry
        for entry in ENTRIES
        if entry["use"] == use and not entry["case"].startswith("stats") and not entry["metric"].startswith("LPIPS")
    ]


def score(entry: dict[str, Any]) -> float:
    """Our value for an entry: its settings turned into preparation, region, range and options."""
    settings, case, name = entry["settings"], arrays(entry["case"]), entry["metric"]
    if re.match("Dice|HD", name):
        return structure_score(name, settings, entry["use"], case)
    truth, prediction = case["gt"].astype(np.float64), case["pred"].astype(np.float64)
    if crop := re.match(r"square (\d+)", str(settings.get("crop"))):
        inside = [slice((size - int(crop[1])) // 2, (size + int(crop[1])) // 2) for size in truth.shape[1:]]
        truth, prediction = truth[:, *inside], prediction[:, *inside]
    mask = np.ones(truth.shape, dtype=bool)
    if str(settings.get("mask")).startswith("body"):
        mask = case["mask"] > 0
    low, high = data_range(entry, truth)
    clips = "range" in settings and name != "MAE"
    if clips or "window_center_width" in settings or entry["implementation"] == "ldct-benchmark":
        truth, prediction = np.clip(truth, low, high), np.clip(prediction, low, high)
    if entry["implementation"].startswith("SynthRAD"):
        truth, prediction = (np.where(mask, image, low) if "SSIM" in name else image for image in (truth, prediction))
    images = Images(prediction, truth, mask, (low, high)) if truth.ndim == 3 else None
    if name == "MS-SSIM" and entry["implementation"].startswith("SynthRAD2025"):
        luminance = "coarsest-level" if "patched" in entry["implementation"] else "every-level"
        return SynthradMSSSIM(luminance).score(images)
    if "swapped" in settings.get("first", ""):
        truth, prediction = prediction, truth
    metric = METRICS[name]
    if images is None:
        return metric.score(Images(prediction[None], truth[None], mask[None], (low, high))).item()
    if name == "SSIM_uniform7_slices" or (name == "SSIM" and entry["implementation"] == "fastMRI"):
        return float(metric.score(images).mean())
    return metric.score_volume(images)


def structure_score(name: str, settings: dict[str, Any], use: str, case: dict[str, np.ndarray]) -> float:
    truth, prediction = case["gt_label"], case["pred_label"]
    spacing = tuple(case["spacing_zyx"].tolist())
    if of_one := re.fullmatch(r"(Dice|HD95|HD)\[(\d+)\]", name):
        pair = prediction == int(of_one[2]), truth == int(of_one[2])
        if of_one[1] == "Dice":
            return dice(*pair)
        if settings["spacing"] == 1.0:
            spacing = (1.0, 1.0, 1.0)
        return hausdorff(*pair, spacing, 95.0 if of_one[1] == "HD95" else 100.0)
    assert settings["spacing_xyz"] == list(spacing[::-1])
    of_region = CLASSES[settings["classes"]]
    metrics = {"Dice": Dice(of_region, "target"), "HD95": HD95(of_region, "target")}
    if use == "profile":  # over all the labels there are: they are those of the region
        assert set(np.unique(truth)) - {0} <= set(of_region)
        metrics["HD95"] = HD95WithoutMissed()
    image = np.zeros(truth.shape)
    everywhere = np.ones(truth.shape, dtype=bool)
    labels = {"labels": truth, "predicted_labels": prediction}
    return metrics[name].score(Images(image, image, everywhere, (0.0, 1.0), spacing=spacing, **labels))


def data_range(entry: dict[str, Any], truth: np.ndarray) -> tuple[float, float]:
    settings, case = entry["settings"], entry["case"]
    if "range" in settings:
        return tuple(settings["range"])
    if "window_center_width" in settings:
        centre, width = settings["window_center_width"]
        low = centre - 1024 - width / 2
        return low, low + width - 1  # the window of DICOM PS3.3 C.11.2.1.2
    if str(settings.get("input")).startswith("HU + 1024 clipped to [0, 2924]"):
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


@pytest.mark.parametrize("entry", [*about_images("match"), *about_images("profile")], ids=label)
def test_matches_other_implementations(entry: dict[str, Any]) -> None:
    expected = number(entry["value"])
    atol, rtol = entry["atol"], entry.get("rtol", 0.0)
    assert score(entry) == pytest.approx(expected, abs=atol, rel=rtol if rtol else 0.0)


def test_every_entry_is_somewhere() -> None:
    """With the entries about statistics and LPIPS: all 595 to match and all 12 that only profiles match."""
    counts = Counter(re.sub(r"\[\d+\]", "", entry["metric"]) for entry in about_images("match"))
    assert counts == {
        "MAE": 47, "MSE": 22, "RMSE": 6, "NMSE": 21, "NRMSE_euclidean": 15, "NRMSE_mean": 15, "NRMSE_min-max": 13,
        "mean_error": 6, "PSNR": 90, "SSIM": 19, "SSIM_uniform7": 15, "SSIM_uniform7_3d": 6, "SSIM_uniform7_slices": 5,
        "SSIM_wang": 44, "SSIM_wang_3d": 5, "MS-SSIM": 11, "UQI": 16, "VIF-P": 48, "VIF": 1,
        "Dice": 15, "HD95": 18, "HD": 16,
    }  # fmt: skip
    rest = [entry for entry in ENTRIES if entry["use"] == "match" and entry not in about_images("match")]
    assert len(rest) == 595 - counts.total()
    assert {entry["metric"] for entry in rest if not entry["case"].startswith("stats")} == {
        "LPIPS_alex",
        "LPIPS_squeeze",
    }
    assert len(about_images("profile")) == 12


NEIGHBOURS = [
    entry for entry in about_images("info") if entry["metric"] == "SSIM_reflect" or "patched" in entry["implementation"]
]


@pytest.mark.parametrize("entry", NEIGHBOURS, ids=label)
def test_neighbouring_conventions_are_options(entry: dict[str, Any]) -> None:
    """Right values of another convention come when that is asked for by name."""
    assert score(entry) == pytest.approx(entry["value"], abs=1e-6)


def test_the_diagonal_of_a_volume_is_the_golden_one() -> None:
    (entry,) = (entry for entry in about_images("info") if entry["metric"] == "volume_diagonal")
    shape = arrays(entry["case"])["gt_label"].shape
    assert diagonal(shape, tuple(entry["settings"]["spacing"])) == pytest.approx(entry["value"], abs=1e-9)


def test_missed_and_invented_structures_are_the_worst_case() -> None:
    case = arrays("ct3d_missing_organ")
    spacing = tuple(case["spacing_zyx"].tolist())
    worst = diagonal(case["gt_label"].shape, spacing)
    for missed_or_invented in (5, 6):
        pair = case["pred_label"] == missed_or_invented, case["gt_label"] == missed_or_invented
        assert dice(*pair) == 0.0
        assert hausdorff(*pair, spacing, 95.0) == worst
    image = np.zeros(case["gt_label"].shape)
    images = Images(
        image, image, image == 0, (0.0, 1.0),
        spacing=spacing, labels=case["gt_label"], predicted_labels=case["pred_label"],
    )  # fmt: skip
    of_nine = HD95WithoutMissed().score(images)
    assert HD95(present="target").score(images) == pytest.approx((9 * of_nine + worst) / 10)
    assert HD95().score(images) == pytest.approx((9 * of_nine + 2 * worst) / 11)
    assert Dice().score(images) == pytest.approx(Dice(present="target").score(images) * 10 / 11)


PROFILE = {profile.name: profile for profile in benchmark_metrics.benchmark_profiles()}["default"]
USES = {use.metric: use for use in PROFILE.metrics}
SPECS = {spec.name: spec for spec in benchmark_metrics.benchmark_metrics()}
FAMILIES = {
    "mae": "MAE", "mse": "MSE", "rmse": "RMSE", "nmse": "NMSE", "psnr": "PSNR", "ssim": "SSIM", "ms-ssim": "MS-SSIM",
    "uqi": "UQI", "vif-p": "VIF",
}  # fmt: skip


def wrong_for_the_default_profile() -> list[tuple[str, str, float]]:
    """Metric, case and value of entries not to be met, without those that are right by accident."""
    found = []
    for name, family in FAMILIES.items():
        of_family = [entry for entry in ENTRIES if re.match(rf"{family}(\b|_|-P)", entry["metric"])]
        right: dict[str, list[float]] = {}
        for entry in of_family:
            if entry["use"] == "match":
                right.setdefault(entry["case"], []).append(number(entry["value"]))
        for entry in of_family:
            if name not in USES or entry["use"] not in ("warn", "info") or entry["value"] is None:
                continue
            value, accepted = number(entry["value"]), right.get(entry["case"], [])
            if family == "VIF" and entry["case"] in ("const_same", "const_zero"):
                accepted = [*accepted, 1.0]  # identical: 0/0 that golden/README.md says to define as 1
            if not any(abs(each - value) <= 1e-6 or each == value for each in accepted):
                found.append((name, entry["case"], value))
    return found


@cache
def default_score(name: str, case: str) -> float:
    """Under the default profile, the mean over slices."""
    found = arrays(case)
    truth, prediction = (found[role].reshape(-1, *found[role].shape[-2:]) for role in ("gt", "pred"))
    mask = found["mask"].reshape(truth.shape) > 0 if "mask" in found else np.ones(truth.shape, dtype=bool)
    window = (-1024.0, 3071.0) if case == "slice_hu" or case.startswith("ct3d") else (0.0, 255.0)
    window = {"unit_128": (0.0, 1.0), "mr3d_blur_bias": (0.0, 900.0), "mr3d_zero_pred": (0.0, 900.0)}.get(case, window)
    study = Study(Case(CaseKey("p", "s"), truth, truth, mask, None, (1.0, 1.0, 1.0), np.eye(4)), prediction)
    images = prepare(PROFILE, USES[name], study, window, "")
    values = SPECS[name].load()(**USES[name].options).score(images.at(images.mask.any(axis=(1, 2))))
    return float(values.mean())


WRONG = wrong_for_the_default_profile()


def test_wrong_values_are_many() -> None:
    assert len(WRONG) > 80


@pytest.mark.parametrize(("name", "case", "wrong"), WRONG)
def test_the_default_profile_gives_no_wrong_value(name: str, case: str, wrong: float) -> None:
    ours = default_score(name, case)
    if name == "ms-ssim" and min(arrays(case)["gt"].shape[-2:]) < 176:
        assert math.isnan(ours)
    else:
        assert not math.isnan(ours)
        assert math.isnan(wrong) or not abs(ours - wrong) <= 1e-6
