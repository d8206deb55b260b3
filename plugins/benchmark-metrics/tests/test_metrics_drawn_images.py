"""Metrics of drawn images: what a segmenter learns from them, and how their intensities are distributed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmark_metrics.histogram_divergence import IntensityDivergence
from benchmark_metrics.segmenter import SegmenterDice, taught_by_real_images

from benchmark.contracts.protocols import Images
from benchmark.errors import Unavailable

RANGE = (-1024.0, 2000.0)
LIMITS = (-400.0, 150.0)


def picture(random: np.random.Generator) -> np.ndarray:
    """Air, a soft disc with noise, and bone in it: ``(4, 24, 24)`` in HU."""
    rows, columns = np.mgrid[:24, :24]
    slices = []
    for _ in range(4):
        centre = random.uniform(9, 15, 2)
        distance = np.hypot(rows - centre[0], columns - centre[1])
        slices.append(np.where(distance < 9, 40.0, -1000.0) + np.where(distance < 4, 700.0, 0.0))
    return np.array(slices) + random.normal(0, 20, (4, 24, 24))


def study(number: int, *, drawn: str = "alike") -> Images:
    """A real study, and drawn slices in its place: ``alike``, ``empty`` masks, or ``none``."""
    random = np.random.default_rng(number)
    real, made = picture(random), picture(random)
    labels = {
        "alike": np.digitize(made, LIMITS).astype(np.uint8),
        "empty": np.zeros(made.shape, np.uint8),
        "none": None,
    }
    return Images(made, real, np.ones(real.shape, bool), RANGE, unit="HU", predicted_labels=labels[drawn])


def score(metric: SegmenterDice, studies: int = 4, **more: str) -> float:
    metric.reset()
    for number in range(studies):
        metric.update(study(number, **more))
    return metric.compute().value


def test_good_pairs_teach_as_much_as_real_ones_and_wrong_masks_teach_nothing() -> None:
    taught = score(SegmenterDice(steps=60))
    assert taught > 0.85
    assert score(taught_by_real_images(steps=60)) == pytest.approx(taught, abs=0.1)
    assert score(SegmenterDice(steps=60), drawn="empty") < 0.4


def test_the_number_comes_out_again_whatever_the_random_state_and_leaves_it_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = score(SegmenterDice(steps=5))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert score(SegmenterDice(steps=5)) == first


@pytest.mark.parametrize(
    ("more", "said"),
    [({"drawn": "none"}, "without masks"), ({"studies": 3}, "12 slices of 3 studies; needs 16 of 4")],
)
def test_what_cannot_be_taught_is_said(more: dict[str, object], said: str) -> None:
    with pytest.raises(Unavailable, match=said):
        score(SegmenterDice(steps=1), **more)  # type: ignore[arg-type]


def test_masks_of_more_classes_than_the_thresholds_give_are_refused() -> None:
    with pytest.raises(Unavailable, match="class 2, the thresholds give 2 classes"):
        score(SegmenterDice(steps=1, thresholds=(0.0,)))


def test_divergence_by_hand() -> None:
    metric = IntensityDivergence(bins=2)
    half = np.array([[[-500.0, 500.0]]])
    low = np.array([[[-500.0, -500.0]]])
    for _ in range(2):
        metric.update(Images(low, half, np.ones((1, 1, 2), bool), (-1000.0, 1000.0)))
    # counts and one more in each bin: real 3 and 3 of 6, made 5 and 1 of 6
    assert metric.compute().value == pytest.approx(0.5 * np.log(0.5 / (5 / 6)) + 0.5 * np.log(0.5 / (1 / 6)))


def test_divergence_of_images_from_themselves_is_nothing_and_the_region_counts_alone() -> None:
    metric = IntensityDivergence()
    for number in range(3):
        images = study(number)
        metric.update(Images(images.target, images.target, images.mask, RANGE))
    same = metric.compute()
    assert same.value == 0
    assert same.low <= 0 <= same.high
    metric.reset()
    inside = np.zeros((4, 24, 24), bool)
    inside[:, :4] = True
    for number in range(3):
        images = study(number)
        changed = np.where(inside, images.target, 1500.0)
        metric.update(Images(changed, images.target, inside, RANGE))
    assert metric.compute().value == 0


def test_divergence_of_one_study_has_no_interval() -> None:
    metric = IntensityDivergence()
    metric.update(study(0))
    with pytest.raises(Unavailable, match="needs 2"):
        metric.compute()
