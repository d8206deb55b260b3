"""Image-quality metrics in physical units, and the profiles that pin how they are used.

This module only describes; the implementations are imported when a run scores something.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmark import hookimpl
from benchmark.contracts.specs import CheckSpec, MetricSpec, ProfileSpec, WeightsSpec
from benchmark.pretrained import imagenet
from benchmark_metrics import profiles
from benchmark_metrics.catalogue import image_metrics
from benchmark_metrics.drawn_images import drawing_metrics, generative
from benchmark_metrics.from_torchmetrics import foreign_metrics, foreign_profile
from benchmark_metrics.options import FidOptions, KidOptions, LpipsOptions

benchmark_api = 1


@hookimpl
def benchmark_metrics() -> Iterator[MetricSpec]:
    """Metrics that compare image with image (:mod:`benchmark_metrics.catalogue`), those of torchmetrics, LPIPS, KID
    and FID.
    """
    yield from image_metrics()
    yield from foreign_metrics()
    yield from drawing_metrics()
    yield MetricSpec(
        "lpips",
        "benchmark_metrics.perceptual:LPIPS",
        label="LPIPS",
        summary="Learned perceptual distance; an ImageNet RGB network, fed grey images.",
        higher_is_better=False,
        bounds=(0.0, float("inf")),
        perceptual=True,
        options=LpipsOptions,
        source="Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018",
    )
    yield MetricSpec(
        "embedded-distance",
        "benchmark_metrics.perceptual:EmbeddedDistance",
        label="embedded distance",
        summary="Perceptual distance of the features of a small network trained on this project's phantoms; no LPIPS.",
        higher_is_better=False,
        bounds=(0.0, 2.0),
        digits=4,
        perceptual=True,
        source="Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018, Eq. 1 without learned weights",
    )
    yield MetricSpec(
        "kid",
        "benchmark_metrics.distribution:kid",
        label="KID",
        summary="Kernel distance of the features of all predictions and all targets, whichever belong together.",
        higher_is_better=False,
        level="distribution",
        options=KidOptions,
        digits=4,
        source="Binkowski, Sutherland, Arbel, Gretton, Demystifying MMD GANs, ICLR 2018",
    )
    yield MetricSpec(
        "fid",
        "benchmark_metrics.distribution:fid",
        label="FID",
        summary="Frechet distance of the features of all predictions and all targets; too high for few slices.",
        higher_is_better=False,
        level="distribution",
        bounds=(0.0, float("inf")),
        options=FidOptions,
        source="Heusel et al., GANs trained by a two time-scale update rule, NeurIPS 2017",
    )


@hookimpl
def benchmark_profiles() -> Iterator[ProfileSpec]:
    """Our own, and copies of published evaluations (:mod:`benchmark_metrics.profiles`)."""
    yield from profiles.every()
    yield generative()
    yield foreign_profile()


@hookimpl
def benchmark_weights() -> Iterator[WeightsSpec]:
    """Networks of LPIPS, KID and FID."""
    yield from (imagenet.ALEXNET, imagenet.SQUEEZENET, imagenet.VGG16, imagenet.INCEPTION)


@hookimpl
def benchmark_checks() -> Iterator[CheckSpec]:
    """Are the weights of LPIPS here?"""
    yield CheckSpec("lpips-weights", "benchmark_metrics.checks:weights", summary="Feature weights that LPIPS needs.")
