"""Profiles reproduce the evaluations that they copy: values of other people's code, and of hands."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmark.data.intensity import IntensityMap
from benchmark.data.reader import Case
from benchmark.data.schema import CaseKey
from benchmark.plugins import registry
from benchmark.preparing import Study
from benchmark.scoring import make_judge, score_studies

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
DOCS = Path(__file__).parents[3] / "docs" / "profiles.md"


@cache
def arrays(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "inputs.npz") as file:
        return {name.split("/")[1]: file[name] for name in file.files if name.split("/")[0] == case}


def study(
    prediction: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    source: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    predicted_labels: np.ndarray | None = None,
    spacing: tuple[float, float, float] = (3.0, 1.0, 1.0),
) -> Study:
    region = np.ones(target.shape, bool) if mask is None else mask
    case = Case(
        key=CaseKey("p", "s"),
        source=target if source is None else source,
        target=target,
        mask=region,
        labels=labels,
        spacing=spacing,
        affine=np.eye(4),
    )
    return Study(case, prediction, predicted_labels)


def of_golden(name: str) -> Study:
    case = arrays(name)
    three = {role: array[None] if array.ndim == 2 else array for role, array in case.items()}
    labels = {"labels": three.get("gt_label"), "predicted_labels": three.get("pred_label")}
    labels = {role: None if value is None else value.astype(np.uint8) for role, value in labels.items()}
    spacing = tuple(case["spacing_zyx"].tolist()) if "spacing_zyx" in case else (3.0, 1.0, 1.0)
    mask = case["mask"] > 0 if "mask" in case else None
    mask = mask if mask is None or mask.ndim == 3 else mask[None]
    return study(three["pred"], three["gt"], mask, spacing=spacing, **labels)


def judge(profile: str, unit: str = "HU", window: tuple[float, float] = (-1024.0, 2000.0)) -> Any:
    """A profile made ready for a data set with this target."""
    info = SimpleNamespace(target_map=IntensityMap(unit, *window), name="golden")
    return make_judge(registry(), profile, SimpleNamespace(info=info))


def summary(profile: str, *studies: Study, **target: Any) -> dict[str, Any]:
    """What a record would hold, each study being a patient of its own."""
    named = [(CaseKey(f"p{number}", "s"), each) for number, each in enumerate(studies)]
    return score_studies(judge(profile, **target), named, {"task": "t", "name": "m", "seed": 0}).summary


def value(profile: str, metric: str, each: Study, **target: Any) -> float:
    found = summary(profile, each, **target)[metric]
    return math.inf if found.get("infinite") else found["mean"]


PROFILES = {
    "SynthRAD2023": "synthrad2023",
    "SynthRAD2025 metrics": "synthrad2025-metrics",
    "SynthRAD2025 evaluation container": "synthrad2025-eval",
    "SynthRAD2025 evaluation container (segmenter replaced by pred_label)": "synthrad2025-eval",
}
METRICS = {
    "MAE": "mae",
    "PSNR": "psnr",
    "SSIM": "ssim",
    "MS-SSIM": "ms-ssim-synthrad2025",
    "Dice": "dice",
    "HD95": "hd95-synthrad2025",
}
# the structures that the challenge looked at in the abdomen and in the head and neck, among those of the case
STRUCTURES = {"AB": {2, 5, 6, 13}, "HN": {6, 13}}


def synthrad_entries() -> list[dict[str, Any]]:
    return [e for e in ENTRIES if e["implementation"] in PROFILES and e["use"] in ("match", "profile")]


def label(entry: dict[str, Any]) -> str:
    return "-".join((entry["case"], entry["metric"], entry["implementation"], entry["use"]))
