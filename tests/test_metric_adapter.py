"""Foreign metrics through the adapter: torchmetrics classes and plain functions."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from oracles import oracle_package

from benchmark import from_function, from_torchmetrics
from benchmark.contracts.protocols import Estimate, Images
from benchmark.errors import PluginError, Unavailable

RANGE = (-1000.0, 1000.0)


@pytest.fixture
def images() -> Images:
    rng = np.random.default_rng(0)
    target = np.clip(rng.normal(0, 300, (3, 32, 40)), *RANGE)
    prediction = np.clip(target + rng.normal(0, 50, target.shape), *RANGE)
    mask = np.zeros(target.shape, bool)
    mask[:, 4:28, 6:30] = True
    return Images(prediction, target, mask, RANGE, spacing=(3.0, 2.0, 1.0))


def rms(prediction: np.ndarray, target: np.ndarray) -> float:
    return float(np.sqrt(np.mean((prediction - target) ** 2)))


def width_and_place(
    prediction: np.ndarray, target: np.ndarray, *, data_range: Any, mask: np.ndarray, spacing: Any, factor: float
) -> float:
    assert prediction.shape == target.shape == mask.shape
    return factor * (data_range[1] - data_range[0]) + len(spacing)


def several(prediction: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    return 0.0, 1.0


HERE = __name__


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules.get(HERE) or __import__(HERE))


class TestFunctions:
    def test_a_function_scores_each_slice_inside_the_region(self, images: Images) -> None:
        spec = from_function(f"{HERE}:rms", "rms", higher_is_better=False, takes="voxels", unit="target")
        expected = [rms(p[m], t[m]) for p, t, m in zip(images.prediction, images.target, images.mask, strict=True)]
        assert spec.load()().score(images).tolist() == expected

    def test_or_the_whole_study(self, images: Images) -> None:
        spec = from_function(f"{HERE}:rms", "rms", higher_is_better=False, level="volume")
        assert spec.load()().score(images) == rms(images.prediction, images.target)

    def test_gets_what_it_asks_for_by_name_in_the_range_it_expects(self, images: Images) -> None:
        spec = from_function(
            f"{HERE}:width_and_place", "w", higher_is_better=None, expects=(0.0, 255.0), arguments={"factor": 2.0}
        )
        assert spec.load()().score(images).tolist() == [512.0] * 3  # 2 * 255, and two axes

    def test_more_than_one_number_is_refused_with_advice(self, images: Images) -> None:
        spec = from_function(f"{HERE}:several", "s", higher_is_better=True)
        with pytest.raises(PluginError, match="gave tuple where one number is needed; wrap it"):
            spec.load()().score(images)

    def test_a_misspelt_function_is_named(self) -> None:
        with pytest.raises(PluginError, match="has no 'rsm'"):
            from_function(f"{HERE}:rsm", "rms", higher_is_better=False).load()()


class TestDeclarations:
    def test_a_direction_must_be_stated(self) -> None:
        with pytest.raises(TypeError, match="higher_is_better"):
            from_function("a.b:c", "x")  # type: ignore[call-arg]

    @pytest.mark.parametrize(
        "wrong", [{"expects": (1.0, 0.0)}, {"level": "volume", "channels": 3}, {"target": "torchmetrics.image"}]
    )
    def test_nonsense_is_refused_when_declared(self, wrong: dict[str, Any]) -> None:
        values = {"target": "torchmetrics.image:X", "name": "x", "higher_is_better": True, **wrong}
        with pytest.raises(ValueError, match="x: "):
            from_torchmetrics(**values)

    def test_nothing_is_imported_by_a_record(self) -> None:
        spec = from_torchmetrics("no_such_package.image:Index", "index", higher_is_better=True)
        assert spec.label == "index"
        with pytest.raises(Unavailable, match=r"no_such_package\.image cannot be imported"):
            spec.load()()


@pytest.fixture
def torchmetrics() -> Any:
    return oracle_package("torchmetrics")


@pytest.mark.usefixtures("torchmetrics")
class TestTorchmetrics:
    def test_psnr_of_torchmetrics_is_psnr(self, images: Images) -> None:
        spec = from_torchmetrics(
            "torchmetrics.image:PeakSignalNoiseRatio",
            "tm-psnr",
            higher_is_better=True,
            unit="dB",
            expects=(0.0, 1.0),
            arguments={"data_range": 1.0},
        )
        metric = spec.load()()
        errors = np.mean((images.prediction - images.target) ** 2, axis=(1, 2))
        assert metric.score(images) == pytest.approx(10 * np.log10(2000.0**2 / errors), abs=1e-5)
        assert metric.provenance()["implementation"] == "torchmetrics.image:PeakSignalNoiseRatio"
        assert "torchmetrics" in metric.provenance()

    def test_voxels_of_the_region_only(self, images: Images) -> None:
        spec = from_torchmetrics(
            "torchmetrics:MeanAbsoluteError", "tm-mae", higher_is_better=False, takes="voxels", unit="target"
        )
        expected = [
            np.abs(p - t)[m].mean() for p, t, m in zip(images.prediction, images.target, images.mask, strict=True)
        ]
        assert spec.load()().score(images) == pytest.approx(expected, rel=1e-12)

    def test_three_channels_and_volumes(self, images: Images) -> None:
        arguments = {"data_range": 1.0}
        colours, volume = (
            from_torchmetrics(
                "torchmetrics.image:StructuralSimilarityIndexMeasure",
                "tm-ssim",
                higher_is_better=True,
                expects=(0.0, 1.0),
                arguments={**arguments, **more},
                **how,
            ).load()()
            for how, more in (({"channels": 3}, {}), ({"level": "volume"}, {"sigma": 0.4, "kernel_size": 3}))
        )
        assert colours.score(images).shape == (3,)
        assert 0 < volume.score(images) < 1

    def test_the_order_of_slices_and_earlier_studies_do_not_matter(self, images: Images) -> None:
        metric = from_torchmetrics("torchmetrics:MeanSquaredError", "m", higher_is_better=False).load()()
        forward, backward = metric.score(images), metric.score(images.at(slice(None, None, -1)))
        assert forward.tolist() == backward[::-1].tolist()

    def test_a_distribution_is_fed_study_by_study(self, images: Images) -> None:
        spec = from_torchmetrics(
            "torchmetrics:MeanSquaredError", "m", higher_is_better=False, level="distribution", takes="voxels"
        )
        metric = spec.load()()
        for _ in range(2):
            metric.reset()
            metric.update(images)
            metric.update(images.at(slice(0, 1)))
            estimate = metric.compute()
        errors = np.square(images.prediction - images.target)
        expected = np.concatenate([errors[images.mask], errors[0][images.mask[0]]]).mean()
        assert isinstance(estimate, Estimate)
        assert estimate.value == pytest.approx(expected)
        assert estimate.n == 4

    def test_a_contradicted_direction_is_refused(self) -> None:
        spec = from_torchmetrics("torchmetrics:MeanAbsoluteError", "m", higher_is_better=True)
        with pytest.raises(
            PluginError, match="declared higher_is_better=True, but torchmetrics:MeanAbsoluteError says"
        ):
            spec.load()()

    def test_values_outside_the_expected_range_are_refused(self, images: Images) -> None:
        spec = from_torchmetrics("torchmetrics:MeanAbsoluteError", "m", higher_is_better=False, expects=(0.0, 1.0))
        narrow = Images(images.prediction, images.target, images.mask, (-10.0, 10.0))
        with pytest.raises(ValueError, match=r"outside -10\.\.10; use clip=True"):
            spec.load()().score(narrow)

    def test_sets_of_real_and_translated_slices(self, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch
        from torchmetrics import Metric

        class GapOfMeans(Metric):
            """Distance of the means of two sets, the way FID takes its images."""

            def __init__(self) -> None:
                super().__init__()
                self.add_state("sums", torch.zeros(2, dtype=torch.float64))
                self.add_state("count", torch.tensor(0.0))

            def update(self, imgs: torch.Tensor, real: bool) -> None:
                self.sums[int(real)] += imgs.mean()
                self.count += int(real)

            def compute(self) -> torch.Tensor:
                return (self.sums[0] - self.sums[1]).abs() / self.count

        monkeypatch.setattr(sys.modules[HERE], "GapOfMeans", GapOfMeans, raising=False)
        metric = from_torchmetrics(f"{HERE}:GapOfMeans", "gap", higher_is_better=False, level="distribution").load()()
        metric.reset()
        metric.update(images)
        expected = abs((images.prediction - images.target).mean())
        assert metric.compute().value == pytest.approx(expected)
