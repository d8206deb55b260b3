"""Every model of ours under the conformance kit, on images of 32x32: trained, killed, continued, translated, scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from benchmark_gans import benchmark_models

from benchmark.testing import ModelTests, PluginTests

SMALLER: Mapping[str, Mapping[str, Any]] = {"medgan": {"blocks": 1}, "cyclegan": {"residual_blocks": 1}}
"""Options that make a model quick."""
SLOW = ("medgan", "two-stage", "wavelet")


class TestPlugin(PluginTests):
    """It loads alone and quickly."""

    plugin = "gans"


for spec in benchmark_models():
    name = "Test" + "".join(part.capitalize() for part in spec.name.split("-"))
    promises = {"spec": spec, "image_size": (32, 32), "options": SMALLER.get(spec.name, {}), "steps": 2}
    marks = [pytest.mark.slow] if spec.name in SLOW else []
    globals()[name] = type(name, (ModelTests,), {**promises, "pytestmark": marks})
