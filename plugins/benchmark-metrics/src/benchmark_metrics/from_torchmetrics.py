"""Metrics that torchmetrics has and we have not, and the profile that pins them. Records only."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark import from_function, from_torchmetrics
from benchmark.contracts.specs import MetricSpec, MetricUse, ProfileSpec

INFINITY = float("inf")


def foreign_metrics() -> Iterator[MetricSpec]:
    """Each through the adapter that is anybody's."""
    yield from_function(
        "benchmark_metrics.agreement:concordance",
        "ccc",
        label="CCC",
        summary="Concordance correlation over the region: Pearson's, less what scale and offset are wrong.",
        higher_is_better=True,
        takes="voxels",
        packages=("torchmetrics",),
        bounds=(-1.0, 1.0),
        source="Lin, A concordance correlation coefficient to evaluate reproducibility, Biometrics 1989",
    )
    yield from_torchmetrics(
        "torchmetrics.image:SpatialCorrelationCoefficient",
        "scc",
        label="SCC",
        summary="Correlation of detail: of both images after a high-pass filter, in windows of 8x8.",
        higher_is_better=True,
        expects=(0.0, 1.0),
        bounds=(-1.0, 1.0),
        source="Zhou, Civco, Silander, A wavelet transform method to merge Landsat TM and SPOT data, IJRS 1998",
    )
    yield from_function(
        "benchmark_metrics.agreement:spectral_angle",
        "sam",
        label="SAM",
        summary="Angle between the profiles through the slices of prediction and target, mean over positions.",
        higher_is_better=False,
        level="volume",
        packages=("torchmetrics",),
        unit="rad",
        bounds=(0.0, 3.1415926535897936),
        source="Yuhas, Goetz, Boardman, JPL Airborne Geoscience Workshop 1992",
    )
    yield from_torchmetrics(
        "torchmetrics.image:ErrorRelativeGlobalDimensionlessSynthesis",
        "ergas",
        label="ERGAS",
        summary="Root mean square error over the region in percent of the target's mean; for images counted from low.",
        higher_is_better=False,
        takes="row",
        arguments={"ratio": 1.0},
        unit="%",
        bounds=(0.0, INFINITY),
        digits=2,
        source="Wald, Data fusion: definitions and architectures, 2002",
    )


def foreign_profile() -> ProfileSpec:
    """What pan-sharpening and agreement studies report, in the data set's window."""
    return ProfileSpec(
        "torchmetrics",
        1,
        (
            MetricUse("ccc", clip=False),
            MetricUse("scc", outside="low"),
            MetricUse("sam"),
            MetricUse("ergas", scale="from-low"),
        ),
        primary="ccc",
        summary="Metrics computed by torchmetrics: agreement, correlation of detail, angles, relative error.",
        source="torchmetrics (Detlefsen et al., JOSS 2022)",
    )
