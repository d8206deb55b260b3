"""Models that draw images, and models that say what their stages are worth: asked, stored and averaged."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from small_datasets import write

from benchmark.cell.draw import draw_split
from benchmark.cell.health import output_findings
from benchmark.cell.stages import score_stages
from benchmark.contracts.protocols import Samples
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import LABELS, text
from benchmark.errors import BenchmarkError, TrainingDiverged
from benchmark.store.predictions import PredictionsReader
from benchmark.store.summaries import StageSummary


class Draws:
    """Noise for images, its sign for masks."""

    def sample(self, count: int, generator: torch.Generator) -> Samples:
        images = torch.rand(count, 1, 8, 8, generator=generator) * 2 - 1
        return Samples(images, (images[:, 0] > 0).long())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(write(tmp_path_factory.mktemp("data") / "discs.h5", splits={"train": 2, "val": 1, "test": 3}))


def test_samples_are_stored_in_the_unit_with_their_masks_and_come_out_again(dataset: Dataset, tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first.h5", "again.h5", "other.h5"))
    drawn = draw_split(Draws(), dataset, first, cell="c", seed=0)
    draw_split(Draws(), dataset, again, cell="c", seed=0)
    draw_split(Draws(), dataset, other, cell="c", seed=1)
    assert drawn.slices == dataset.info.slice_count("test") == 6
    with h5py.File(first) as one, h5py.File(again) as two, h5py.File(other) as three:
        assert text(one.attrs["dataset"]) == dataset.info.content_sha256
        assert text(one.attrs["unit"]) == "HU"
        for key in map(str, dataset.info.in_split("test")):
            image, mask = one[key][()], one[f"{LABELS}/{key}"][()]
            assert image.dtype == np.float32
            np.testing.assert_array_equal(mask, image > (2000 - 1024) / 2)
            np.testing.assert_array_equal(image, two[key][()])
            assert not np.array_equal(image, three[key][()])
    with PredictionsReader(first) as stored:
        assert output_findings(stored) == []


@pytest.mark.parametrize(
    ("samples", "error"),
    [
        (Samples(torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4)), BenchmarkError),
        (Samples(torch.zeros(2, 1, 8, 8), torch.zeros(2, 4, 4)), BenchmarkError),
        (Samples(torch.full((2, 1, 8, 8), torch.nan), torch.zeros(2, 8, 8)), TrainingDiverged),
    ],
)
def test_samples_of_another_shape_or_without_numbers_are_refused(
    dataset: Dataset, tmp_path: Path, samples: Samples, error: type[Exception]
) -> None:
    class Wrong:
        def sample(self, count: int, generator: torch.Generator) -> Samples:
            return samples

    with pytest.raises(error):
        draw_split(Wrong(), dataset, tmp_path / "wrong.h5", cell="c", seed=0)
    assert not list(tmp_path.iterdir())


def test_stages_are_averaged_by_slice_then_patient_then_cohort(dataset: Dataset) -> None:
    class Staged:
        asked = 0

        def stage_scores(
            self, source: torch.Tensor, target: torch.Tensor, region: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            self.asked += 1
            assert set(region.unique().tolist()) <= {0.0, 1.0}
            # first patient: 1 and undefined; second: 3 and 5; third: undefined throughout
            values = {1: [1.0, math.nan], 2: [3.0, 5.0], 3: [math.nan, math.nan]}[self.asked]
            return {"I": torch.tensor(values)}

    found = score_stages(Staged(), dataset, torch.device("cpu"))
    patients = {"test0": 1.0, "test1": 4.0, "test2": None}
    assert found == {"I": StageSummary(mean=2.5, patients=patients, n_expected=3, n_scored=2)}
