"""Health checks for ``benchmark doctor``."""

from __future__ import annotations

from benchmark import CheckResult
from benchmark.pretrained.imagenet import VGG19
from benchmark.pretrained.weights import check


def weights() -> list[CheckResult]:
    """Are the VGG-19 weights there that the paper preset needs?"""
    return [check(VGG19, "medgan, id-cgan and fila-sgan at preset paper or with features=vgg19")]
