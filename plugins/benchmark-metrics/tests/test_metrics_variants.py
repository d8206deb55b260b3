# ruff: noqa: RUF012  (class attributes are the declarations of the kit)
"""What options change: every variant of a metric under the conformance kit, with an oracle where one exists."""

from __future__ import annotations

import math
from typing import Any

import benchmark_metrics
import numpy as np
import pytest
from numpy.typing import NDArray
from oracles import oracle_package

from benchmark.contracts.protocols import Images
from benchmark.testing import MetricTests

SPECS = {spec.name: spec for spec in benchmark_metrics.benchmark_metrics()}
skimage_metrics = oracle_package("skimage.metrics")


class TestNRMSEOfRange(MetricTests):
    spec = SPECS["nrmse"]
    options = {"normaliser": "range"}
    best = 0.0
    degenerate = {"both the same constant": 0.0, "two different constants": math.nan}
    oracle = staticmethod(lambda p, t, _: skimage_metrics.normalized_root_mse(t, p, normalization="min-max"))


class TestNRMSEOfMean(TestNRMSEOfRange):
    options = {"normaliser": "mean"}
    data_range = (0.0, 4000.0)
    degenerate = {"both the same constant": 0.0, "both at the lower end": 0.0, "two different constants": 1.0}
    oracle = staticmethod(lambda p, t, _: skimage_metrics.normalized_root_mse(t, p, normalization="mean"))


def of_torchmetrics(prediction: Any, target: Any, data_range: Any) -> float:
    torch = pytest.importorskip("torch")
    image = oracle_package("torchmetrics.functional.image")
    low, high = data_range
    pair = [torch.from_numpy(each - low)[None, None] for each in (prediction, target)]
    return float(image.structural_similarity_index_measure(*pair, data_range=high - low))


class TestReflectedSSIM(MetricTests):
    spec = SPECS["ssim"]
    options = {"border": "reflect"}
    best = 1.0
    symmetric = True
    low_outside = True
    degenerate = {"both the same constant": 1.0, "both at the lower end": 1.0}
    oracle = staticmethod(of_torchmetrics)


class TestReflectedSSIMOfVolumes(TestReflectedSSIM):
    volume = True
    shape = (11, 20, 18)


class TestMSSSIMOfTwoLevels(MetricTests):
    spec = SPECS["ms-ssim"]
    options = {"levels": 2}
    best = 1.0
    symmetric = True
    low_outside = True
    shape = (2, 44, 49)
    degenerate = {"both the same constant": 1.0, "both at the lower end": 1.0}

    @staticmethod
    def oracle(prediction: Any, target: Any, data_range: Any) -> float:
        """Contrast and structure of the image, all of SSIM of its half, by scikit-image's map."""
        low, width = data_range[0], data_range[1] - data_range[0]
        x, y = prediction - low, target - low
        return _wang(x, y, width, luminance=False) ** (0.0448 / 0.3304) * _wang(
            _halved(x), _halved(y), width, luminance=True
        ) ** (0.2856 / 0.3304)


def _halved(image: np.ndarray) -> np.ndarray:
    rows, columns = (size // 2 for size in image.shape)
    return image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))


def _wang(x: np.ndarray, y: np.ndarray, width: float, luminance: bool) -> float:
    from scipy.ndimage import gaussian_filter

    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, full = skimage_metrics.structural_similarity(y, x, data_range=width, full=True, **options)
    if not luminance:
        means = [gaussian_filter(image, 1.5, truncate=3.5) for image in (x, y)]
        c1 = (0.01 * width) ** 2
        full = full / ((2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1))
    return float(full[5:-5, 5:-5].mean())


class TestMSSSIMOfVolumes(MetricTests):
    spec = SPECS["ms-ssim"]
    options = {"levels": 2}
    volume = True
    best = 1.0
    symmetric = True
    low_outside = True
    shape = (24, 30, 28)
    degenerate = {"both the same constant": 1.0, "both at the lower end": 1.0}


class TestSynthradMSSSIMWithLuminanceOnce(MetricTests):
    spec = SPECS["ms-ssim-synthrad2025"]
    options = {"luminance": "coarsest-level"}
    best = 1.0
    symmetric = True
    low_outside = True
    shape = (6, 40, 36)


class TestUQIOfVolumes(MetricTests):
    spec = SPECS["uqi"]
    volume = True
    best = 1.0
    symmetric = True
    low_outside = True
    shape = (10, 30, 24)
    degenerate = {"both the same constant": 1.0, "both at the lower end": 1.0, "two different constants": 0.8}


class TestNMIOfVolumes(MetricTests):
    spec = SPECS["nmi"]
    options = {"bins": 32}
    volume = True
    best = 2.0
    symmetric = True
    degenerate = {"prediction constant": 1.0, "target constant": 1.0}

    @staticmethod
    def oracle(prediction: Any, target: Any, data_range: Any) -> float:
        from scipy.stats import entropy

        counts, _, _ = np.histogram2d(prediction.ravel(), target.ravel(), bins=32, range=[data_range, data_range])
        return float((entropy(counts.sum(axis=0)) + entropy(counts.sum(axis=1))) / entropy(counts.ravel()))


def edge_ratio(prediction: Any, target: Any, _: Any) -> float:
    """With numpy's own gradients; the kit's pixels measure 1.5 by 1 mm."""
    strengths = [np.hypot(*np.gradient(image, 1.5, 1.0))[1:-1, 1:-1] for image in (prediction, target)]
    edges = strengths[1] >= np.percentile(strengths[1], 90)
    return float(strengths[0][edges].mean() / strengths[1][edges].mean())


class TestEdgeRatioByNumpy(MetricTests):
    spec = SPECS["edge-ratio"]
    best = 1.0
    worse_with = ()
    oracle = staticmethod(edge_ratio)


class TestEdgeSharpnessOfVolumes(MetricTests):
    spec = SPECS["edge-sharpness"]
    volume = True
    best = 1.0
    degenerate = {"both the same constant": 1.0, "prediction constant": 0.0, "target constant": 0.0}


class TestDiceOfSomeLabels(MetricTests):
    spec = SPECS["dice"]
    options = {"labels": (1, 3), "present": "target"}
    best = 1.0
    worse_with = ("misplaced",)
    degenerate = {"every structure missed": 0.0, "no structure in the target": math.nan}


class TestHausdorffDistance(MetricTests):
    spec = SPECS["hd95"]
    options = {"percentile": 100.0}
    best = 0.0
    symmetric = True
    worse_with = ("misplaced",)


WRONG_OPTIONS = [
    ("nrmse", {"normaliser": "peak"}, "none of root-mean-square, range, mean"),
    ("ssim", {"window": "box"}, "none of gaussian, uniform"),
    ("ssim", {"covariance": "both"}, "none of population, sample"),
    ("ssim", {"border": "zero"}, "none of valid, reflect"),
    ("ms-ssim", {"levels": 6}, "not between 1 and 5"),
    ("ms-ssim", {"odd": "zero"}, "none of drop, mirror"),
    ("ms-ssim-synthrad2025", {"luminance": "never"}, "none of every-level, coarsest-level"),
    ("vif-p", {"scale": "0..1"}, "none of 0..255, as-is"),
    ("nmi", {"bins": 1}, "below 2"),
    ("dice", {"present": "prediction"}, "none of either, target"),
    ("hd95", {"percentile": 101.0}, "not between 0 and 100"),
    ("tissue-dice", {"low": 3.0, "high": 3.0}, "low must be below high"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG_OPTIONS)
def test_unknown_options_are_refused_with_those_there_are(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SPECS[name].load()(**options)


@pytest.mark.parametrize("spec", [spec for spec in SPECS.values() if spec.options], ids=lambda spec: spec.name)
def test_defaults_of_records_are_those_of_implementations(spec: Any) -> None:
    import dataclasses
    import inspect

    parameters = inspect.signature(spec.load()).parameters
    passes_on = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    for field in dataclasses.fields(spec.options):
        assert field.metadata["help"]
        if field.name in parameters:
            assert parameters[field.name].default == field.default, field.name
        else:
            assert passes_on, f"{spec.name} does not take the option {field.name}"


class TestThroughPlane:
    """Change between slices beyond the target's own."""

    @staticmethod
    def score(prediction: NDArray[np.float64], target: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
        return float(SPECS["through-plane"].load()().score(Images(prediction, target, mask, (0.0, 1.0))))

    def test_by_the_direct_formula(self) -> None:
        rng = np.random.default_rng(4)
        prediction, target = rng.normal(size=(2, 5, 6, 7))
        mask = rng.random((5, 6, 7)) < 0.6
        both = mask[1:] & mask[:-1]
        excess = np.maximum(np.abs(np.diff(prediction, axis=0)) - np.abs(np.diff(target, axis=0)), 0)
        assert self.score(prediction, target, mask) == pytest.approx(float(excess[both].mean()), rel=1e-12)

    @pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
    def test_levels_that_differ_from_slice_to_slice_count_and_anatomy_does_not(self, strength: float) -> None:
        target = np.repeat([0.0, 5.0, 5.0, 9.0], 16).reshape(4, 4, 4)
        levels = strength * np.array([0.0, 0.0, 1.0, 1.0])[:, None, None]
        # of three steps of the target (5, 0, 4) the level adds one where the target has none
        assert self.score(target + levels, target, np.ones(target.shape, bool)) == pytest.approx(strength / 3)

    def test_smoother_than_the_target_costs_nothing(self) -> None:
        target = np.random.default_rng(1).normal(size=(4, 5, 5))
        assert self.score(np.zeros_like(target), target, np.ones(target.shape, bool)) == 0.0

    @pytest.mark.parametrize("filled", [(0,), (0, 2), ()])
    def test_without_neighbouring_slices_it_is_undefined(self, filled: tuple[int, ...]) -> None:
        target = np.random.default_rng(1).normal(size=(3, 4, 4))
        mask = np.zeros(target.shape, bool)
        mask[list(filled)] = True
        assert math.isnan(self.score(target + 1, target, mask))
        assert math.isnan(self.score(target[:1], target[:1], np.ones((1, 4, 4), bool)))
