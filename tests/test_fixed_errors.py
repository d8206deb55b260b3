"""Errors that a network paints at one place into every image are found; those that follow the anatomy are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_datasets
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmark.cell.health import output_findings
from benchmark.data.format.reader import Dataset
from benchmark.store.predictions import PredictionsReader, write_predictions

Image = NDArray[np.float64]
SIDE = 32
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def _skull(patient: str, arrays: small_datasets.Arrays) -> None:
    """Bone around tissue around a ventricle: every patient's lies elsewhere, has another size, and moves with z."""
    rng = np.random.default_rng(list(patient.encode()))
    for z in range(len(arrays["target"])):
        row, column = SIDE / 2 + rng.uniform(-2, 2, 2)
        radius = rng.uniform(9, 13)
        distance = np.hypot((ROWS - row) * rng.uniform(0.9, 1.1), COLUMNS - column)
        image = np.select([distance < 3, distance < radius - 2, distance < radius], [10, 40, 900], -1000)
        arrays["target"][z] = image + rng.integers(-15, 16, image.shape)
        arrays["source"][z], arrays["mask"][z] = image / 4 + 300, distance < radius


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("skulls")
    splits = {"train": 1, "test": 12}
    return Dataset(small_datasets.write(folder / "d.h5", splits=splits, change=_skull, slices=4, side=SIDE))


@pytest.fixture
def judged(dataset: Dataset, tmp_path: Path) -> Callable[..., list[tuple[str, str]]]:
    """What is found in predictions that blur the target and then add a made error ``(H, W)``."""

    def judge(made: Callable[[Image], Image], *, studies: int = 12) -> list[tuple[str, str]]:
        path = tmp_path / "predictions.h5"
        with write_predictions(path, dataset.info) as writer:
            for case in list(dataset.iterate("test"))[:studies]:
                assert case.target is not None
                blurred = gaussian_filter(case.target.astype(np.float64), (0, 1.0, 1.0))
                images = np.stack([made(image) for image in blurred])
                writer.add(case.key, images)
        with PredictionsReader(path) as stored:
            return [(finding.fault, finding.detail) for finding in output_findings(stored, dataset)]

    return judge


def _painted(value: float, where: NDArray[np.bool_]) -> Callable[[Image], Image]:
    return lambda image: image + value * where


BLOCK = (abs(ROWS - 14) < 4) & (abs(COLUMNS - 22) < 4)
PAINTED = {
    "a block": _painted(700, BLOCK),
    "a dark block": _painted(-500, BLOCK),
    "a spot of two pixels": _painted(1500, (ROWS == 20) & (COLUMNS // 2 == 9)),
    "a stain at the border": _painted(800, (ROWS < 2) & (COLUMNS < 3)),
    "a block of noise, always the same": lambda image: (
        image + BLOCK * np.random.default_rng(3).normal(0, 500, BLOCK.shape)
    ),
    "a checkerboard": _painted(150, (ROWS + COLUMNS) % 2 == 0),
    "a checkerboard of transposed convolutions": _painted(200, (ROWS % 2 == 0) & (COLUMNS % 2 == 0)),
    "stripes": _painted(120, ROWS % 2 == 0),
    "a checkerboard inside the body alone": lambda image: image + 150 * (image > -500) * ((ROWS + COLUMNS) % 2),
    "a grid every four pixels": _painted(250, (ROWS % 4 == 0) | (COLUMNS % 4 == 0)),
}
HONEST = {
    "blur": lambda image: image,
    "a wrong level": lambda image: image + 300,
    "a wrong tone curve": lambda image: np.where(image > 300, 500 + image / 3, image),
    "noise": lambda image: image + np.random.default_rng(int(abs(image).sum())).normal(0, 100, image.shape),
    "shading": lambda image: image + 200 * np.sin(ROWS / 20),
    "more blur": lambda image: gaussian_filter(image, 3),
}


@pytest.mark.parametrize("kind", PAINTED)
def test_what_is_painted_at_one_place_is_found(judged, kind):
    ((fault, detail),) = judged(PAINTED[kind])
    assert fault == "fixed"
    assert ("HU at row " in detail) or ("pattern of period" in detail)


@pytest.mark.parametrize("kind", HONEST)
def test_errors_that_follow_the_anatomy_or_chance_are_none(judged, kind):
    assert judged(HONEST[kind]) == []


def test_the_place_and_size_of_a_stain_are_told(judged):
    ((_, detail),) = judged(_painted(1500, (ROWS == 20) & (COLUMNS == 9)))
    assert "at row 20, column 9 on average over 12 studies" in detail
    ((_, pattern),) = judged(_painted(150, (ROWS + COLUMNS) % 2 == 0))
    assert pattern.startswith("a pattern of period 2 pixels")
    assert 50 < float(pattern.split(" HU")[0].split()[-1]) < 75
    assert 1000 < float(detail.split()[0]) < 1500


def test_few_studies_and_targets_without_contrast_say_nothing(judged, dataset, tmp_path):
    assert judged(PAINTED["a block"], studies=3) == []
    with PredictionsReader(tmp_path / "predictions.h5") as stored:
        assert output_findings(stored) == []
