"""Every network under the conformance kit: trained, killed, continued, translated, scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from benchmark_monai import benchmark_models

from benchmark.testing import ModelTests, PluginTests

SPECS = {spec.name: spec for spec in benchmark_models()}
NOT_A_WEIGHT = ({"background_weight": -1.0}, {"background_weight": float("nan")}, {"weight_decay": float("inf")})


class TestPlugin(PluginTests):
    """It loads alone and quickly."""

    plugin = "monai"


class TestResidualEncoder(ModelTests):
    """The residual-encoder U-Net."""

    spec = SPECS["resenc-unet"]
    image_size = (32, 32)
    steps = 2
    refused: ClassVar[tuple[Mapping[str, Any], ...]] = (*NOT_A_WEIGHT, {"blocks": (1, 0)}, {"blocks": (-1,)})


class TestUnet(ModelTests):
    """MONAI's U-Net."""

    spec = SPECS["monai-unet"]
    image_size = (32, 32)
    steps = 2
    refused: ClassVar[tuple[Mapping[str, Any], ...]] = (*NOT_A_WEIGHT, {"residual_units": -1})


@pytest.mark.slow
class TestSwin(ModelTests):
    """MONAI's SwinUNETR."""

    spec = SPECS["swin-unetr"]
    image_size = (64, 64)
    options: ClassVar[Mapping[str, Any]] = {"depths": (1, 1, 1, 1)}
    steps = 2
    refused: ClassVar[tuple[Mapping[str, Any], ...]] = (
        *NOT_A_WEIGHT, {"depths": (1, 1)}, {"depths": (1, 0, 1, 1)}, {"window": 1}
    )  # fmt: skip
