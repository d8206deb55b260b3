"""Image-quality metrics in physical units, and the profile ``physical`` that pins how they are used.

This module only describes; the implementations are imported when a run scores something.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmark import hookimpl
from benchmark.specs import CheckSpec, MetricSpec, MetricUse, ProfileSpec
from benchmark_metrics.options import LpipsOptions

benchmark_api = 1

WANG = "Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004"


@hookimpl
def benchmark_metrics() -> Iterator[MetricSpec]:
    """MAE, RMSE, MSE, NMSE, PSNR, SSIM, UQI, VIF-P and LPIPS."""
    infinity = float("inf")
    yield MetricSpec(
        "mae",
        "benchmark_metrics.pointwise:MAE",
        label="MAE",
        summary="Mean absolute error over the region.",
        higher_is_better=False,
        unit="target",
        bounds=(0.0, infinity),
    )
    yield MetricSpec(
        "rmse",
        "benchmark_metrics.pointwise:RMSE",
        label="RMSE",
        summary="Root mean square error over the region.",
        higher_is_better=False,
        unit="target",
        bounds=(0.0, infinity),
    )
    yield MetricSpec(
        "mse",
        "benchmark_metrics.pointwise:MSE",
        label="MSE",
        summary="Mean square error over the region.",
        higher_is_better=False,
        unit="target^2",
        bounds=(0.0, infinity),
    )
    yield MetricSpec(
        "nmse",
        "benchmark_metrics.pointwise:NMSE",
        label="NMSE",
        summary="Square error over the region, relative to the energy of the target.",
        higher_is_better=False,
        bounds=(0.0, infinity),
        digits=4,
    )
    yield MetricSpec(
        "psnr",
        "benchmark_metrics.pointwise:PSNR",
        label="PSNR",
        summary="Peak signal-to-noise ratio; the peak is the width of the profile's range.",
        higher_is_better=True,
        unit="dB",
        digits=2,
    )
    yield MetricSpec(
        "ssim",
        "benchmark_metrics.structural:SSIM",
        label="SSIM",
        summary="Structural similarity, 11x11 Gaussian window, windows fully inside.",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        source=WANG,
    )
    yield MetricSpec(
        "uqi",
        "benchmark_metrics.structural:UQI",
        label="UQI",
        summary="Universal quality index, 8x8 blocks at stride 1.",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        source="Wang, Bovik, IEEE Signal Processing Letters 2002",
    )
    yield MetricSpec(
        "vif-p",
        "benchmark_metrics.information:VIFP",
        label="VIF-P",
        summary="Visual information fidelity in the pixel domain, on a 0..255 scale.",
        higher_is_better=True,
        bounds=(0.0, infinity),
        source="Sheikh, Bovik, IEEE TIP 2006",
    )
    yield MetricSpec(
        "lpips",
        "benchmark_metrics.perceptual:LPIPS",
        label="LPIPS",
        summary="Learned perceptual distance; an ImageNet RGB network, fed grey images.",
        higher_is_better=False,
        bounds=(0.0, infinity),
        options=LpipsOptions,
        source="Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018",
    )


@hookimpl
def benchmark_profiles() -> Iterator[ProfileSpec]:
    """The profile ``physical``: errors in the target's unit, similarities over the declared window."""
    yield ProfileSpec(
        "physical",
        1,
        (
            MetricUse("mae", clip=False),
            MetricUse("rmse", clip=False),
            MetricUse("mse", clip=False),
            MetricUse("nmse", clip=False),
            MetricUse("psnr", clip=True),
            MetricUse("ssim", clip=True, outside="low"),
            MetricUse("uqi", clip=True, outside="low"),
            MetricUse("vif-p", clip=True, outside="low"),
            MetricUse("lpips", clip=True, outside="low"),
        ),
        primary="psnr",
        summary="Errors in the target's unit inside the region; similarities over the data set's window.",
        data_range="window",
        region="mask",
    )


@hookimpl
def benchmark_checks() -> Iterator[CheckSpec]:
    """Are the weights of LPIPS here?"""
    yield CheckSpec("lpips-weights", "benchmark_metrics.weights:check", summary="Feature weights that LPIPS needs.")
