"""Health checks for ``benchmark doctor``."""

from __future__ import annotations

from benchmark import CheckResult
from benchmark.pretrained.weights import check
from benchmark_metrics.perceptual import BACKBONES


def weights() -> list[CheckResult]:
    """Which networks LPIPS could use here."""
    return [check(wanted, f"LPIPS with net={net}") for net, wanted in BACKBONES.items()]
