"""What every metric must do, whatever the images."""

from __future__ import annotations

import math
from typing import Any

import benchmark_metrics
import numpy as np
import pytest
from benchmark_metrics.dependence import NMI, PCC
from benchmark_metrics.pointwise import MAE, MSE, NMSE, NRMSE, PSNR, RMSE, Bias
from benchmark_metrics.sharpness import EdgeRatio, EdgeSharpness
from benchmark_metrics.ssim import SSIM
from benchmark_metrics.uqi import UQI
from benchmark_metrics.vif import VIFP
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.contracts.protocols import Images
from benchmark.data.format.cases import Case
from benchmark.data.format.schema import CaseKey
from benchmark.scoring.prepare import Study, prepare

ALL = [MAE, RMSE, MSE, NMSE, PSNR, SSIM, UQI, VIFP]
BEST = {MAE: 0.0, RMSE: 0.0, MSE: 0.0, NMSE: 0.0, PSNR: math.inf, SSIM: 1.0, UQI: 1.0, VIFP: 1.0}
HIGHER = {PSNR, SSIM, UQI, VIFP}
NAMES = {MAE: "mae", RMSE: "rmse", MSE: "mse", NMSE: "nmse", PSNR: "psnr", SSIM: "ssim", UQI: "uqi", VIFP: "vif-p"}
RANGE = (-1000.0, 3000.0)
PROFILE = next(profile for profile in benchmark_metrics.benchmark_profiles() if profile.name == "default")
USES = {use.metric: use for use in PROFILE.metrics}


def body(seed: int = 0, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A textured disc in air, in HU, and its mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    mask = x**2 + y**2 < (0.4 * size) ** 2
    texture = 40.0 + 300.0 * np.sin(x / 3) * np.cos(y / 4) + rng.normal(0, 30, (size, size))
    return np.where(mask, texture, RANGE[0]), mask


def value(metric: Any, prediction: Any, target: Any, mask: Any, data_range: tuple[float, float]) -> float:
    """The score of one slice."""
    return metric.score(Images(prediction[None], target[None], mask[None], data_range)).item()


def prepared_for(
    metric: Any, prediction: Any, target: Any, mask: Any, data_range: tuple[float, float] = RANGE
) -> tuple[Any, ...]:
    """The slices as the profile prepares them for a metric, ready for :func:`value`."""
    case = Case(CaseKey("p", "s"), target[None], target[None], mask[None], None, (1.0, 1.0, 1.0), np.eye(4))
    use = USES[NAMES[metric]]
    images = prepare(PROFILE, use, Study(case, prediction[None]), data_range, "HU")
    return images.prediction[0], images.target[0], images.mask[0], images.data_range


def everywhere(image: np.ndarray) -> np.ndarray:
    return np.ones(image.shape, dtype=bool)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("level", [None, RANGE[0], 0.0, 100.3])
def test_identical_images_score_best(metric: Any, level: float | None) -> None:
    image = body()[0] if level is None else np.full((64, 64), level)
    assert value(metric(), image.copy(), image, everywhere(image), RANGE) == pytest.approx(BEST[metric], abs=1e-9)


@pytest.mark.parametrize("metric", ALL)
def test_more_noise_never_scores_better(metric: Any) -> None:
    image, mask = body()
    noise = np.random.default_rng(1).normal(size=image.shape)
    scores = [
        value(metric(), *prepared_for(metric, image + level * noise, image, mask)) for level in (1.0, 10.0, 50.0, 200.0)
    ]
    assert scores == sorted(scores, reverse=metric in HIGHER)
    assert len(set(scores)) == 4


@pytest.mark.parametrize("metric", ALL)
def test_voxels_outside_the_region_do_not_matter(metric: Any) -> None:
    image, mask = body()
    rng = np.random.default_rng(2)
    prediction = image + rng.normal(0, 40, image.shape)
    scores = []
    for _ in range(2):
        altered = [np.where(mask, each, rng.uniform(*RANGE, image.shape)) for each in (prediction, image)]
        scores.append(value(metric(), *prepared_for(metric, *altered, mask)))
    assert scores[0] == scores[1]


@pytest.mark.parametrize("metric", [NMSE, NRMSE, PSNR, SSIM, UQI, VIFP, PCC, NMI, EdgeSharpness, EdgeRatio])
@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_unit_does_not_matter(metric: Any, factor: float, seed: int) -> None:
    image, mask = body(seed)
    prediction = image + np.random.default_rng(seed).normal(0, 40, image.shape)
    plain = value(metric(), prediction, image, mask, RANGE)
    scaled = value(metric(), factor * prediction, factor * image, mask, (factor * RANGE[0], factor * RANGE[1]))
    assert scaled == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("metric", [MAE, RMSE, MSE, Bias, PSNR, SSIM, UQI, VIFP, PCC, NMI, EdgeSharpness, EdgeRatio])
@given(offset=st.floats(-2000, 2000))
@settings(max_examples=15, deadline=None)
def test_zero_of_the_unit_does_not_matter(metric: Any, offset: float) -> None:
    """HU, HU + 1024 and attenuation give one score; NMSE and NRMSE alone are relative to the unit's own zero."""
    image, mask = body()
    prediction = image + np.random.default_rng(3).normal(0, 40, image.shape)
    plain = value(metric(), prediction, image, mask, RANGE)
    moved = value(metric(), prediction + offset, image + offset, mask, (RANGE[0] + offset, RANGE[1] + offset))
    assert moved == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("size", [8, 16, 40])
def test_small_images_are_scored_or_undefined_but_never_an_error(metric: Any, size: int) -> None:
    image, _ = body(size=size)
    result = value(metric(), image + 1.0, image, everywhere(image), RANGE)
    smallest = {SSIM: 11, UQI: 8, VIFP: 41}.get(metric, 1)
    assert math.isnan(result) == (size < smallest)


@pytest.mark.parametrize("metric", ALL)
def test_does_not_change_its_input(metric: Any) -> None:
    image, mask = body()
    prediction = image + 7.0
    before = prediction.copy(), image.copy(), mask.copy()
    value(metric(), prediction, image, mask, RANGE)
    assert all(np.array_equal(a, b) for a, b in zip(before, (prediction, image, mask), strict=True))


@pytest.mark.parametrize(
    ("metric", "prediction", "target", "expected"),
    [
        (NMSE, 1.0, 0.0, math.nan),
        (NMSE, 0.0, 0.0, 0.0),
        (PSNR, 5.0, 5.0, math.inf),
        (VIFP, 5.0, 5.0, 1.0),
        (VIFP, 6.0, 5.0, 0.0),
        (UQI, 0.0, 0.0, 1.0),
        (UQI, 4.0, 0.0, 0.0),
        (UQI, 2.0, 1.0, 0.8),
    ],
)
def test_degenerate_cases_are_decided(metric: Any, prediction: float, target: float, expected: float) -> None:
    images = [np.full((48, 48), value) for value in (prediction, target)]
    result = value(metric(), *images, everywhere(images[0]), (0.0, 10.0))
    assert result == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("metric", [SSIM, UQI])
def test_no_window_centred_in_the_region_is_undefined(metric: Any) -> None:
    image, _ = body()
    mask = np.zeros(image.shape, dtype=bool)
    mask[0, 0] = True
    assert math.isnan(value(metric(), image, image, mask, RANGE))


def test_uqi_is_the_mean_of_its_map_in_the_region() -> None:
    image, mask = body()
    prediction = image + np.random.default_rng(4).normal(0, 40, image.shape)
    shifted = prediction - RANGE[0], image - RANGE[0]
    assert value(UQI(), prediction, image, mask, RANGE) == pytest.approx(UQI().map(*shifted)[mask[4:-3, 4:-3]].mean())


@given(seed=st.integers(0, 1000), offset=st.floats(0, 1e4), spread=st.floats(1e-3, 1e3))
@settings(max_examples=25, deadline=None)
def test_uqi_equals_its_formula_block_by_block(seed: int, offset: float, spread: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = offset + spread * rng.random((2, 10, 9))
    result = UQI().map(x, y)
    for row in range(3):
        for column in range(2):
            a, b = (image[row : row + 8, column : column + 8].ravel() for image in (x, y))
            covariance = np.mean((a - a.mean()) * (b - b.mean()))
            expected = 4 * covariance * a.mean() * b.mean() / ((a.var() + b.var()) * (a.mean() ** 2 + b.mean() ** 2))
            assert result[row, column] == pytest.approx(expected, abs=1e-6)


def test_vif_is_not_symmetric_and_rewards_the_reference_first() -> None:
    image, mask = body()
    blurred = (image + np.roll(image, 1, 0) + np.roll(image, 1, 1)) / 3
    one, other = (value(VIFP(), *pair, mask, RANGE) for pair in ((blurred, image), (image, blurred)))
    assert one < other
