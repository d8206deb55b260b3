"""Image-quality metrics in physical units, and the profile ``physical`` that pins how they are used.

This module only describes; the implementations are imported when a run scores something.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmark import hookimpl
from benchmark.specs import CheckSpec, MetricSpec, MetricUse, ProfileSpec
from benchmark_metrics.catalogue import image_metrics
from benchmark_metrics.options import LpipsOptions

benchmark_api = 1


@hookimpl
def benchmark_metrics() -> Iterator[MetricSpec]:
    """Metrics that compare image with image (:mod:`benchmark_metrics.catalogue`), and LPIPS."""
    yield from image_metrics()
    yield MetricSpec(
        "lpips",
        "benchmark_metrics.perceptual:LPIPS",
        label="LPIPS",
        summary="Learned perceptual distance; an ImageNet RGB network, fed grey images.",
        higher_is_better=False,
        bounds=(0.0, float("inf")),
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
    yield CheckSpec("lpips-weights", "benchmark_metrics.checks:weights", summary="Feature weights that LPIPS needs.")
