"""Profiles reproduce the evaluations that they copy: values of other people's code, and of hands."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import benchmark_metrics
import numpy as np
import pytest
from benchmark_metrics import profiles
from benchmark_metrics.inpainting import MSLE, PSNROfTargetRange, SagittalSSIM
from oracles import oracle_package

from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.protocols import Images
from benchmark.data.format.cases import Case
from benchmark.data.format.schema import CaseKey
from benchmark.errors import UsageError
from benchmark.plan.claim import CellAddress
from benchmark.registry.plugins import registry
from benchmark.scoring.judge import make_judge
from benchmark.scoring.prepare import Study
from benchmark.scoring.score import Scores, score_studies

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
DOCS = Path(__file__).parents[3] / "docs" / "profiles.md"


@cache
def arrays(case: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "inputs.npz") as file:
        return {name.split("/")[1]: file[name] for name in file.files if name.split("/")[0] == case}


def _plain(scores: Scores) -> dict[str, Any]:
    return {name: summary.to_json() for name, summary in scores.summary.items()}


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
    return make_judge(registry(), profile, info)


def summary(profile: str, *studies: Study, **target: Any) -> dict[str, Any]:
    """What a record would hold, each study being a patient of its own."""
    named = [(CaseKey(f"p{number}", "s"), each) for number, each in enumerate(studies)]
    return _plain(score_studies(judge(profile, **target), named, CellAddress("t", "m", 0)))


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


def synthrad_entries() -> list[dict[str, Any]]:
    return [e for e in ENTRIES if e["implementation"] in PROFILES and e["use"] in ("match", "profile")]


def label(entry: dict[str, Any]) -> str:
    return "-".join((entry["case"], entry["metric"], entry["implementation"], entry["use"]))


@pytest.mark.parametrize("entry", synthrad_entries(), ids=label)
def test_synthrad_profiles_give_the_challenges_values(entry: dict[str, Any]) -> None:
    each = of_golden(entry["case"])
    if entry["settings"].get("classes") == "HN":  # of its structures the case has these two
        each = only_structures(each, {30, 79})
    found = value(PROFILES[entry["implementation"]], METRICS[entry["metric"]], each)
    expected = {"Infinity": math.inf}.get(entry["value"], entry["value"])
    assert found == pytest.approx(expected, abs=entry["atol"], rel=entry.get("rtol", 0.0))


def only_structures(each: Study, kept: set[int]) -> Study:
    case = each.case
    assert case.labels is not None
    assert each.predicted_labels is not None
    labels, found = (np.where(np.isin(array, list(kept)), array, 0) for array in (case.labels, each.predicted_labels))
    return study(each.prediction, case.target, case.mask, labels=labels, predicted_labels=found, spacing=case.spacing)


def test_every_entry_that_only_a_profile_should_match_is_tried() -> None:
    tried = {label(entry) for entry in synthrad_entries()}
    assert {label(entry) for entry in ENTRIES if entry["use"] == "profile"} <= tried
    assert len(tried) > 40


def test_the_two_ranges_of_2025_differ_by_0_152_db() -> None:
    each = of_golden("ct3d_shift_bias")
    apart = value("synthrad2025-eval", "psnr", each) - value("synthrad2025-metrics", "psnr", each)
    assert apart == pytest.approx(20 * math.log10(4095 / 4024), abs=1e-9)
    assert round(apart, 3) == 0.152
    metal = of_golden("ct3d_blur_noise")
    clipped = value("synthrad2025-eval", "psnr", metal) - value("synthrad2025-metrics", "psnr", metal)
    assert abs(clipped - apart) > 0.01


def test_a_missed_organ_costs_the_diagonal_but_not_in_the_copy_of_the_challenge() -> None:
    labels = np.zeros((6, 20, 30), np.uint8)
    labels[1:4, 3:9, 4:12] = 1
    labels[2:5, 12:18, 15:25] = 2
    found = np.where(labels == 2, labels, 0)
    target = np.where(labels > 0, 50.0, -1000.0)
    each = study(target, target, labels > 0, labels=labels, predicted_labels=found, spacing=(3.0, 1.0, 2.0))
    diagonal = math.hypot(6 * 3.0, 20 * 1.0, 30 * 2.0)
    metric = registry().metric("hd95").spec.load()()
    images = Images(target, target, labels > 0, (-1024.0, 3000.0), spacing=(3.0, 1.0, 2.0), labels=labels,
                    predicted_labels=found)  # fmt: skip
    assert metric.score(images) == pytest.approx(diagonal / 2)
    scores = summary("synthrad2025-eval", each)
    assert scores["hd95-synthrad2025"]["mean"] == 0.0
    assert scores["dice"]["mean"] == 0.5


def fastmri_entries() -> list[dict[str, Any]]:
    """Those of ``evaluate()``, which crops; and those without cropping, where the case is a square already."""
    kept = []
    for entry in ENTRIES:
        if entry["implementation"] == "fastMRI" and entry["use"] == "match":
            rows, columns = arrays(entry["case"])["gt"].shape[-2:]
            if entry["settings"]["crop"] is not None or rows == columns:
                kept.append(entry)
    return kept


@pytest.mark.parametrize("entry", fastmri_entries(), ids=label)
def test_fastmri_profile_gives_fastmris_values(entry: dict[str, Any]) -> None:
    found = value("fastmri", entry["metric"].lower(), of_golden(entry["case"]), unit="a.u.", window=(0.0, 500.0))
    assert found == pytest.approx(entry["value"], abs=entry["atol"], rel=entry.get("rtol", 0.0))


def test_fastmri_by_hand() -> None:
    """Two slices of constants: every window has the same SSIM, and the peak is the volume's, not the slice's."""
    target = np.stack([np.full((9, 7), 4.0), np.full((9, 7), 2.0)])
    prediction = np.stack([np.full((9, 7), 4.0), np.full((9, 7), 1.0)])
    scores = summary("fastmri", study(prediction, target), unit="a.u.", window=(0.0, 9.0))
    assert scores["nmse"]["mean"] == pytest.approx(1 / (16 + 4))  # sum of (t - p)^2 over sum of t^2: 49 / 980
    assert scores["mse"]["mean"] == pytest.approx(1 / 2)
    assert scores["psnr"]["mean"] == pytest.approx(10 * math.log10(4.0**2 / (1 / 2)))
    c1 = (0.01 * 4.0) ** 2
    darker = (2 * 2.0 * 1.0 + c1) / (2.0**2 + 1.0**2 + c1)
    assert scores["ssim"]["mean"] == pytest.approx((1.0 + darker) / 2)


def test_fastmri_weighs_studies_alike_however_many_slices_they_have() -> None:
    good, bad = np.full((4, 9, 9), 4.0), np.full((1, 9, 9), 4.0)
    studies = [(CaseKey("p", "a"), study(good, good)), (CaseKey("p", "b"), study(bad * 0.5, bad))]
    ready = judge("fastmri", "a.u.", (0.0, 9.0))
    scores = _plain(score_studies(ready, studies, CellAddress("t", "m", 0)))
    c1 = (0.01 * 4.0) ** 2
    assert scores["ssim"]["patients"]["p"] == pytest.approx((1.0 + (2 * 4 * 2 + c1) / (16 + 4 + c1)) / 2)


def ldct_entries() -> list[dict[str, Any]]:
    return [
        entry
        for entry in ENTRIES
        if entry["implementation"] == "ldct-benchmark" and entry["use"] == "match" and entry["case"] == "slice_hu"
    ]


@pytest.mark.parametrize("entry", ldct_entries(), ids=lambda e: e["metric"] + e["settings"].get("exam_type", ""))
def test_ldct_profiles_give_ldct_benchs_values(entry: dict[str, Any]) -> None:
    profile = "ldct-bench" + {"C": "-chest", "N": "-neuro"}.get(entry["settings"].get("exam_type", ""), "")
    metric = {"SSIM": "ssim", "PSNR": "psnr", "RMSE": "rmse", "VIF": "vif-p-ldct-bench"}[entry["metric"]]
    assert value(profile, metric, of_golden("slice_hu")) == pytest.approx(entry["value"], abs=entry["atol"])


def test_all_of_ldct_benchs_values_are_tried() -> None:
    assert len(ldct_entries()) == 8


@pytest.fixture(scope="module")
def filled() -> Study:
    rng = np.random.default_rng(5)
    z, y, x = np.mgrid[:16, :24, :20]
    brain = 300 + 200 * np.sin(x / 3) * np.cos(y / 4 + z / 5) + rng.normal(0, 10, (16, 24, 20))
    brain[:, :3] = 0
    hole = (z - 8) ** 2 / 16 + (y - 13) ** 2 / 25 + (x - 9) ** 2 / 16 < 1
    prediction = np.where(hole, brain + rng.normal(20, 40, brain.shape), brain)
    return study(prediction, brain, hole, source=np.where(hole, 0.0, brain))


class TestInpainting:
    """Against torchmetrics, which the challenge's own code calls."""

    def scaled(self, filled: Study) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.percentile(filled.case.source, [0.5, 99.5])
        low = max(low, 0.0)
        first, second = (
            np.clip((image - low) / (high - low), 0, 1) for image in (filled.prediction, filled.case.target)
        )
        return first, second

    def test_ssim_is_that_of_sagittal_planes(self, filled: Study) -> None:
        torch = pytest.importorskip("torch")
        image = oracle_package("torchmetrics.image")
        # (channels = x, y, z) from slices (z, y, x)
        pair = [torch.from_numpy(each.transpose(2, 1, 0)[None].copy()) for each in self.scaled(filled)]
        index = image.StructuralSimilarityIndexMeasure(return_full_image=True).set_dtype(torch.float64)
        index.update(*pair)
        _, full = index.compute()
        expected = float(full[0].numpy()[filled.case.mask.transpose(2, 1, 0)].mean())
        found = value("brats-inpainting", "ssim-sagittal", filled, unit="a.u.", window=(0.0, 600.0))
        assert found == pytest.approx(expected, abs=1e-6)

    def test_errors_inside_the_mask(self, filled: Study) -> None:
        prediction, target = (each[filled.case.mask] for each in self.scaled(filled))
        errors = prediction - target
        square = float(np.mean(errors**2))
        expected = {
            "mse": square,
            "rmse": math.sqrt(square),
            "mae": float(np.abs(errors).mean()),
            "msle": float(np.mean((np.log1p(prediction) - np.log1p(target)) ** 2)),
            "psnr": -10 * math.log10(square),
            "psnr-target-range": 10 * math.log10(np.ptp(target) ** 2 / square),
        }
        scores = summary("brats-inpainting", filled, unit="a.u.", window=(0.0, 600.0))
        assert {name: scores[name]["mean"] for name in expected} == pytest.approx(expected, rel=1e-9)
        assert scores["mse"]["unit"] == ""

    def test_degenerate_cases(self) -> None:
        flat, mask = np.full((12, 12, 12), 0.5), np.ones((12, 12, 12), bool)
        same, other = Images(flat, flat, mask, (0.0, 1.0)), Images(flat * 0.5, flat, mask, (0.0, 1.0))
        assert SagittalSSIM().score(same) == 1.0
        assert math.isnan(SagittalSSIM().score(other))
        assert PSNROfTargetRange().score(same) == math.inf
        assert math.isnan(PSNROfTargetRange().score(other))
        assert MSLE().score(same).tolist() == [0.0] * 12
        assert math.isnan(MSLE().score_volume(Images(flat - 2.0, flat, mask, (0.0, 1.0))))
        thin = Images(flat[:4] * 0.5, np.random.default_rng(0).random((4, 12, 12)), mask[:4], (0.0, 1.0))
        assert math.isnan(SagittalSSIM().score(thin))


class TestMedgan8Bit:
    def test_the_window_becomes_0_to_255_and_nothing_is_rounded(self) -> None:
        target = np.full((1, 48, 48), 0.0)
        scores = summary("medgan-8bit", study(target + 1.0, target), window=(-1000.0, 1000.0))
        assert scores["mse"]["mean"] == pytest.approx((255 / 2000) ** 2)
        assert scores["psnr"]["mean"] == pytest.approx(20 * math.log10(2000.0))
        assert scores["mse"]["unit"] == ""

    @pytest.mark.parametrize("case", ["pic8_256", "pic8_181x217", "pic8_192_zero_background"])
    @pytest.mark.parametrize(
        ("metric", "named", "implementation"),
        [
            ("psnr", "PSNR", "scikit-image"),
            ("ssim", "SSIM_wang", "own"),
            ("uqi", "UQI", "own"),
            ("vif-p", "VIF-P", "own"),
        ],
    )
    def test_pictures_give_the_known_values(self, case: str, metric: str, named: str, implementation: str) -> None:
        (expected,) = {
            e["value"]
            for e in ENTRIES
            if (e["case"], e["metric"], e["implementation"], e["use"]) == (case, named, implementation, "match")
        }
        assert value("medgan-8bit", metric, of_golden(case), unit="a.u.", window=(0.0, 255.0)) == pytest.approx(
            expected, abs=1e-6
        )


class TestAllProfiles:
    @pytest.mark.parametrize("profile", [*benchmark_metrics.benchmark_profiles()], ids=lambda profile: profile.id)
    def test_each_has_its_section_and_its_row_in_the_docs(self, profile: Any) -> None:
        text = DOCS.read_text(encoding="utf-8")
        name = re.sub(r"-(chest|neuro)$", "", profile.name)
        assert f"\n## {name}\n\nVersion {profile.version}" in text
        assert re.search(rf"^\| `{name}`", text, re.MULTILINE)
        assert profile.summary
        assert profile.source or name == "default"

    @pytest.mark.parametrize("profile", profiles.every(), ids=lambda profile: profile.id)
    def test_each_can_be_built_and_scores_what_it_is_for(self, profile: Any) -> None:
        unit = profile.units[0] if profile.units else "HU"
        each = of_golden("ct3d_missing_organ")
        if unit == "a.u.":
            each = study(each.prediction + 1024, each.case.target + 1024, each.case.mask)
        window = (0.0, 3000.0) if unit == "a.u." else (-1024.0, 2000.0)
        scores = summary(profile.name, each, unit=unit, window=window)
        assert list(scores) == [use.metric for use in profile.metrics]
        assert {
            result["state"] for name, result in scores.items() if name not in ("lpips", "dice", "hd95-synthrad2025")
        } == {"scored"}
        assert scores[profile.primary]["mean"] is not None

    def test_ct_profiles_refuse_other_units(self) -> None:
        for profile in profiles.every():
            if profile.units == ("HU",):
                with pytest.raises(UsageError, match="scores targets in HU; those of golden are in SUV"):
                    judge(profile.name, "SUV")

    def test_the_challenges_need_a_mask(self) -> None:
        image = np.zeros((3, 20, 20))
        with pytest.raises(UsageError, match="the mask of case p/s is the whole image"):
            summary("synthrad2023", study(image, image))

    def test_definitions_survive_json(self) -> None:
        for profile in profiles.every():
            definition = judge(profile.name, profile.units[0] if profile.units else "HU").definition
            assert json.loads(json.dumps(definition)) == definition
