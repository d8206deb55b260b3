"""Every model has a card under docs/models, and the parameter counts on it are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from benchmark_gans import benchmark_models

from benchmark.contracts import options
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import ModelContext, TaskInfo

DOCS = Path(__file__).parents[3] / "docs"
SPECS = {spec.name: spec for spec in benchmark_models()}
ROW = re.compile(
    r"^\| (?P<architecture>[\w-]+) \| (?P<network>\w+) \| (?P<parameters>[\d,]+) \| (?P<sees>[^|]+) \|$", re.M
)
ARCHITECTURES = ("protocol", "authors", "authors-journal")

pytestmark = pytest.mark.skipif(not (DOCS / "models.md").is_file(), reason="the plugin stands without the documents")


def card(name):
    """A model's page, or a baseline's section of the page that baselines share."""
    page = DOCS / "models" / f"{name}.md"
    if SPECS[name].baseline and not page.is_file():
        _, section = (DOCS / "models" / "baselines.md").read_text(encoding="utf-8").split(f"\n## {name}\n")
        return section.split("\n## ")[0]
    return page.read_text(encoding="utf-8")


def context(spec):
    recipe = PRESETS["paper"].recipe.changed(spec.recipes.get("paper", {}))
    task = TaskInfo(
        "paper", "MR", "CT", IntensityMap("a.u.", 0.0, 1000.0), IntensityMap("HU", -1024.0, 2000.0), (256, 256), 1935
    )
    return ModelContext(task, recipe, 1, torch.device("cpu"), "paper")


def networks(spec, architecture):
    """Name -> (parameters, receptive field) at paper size, without memory for them."""
    values = options.resolve(spec.name, spec.options, spec.presets.get("paper", {}), {"architecture": architecture})
    with torch.device("meta"):
        built = spec.load().build_networks(options.build(spec.options, values), context(spec))
    return {
        name: (sum(weight.numel() for weight in network.parameters()), network.receptive_field)
        for name, network in built.items()
    }


@pytest.mark.parametrize("name", SPECS)
def test_every_model_has_a_card_and_a_line_in_the_index(name):
    assert f"`{name}`" in (DOCS / "models.md").read_text(encoding="utf-8")
    if not SPECS[name].baseline:
        assert card(name).startswith(f"# {name}\n")
        assert "Not for clinical use" in card(name)
    assert len(card(name)) > 80


def test_the_index_links_every_page_and_no_other():
    linked = set(re.findall(r"\(models/([\w-]+\.md)\)", (DOCS / "models.md").read_text(encoding="utf-8")))
    assert linked == {page.name for page in (DOCS / "models").glob("*.md")}


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        (name, architecture)
        for name, spec in SPECS.items()
        if spec.options is not None and "architecture" in spec.options.__dataclass_fields__
        for architecture in ARCHITECTURES
        if architecture != "authors-journal" or name == "id-cgan"
    ],
)
def test_the_cards_parameter_counts_are_the_codes(name, architecture):
    rows = {
        row["network"]: (int(row["parameters"].replace(",", "")), row["sees"])
        for row in ROW.finditer(card(name))
        if row["architecture"] == architecture
    }
    found = {
        network: (parameters, f"{field} pixels" if field else "whole image")
        for network, (parameters, field) in networks(SPECS[name], architecture).items()
    }
    assert rows == found


@pytest.mark.parametrize("name", SPECS)
def test_a_card_speaks_of_options_that_exist(name):
    spec = SPECS[name]
    fields = set(spec.options.__dataclass_fields__) if spec.options else set()
    named = set(re.findall(r"`([a-z_]+)(?:=[\w.]+)?`", card(name)))
    others = {field for other in SPECS.values() if other.options for field in other.options.__dataclass_fields__}
    assert named & others <= fields
