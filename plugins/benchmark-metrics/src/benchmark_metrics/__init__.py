"""Image-quality metrics in physical units, and the profiles that pin how they are used.

This module only describes; the implementations are imported when a run scores something.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmark import hookimpl
from benchmark.specs import CheckSpec, MetricSpec, ProfileSpec
from benchmark_metrics import profiles
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
    """Our own, and copies of published evaluations (:mod:`benchmark_metrics.profiles`)."""
    yield from profiles.every()


@hookimpl
def benchmark_checks() -> Iterator[CheckSpec]:
    """Are the weights of LPIPS here?"""
    yield CheckSpec("lpips-weights", "benchmark_metrics.checks:weights", summary="Feature weights that LPIPS needs.")
