# ruff: noqa: RUF012  (promises are read, not changed)
"""Every metric of ours under the conformance kit, with other people's implementations as oracles."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, ClassVar

import benchmark_metrics
import numpy as np
import pytest
from oracles import oracle_package

from benchmark.errors import Unavailable
from benchmark.testing import MetricTests

SPECS = {spec.name: spec for spec in benchmark_metrics.benchmark_metrics()}
skimage_metrics = oracle_package("skimage.metrics")


def wang(prediction: Any, target: Any, data_range: Any) -> float:
    low, high = data_range
    _, full = skimage_metrics.structural_similarity(
        target - low,
        prediction - low,
        data_range=high - low,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    inside = tuple(slice(5, -5) for _ in target.shape)
    return float(full[inside].mean())


def uqi(prediction: Any, target: Any, data_range: Any) -> float:
    """The formula of Wang and Bovik, block by block."""
    x, y = target - data_range[0], prediction - data_range[0]
    values = []
    for row in range(x.shape[0] - 7):
        for column in range(x.shape[1] - 7):
            a, b = (image[row : row + 8, column : column + 8].ravel() for image in (x, y))
            mean_a, mean_b, spread = a.mean(), b.mean(), a.var() + b.var()
            squares = mean_a**2 + mean_b**2
            luminance = 2 * mean_a * mean_b / squares if squares else 1.0
            covariance = np.mean((a - mean_a) * (b - mean_b))
            values.append(luminance * (2 * covariance / spread if spread and squares else 1.0))
    return float(np.mean(values))


def vif(prediction: Any, target: Any, data_range: Any) -> float:
    torch = pytest.importorskip("torch")
    piq = oracle_package("piq")
    low, high = data_range
    images = (torch.from_numpy((image - low) / (high - low))[None, None] for image in (prediction, target))
    return float(piq.vif_p(*images, data_range=1.0))


class Error(MetricTests):
    best = 0.0
    symmetric = True
    degenerate: ClassVar = {"both the same constant": 0.0, "both at the lower end": 0.0}


class TestMAE(Error):
    spec = SPECS["mae"]
    oracle = staticmethod(lambda p, t, _: float(np.abs(p - t).mean()))


class TestMAEOfVolumes(TestMAE):
    volume = True


class TestMSE(Error):
    spec = SPECS["mse"]
    oracle = staticmethod(lambda p, t, _: skimage_metrics.mean_squared_error(t, p))


class TestRMSE(Error):
    spec = SPECS["rmse"]
    oracle = staticmethod(lambda p, t, _: math.sqrt(skimage_metrics.mean_squared_error(t, p)))


class TestNMSE(MetricTests):
    spec = SPECS["nmse"]
    best = 0.0
    degenerate: ClassVar = {"both the same constant": 0.0, "prediction at the lower end": 1.0}
    data_range = (0.0, 4000.0)
    oracle = staticmethod(lambda p, t, _: skimage_metrics.normalized_root_mse(t, p) ** 2)


class TestPSNR(MetricTests):
    spec = SPECS["psnr"]
    best = math.inf
    symmetric = True
    degenerate: ClassVar = {"both the same constant": math.inf, "two different constants": 20 * math.log10(4)}
    oracle = staticmethod(
        lambda p, t, data_range: skimage_metrics.peak_signal_noise_ratio(t, p, data_range=data_range[1] - data_range[0])
    )


class TestPSNROfVolumes(TestPSNR):
    volume = True


class TestSSIM(MetricTests):
    spec = SPECS["ssim"]
    best = 1.0
    symmetric = True
    low_outside = True
    degenerate: ClassVar = {"both the same constant": 1.0, "both at the lower end": 1.0}
    oracle = staticmethod(wang)


class TestSSIMOfVolumes(TestSSIM):
    volume = True
    shape = (14, 40, 36)


class TestUQI(MetricTests):
    spec = SPECS["uqi"]
    best = 1.0
    symmetric = True
    low_outside = True
    shape = (3, 40, 36)
    degenerate: ClassVar = {"both the same constant": 1.0, "both at the lower end": 1.0, "two different constants": 0.8}
    oracle = staticmethod(uqi)


class TestVIFP(MetricTests):
    spec = SPECS["vif-p"]
    best = 1.0
    low_outside = True
    degenerate: ClassVar = {"both the same constant": 1.0, "two different constants": 0.0, "prediction constant": 0.0}
    oracle = staticmethod(vif)


class TestPSNRPooled(TestPSNR):
    spec = SPECS["psnr-pooled"]


class TestBias(MetricTests):
    """The sign of an error is not better or worse; only its size is."""

    spec = SPECS["bias"]
    best = 0.0
    worse_with = ()
    degenerate = {"both the same constant": 0.0, "two different constants": 1000.0}
    oracle = staticmethod(lambda p, t, _: float((p - t).mean()))


class TestNRMSE(MetricTests):
    spec = SPECS["nrmse"]
    best = 0.0
    degenerate = {"both the same constant": 0.0, "prediction at the lower end": 1.0}
    data_range = (0.0, 4000.0)
    oracle = staticmethod(lambda p, t, _: skimage_metrics.normalized_root_mse(t, p))


class TestSSIMUniform(TestSSIM):
    options = {"window": "uniform", "covariance": "sample"}
    oracle = staticmethod(
        lambda p, t, data_range: skimage_metrics.structural_similarity(
            t - data_range[0], p - data_range[0], data_range=data_range[1] - data_range[0]
        )
    )


class TestSSIMUniformOfVolumes(TestSSIMUniform):
    volume = True
    shape = (14, 40, 36)


class TestMSSSIM(MetricTests):
    spec = SPECS["ms-ssim"]
    best = 1.0
    symmetric = True
    low_outside = True
    shape = (2, 192, 176)
    degenerate = {"both the same constant": 1.0, "both at the lower end": 1.0}

    @staticmethod
    def oracle(prediction: Any, target: Any, data_range: Any) -> float:
        torch = pytest.importorskip("torch")
        piq = oracle_package("piq")
        low, high = data_range
        images = (torch.from_numpy((image - low) / (high - low))[None, None] for image in (prediction, target))
        return float(piq.multi_scale_ssim(*images, data_range=1.0))


class TestMSSSIMOfSynthrad(MetricTests):
    spec = SPECS["ms-ssim-synthrad2025"]
    best = 1.0
    symmetric = True
    low_outside = True
    shape = (12, 48, 40)
    degenerate = {"both the same constant": 1.0, "both at the lower end": 1.0}


class TestVIFPOfLdctBench(MetricTests):
    """On another scale, and with prediction and target swapped, so blur is not punished."""

    spec = SPECS["vif-p-ldct-bench"]
    best = 1.0
    low_outside = True
    worse_with = ("noise",)
    scales = False  # takes values as they are: the quirk that it copies


class TestPCC(MetricTests):
    spec = SPECS["pcc"]
    best = 1.0
    symmetric = True
    degenerate = {"both the same constant": 1.0, "prediction constant": 0.0, "target constant": 0.0}
    oracle = staticmethod(lambda p, t, _: float(np.corrcoef(p.ravel(), t.ravel())[0, 1]))


class TestPCCOfVolumes(TestPCC):
    volume = True


class TestNMI(MetricTests):
    spec = SPECS["nmi"]
    best = 2.0
    symmetric = True
    degenerate = {"both the same constant": 2.0, "two different constants": 1.0}
    oracle = staticmethod(
        lambda p, t, data_range: skimage_metrics.normalized_mutual_information(
            np.append(t, data_range), np.append(p, data_range), bins=100
        )
    )
    tolerance = 2e-3  # scikit-image takes the range from the data: two corner values are added to fix it


class TestEdgeSharpness(MetricTests):
    spec = SPECS["edge-sharpness"]
    best = 1.0
    degenerate = {"both the same constant": 1.0, "prediction constant": 0.0, "target constant": 0.0}


class TestEdgeRatio(MetricTests):
    spec = SPECS["edge-ratio"]
    best = 1.0
    worse_with = ("blur",)
    degenerate = {"both the same constant": 1.0, "prediction constant": 0.0, "target constant": math.nan}


class TestThroughPlane(MetricTests):
    spec = SPECS["through-plane"]
    best = 0.0
    worse_with = ("noise",)
    degenerate = {"both the same constant": 0.0, "prediction constant": 0.0}


class TestDice(MetricTests):
    spec = SPECS["dice"]
    best = 1.0
    worse_with = ("misplaced",)
    symmetric = True
    degenerate = {
        "no structure in either": math.nan, "every structure missed": 0.0, "no structure in the target": 0.0
    }  # fmt: skip


def diagonal(shape: tuple[int, int, int]) -> float:
    return math.hypot(*(size * step for size, step in zip(shape, (3.0, 1.5, 1.0), strict=True)))


class TestHD95(MetricTests):
    spec = SPECS["hd95"]
    best = 0.0
    worse_with = ("misplaced",)
    symmetric = True
    degenerate = {
        "no structure in either": math.nan,
        "every structure missed": diagonal((4, 64, 56)),
        "no structure in the target": diagonal((4, 64, 56)),
    }


class TestHD95OfSynthrad(MetricTests):
    spec = SPECS["hd95-synthrad2025"]
    best = 0.0
    worse_with = ("misplaced",)
    degenerate = {"no structure in either": math.nan, "every structure missed": math.nan}


class TestTissueDice(MetricTests):
    spec = SPECS["tissue-dice"]
    options = {"low": 700.0}
    best = 1.0
    symmetric = True
    scales = False  # its thresholds are in HU


class TestTissueHD95(TestTissueDice):
    spec = SPECS["tissue-hd95"]
    best = 0.0
    worse_with = ()


class TestSagittalSSIM(MetricTests):
    """Its range is the data's own, and it looks around the mask: no profile sets the outside."""

    spec = SPECS["ssim-sagittal"]
    best = 1.0
    symmetric = True
    region = False
    shape = (14, 40, 36)
    data_range = (0.0, 1.0)
    degenerate = {"both the same constant": 1.0}


class TestPSNROfTargetRange(MetricTests):
    spec = SPECS["psnr-target-range"]
    best = math.inf
    degenerate = {"both the same constant": math.inf, "target constant": math.nan}


class TestMSLE(MetricTests):
    spec = SPECS["msle"]
    best = 0.0
    symmetric = True
    data_range = (0.0, 1.0)
    oracle = staticmethod(lambda p, t, _: float(np.mean((np.log1p(p) - np.log1p(t)) ** 2)))
    scales = False  # 1 is added before the logarithm: it is for images in 0..1


@pytest.mark.real_data
class TestLPIPS(MetricTests):
    """With real AlexNet features, where they are."""

    spec = SPECS["lpips"]
    best = 0.0
    symmetric = True
    low_outside = True
    shape = (2, 64, 64)
    degenerate = {"both the same constant": 0.0}

    @pytest.fixture(autouse=True)
    def weights(self, monkeypatch: pytest.MonkeyPatch) -> None:
        beside = Path(__file__).parents[3].parent / "shared" / "weights"
        monkeypatch.setenv("BENCHMARK_WEIGHTS", os.environ.get("BENCHMARK_WEIGHTS", str(beside)))
        try:
            self.make()
        except Unavailable as reason:
            pytest.skip(str(reason))


class TestEmbeddedDistance(MetricTests):
    spec = SPECS["embedded-distance"]
    best = 0.0
    symmetric = True
    low_outside = True
    shape = (2, 64, 64)
    degenerate = {"both the same constant": 0.0}


class TestCCC(MetricTests):
    spec = SPECS["ccc"]
    best = 1.0
    symmetric = True
    degenerate = {"both the same constant": 1.0, "prediction constant": 0.0, "target constant": 0.0}

    @staticmethod
    def oracle(prediction: Any, target: Any, _: Any) -> float:
        """Lin's formula with N - 1, as torchmetrics has it."""
        covariance = np.cov(prediction.ravel(), target.ravel())
        offset = prediction.mean() - target.mean()
        return float(2 * covariance[0, 1] / (np.trace(covariance) + offset**2))


class TestSCC(MetricTests):
    """Flat windows count 0, so that identical images promise no score; the library works in float32."""

    spec = SPECS["scc"]
    symmetric = True
    low_outside = True
    degenerate = {"both the same constant": 0.0, "prediction constant": 0.0, "target constant": 0.0}
    tolerance = 2e-4

    @staticmethod
    def oracle(prediction: Any, target: Any, data_range: Any) -> float:
        """In float64: Laplacian over mirrored borders, then correlations of windows over borders of zeros."""
        from scipy.ndimage import convolve

        kernel = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
        low, high = data_range
        details = [2 * convolve((image - low) / (high - low), kernel, mode="reflect") for image in (prediction, target)]
        windows = [np.lib.stride_tricks.sliding_window_view(np.pad(image, (4, 3)), (8, 8)) for image in details]
        means = [window.mean(axis=(2, 3)) for window in windows]
        covariance = (windows[0] * windows[1]).mean(axis=(2, 3)) - means[0] * means[1]
        deviations = np.multiply(*(window.std(axis=(2, 3)) for window in windows))
        return float(np.divide(covariance, deviations, out=np.zeros_like(covariance), where=deviations > 0).mean())


class TestSAM(MetricTests):
    spec = SPECS["sam"]
    best = 0.0
    symmetric = True
    degenerate = {"both the same constant": 0.0, "both at the lower end": 0.0}

    @staticmethod
    def oracle(prediction: Any, target: Any, data_range: Any) -> float:
        """By the tangent; a profile without length stands at a right angle to any other."""
        p, t = ((image - data_range[0]).reshape(len(image), -1).T for image in (prediction, target))
        lengths = np.linalg.norm(p, axis=1) * np.linalg.norm(t, axis=1)
        across = np.linalg.norm(p[:, :, None] * t[:, None] - t[:, :, None] * p[:, None], axis=(1, 2)) / math.sqrt(2)
        angles = np.where(lengths > 0, np.arctan2(across, (p * t).sum(axis=1)), math.pi / 2)
        return float(np.where((p == t).all(axis=1), 0.0, angles).mean())


class TestERGAS(MetricTests):
    """Of one band and one resolution it is a hundred times our own NRMSE over the mean."""

    spec = SPECS["ergas"]
    best = 0.0
    data_range = (0.0, 4000.0)
    degenerate = {"both at the lower end": math.nan}

    @staticmethod
    def oracle(prediction: Any, target: Any, _: Any) -> float:
        return 100 * float(skimage_metrics.normalized_root_mse(target, prediction, normalization="mean"))


def test_every_metric_is_under_the_kit() -> None:
    covered = {item.spec.name for item in globals().values() if isinstance(item, type) and hasattr(item, "spec")}
    distributions = {name for name, spec in SPECS.items() if spec.level == "distribution"}
    assert set(SPECS) - covered - distributions == set()
