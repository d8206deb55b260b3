"""Records about images that a model draws from noise: their metrics, and the profile that scores them as a set."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.contracts.specs import MetricSpec, MetricUse, ProfileSpec
from benchmark_metrics import options

GUIBAS = "Guibas, Virdi, Li, Synthetic medical images from dual generative adversarial networks, 2017"


def drawing_metrics() -> Iterator[MetricSpec]:
    """Metrics that need no pairs."""
    yield MetricSpec(
        "intensity-kl",
        "benchmark_metrics.histogram_divergence:IntensityDivergence",
        label="KL (intensity)",
        summary="Kullback-Leibler divergence of real from made intensities inside the region.",
        higher_is_better=False,
        level="distribution",
        unit="nat",
        bounds=(0.0, float("inf")),
        options=options.DivergenceOptions,
        source=GUIBAS,
    )
    yield MetricSpec(
        "segmenter-dice",
        "benchmark_metrics.segmenter:SegmenterDice",
        label="Dice (taught by samples)",
        summary="Dice on real images of a segmentation network trained on drawn images and their masks.",
        higher_is_better=True,
        level="distribution",
        bounds=(0.0, 1.0),
        options=options.SegmenterOptions,
        source=GUIBAS,
    )
    yield MetricSpec(
        "segmenter-dice-real",
        "benchmark_metrics.segmenter:taught_by_real_images",
        label="Dice (taught by real)",
        summary="The same network trained on real images of other patients: the yardstick.",
        higher_is_better=None,
        level="distribution",
        bounds=(0.0, 1.0),
        options=options.SegmenterOptions,
        source=GUIBAS,
    )


def generative() -> ProfileSpec:
    """For models that draw images: nothing in it compares an image with the one in whose place it stands."""
    return ProfileSpec(
        "generative",
        1,
        (
            MetricUse("segmenter-dice"),
            MetricUse("segmenter-dice-real"),
            MetricUse("kid"),
            MetricUse("fid"),
            MetricUse("intensity-kl"),
        ),
        primary="segmenter-dice",
        units=("HU",),
        summary="Drawn CT images as a set: what a segmenter learns from them, KID, FID, intensities.",
        source=GUIBAS,
    )
