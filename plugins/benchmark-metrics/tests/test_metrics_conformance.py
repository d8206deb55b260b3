"""Every metric of ours under the conformance kit, with other people's implementations as oracles."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import benchmark_metrics
import numpy as np
import pytest

from benchmark.testing import MetricTests

SPECS = {spec.name: spec for spec in benchmark_metrics.benchmark_metrics()}
skimage_metrics = pytest.importorskip("skimage.metrics")


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
    piq = pytest.importorskip("piq", exc_type=Exception)
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
