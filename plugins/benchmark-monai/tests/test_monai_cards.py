"""The page under docs/models speaks of what there is, and its parameter counts are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from benchmark_monai import benchmark_models

from benchmark.contracts import options
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import ModelContext, TaskInfo

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "models" / "monai.md"
SPECS = {spec.name: spec for spec in benchmark_models()}
ROW = re.compile(r"^\| (?P<model>[\w-]+) \| (?P<preset>\w+) \| generator \| (?P<parameters>[\d,]+) \|$", re.M)

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the plugin stands without the documents")


def parameters(name: str, preset: str) -> int:
    """Of the generator at a preset's size, without memory for them."""
    spec, size = SPECS[name], PRESETS[preset].data
    recipe = PRESETS[preset].recipe.changed(spec.recipes.get(preset, {}))
    values = options.resolve(name, spec.options, spec.presets.get(preset, {}))
    windows = (IntensityMap("a.u.", 0.0, 1000.0), IntensityMap("HU", -1024.0, 2000.0))
    sides = (size.image_size, size.image_size)
    task = TaskInfo("t", "MR", "CT", *windows, sides, size.train * size.slices)
    context = ModelContext(task, recipe, 1, torch.device("cpu"), preset)
    with torch.device("meta"):
        network = spec.load().build_networks(options.build(spec.options, values), context)["generator"]
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("name", SPECS)
def test_every_model_is_on_the_page_and_in_the_index(name):
    assert f"`{name}`" in (DOCS / "models.md").read_text(encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    assert name in page.splitlines()[0]
    assert "Not for clinical use" in page


def test_the_pages_parameter_counts_are_the_codes():
    rows = {
        (row["model"], row["preset"]): int(row["parameters"].replace(",", ""))
        for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))
    }
    assert rows == {(name, preset): parameters(name, preset) for name in SPECS for preset in ("small", "paper")}


def test_the_page_speaks_of_options_that_exist():
    fields = {field for spec in SPECS.values() for field in spec.options.__dataclass_fields__}
    named = set(re.findall(r"`([a-z]+_[a-z]+)`", PAGE.read_text(encoding="utf-8")))
    assert {"background_weight", "residual_units", "weight_decay"} <= named <= fields
