"""What the plugin offers, and that offering it costs nothing heavy."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tomllib
from importlib.resources import files

import pytest
from benchmark_gans import benchmark_checks, benchmark_grids, benchmark_models

from benchmark import options
from benchmark.presets import PRESETS

SPECS = {spec.name: spec for spec in benchmark_models()}


def test_the_models_of_the_comparison_are_offered():
    methods = {name for name, spec in SPECS.items() if not spec.baseline}
    assert methods == {"medgan", "pix2pix", "pan", "id-cgan", "fila-sgan", "cyclegan", "two-stage"}
    assert set(SPECS) - methods == {"unet-l1", "histogram", "mean-image", "copy-input"}
    assert SPECS["cyclegan"].pairing == "unpaired"
    assert SPECS["two-stage"].target_units == ("HU",)


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from benchmark_gans import benchmark_models, benchmark_grids, benchmark_checks; "
        "list(benchmark_models()), list(benchmark_grids()), list(benchmark_checks()); "
        "print(sorted({'torch', 'numpy', 'scipy', 'safetensors', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", SPECS)
def test_factories_load_and_presets_fit_the_options(name):
    spec = SPECS[name]
    assert callable(spec.load())
    for preset, values in spec.presets.items():
        options.resolve(name, spec.options, values)
        assert preset in PRESETS
    for preset, fields in spec.recipes.items():
        PRESETS[preset].recipe.changed(fields)


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.options])
def test_every_option_says_what_it_is_and_where_its_default_is_from(name):
    assert SPECS[name].options.__dataclass_params__.frozen
    for field in dataclasses.fields(SPECS[name].options):
        assert field.metadata["help"], field.name
        assert field.metadata["source"], field.name


def test_published_weights_are_the_defaults():
    medgan = SPECS["medgan"].options()
    assert (medgan.perceptual_weight, medgan.style_weight, medgan.content_weight) == (20.0, 1e-4, 1e-4)
    assert (medgan.blocks, medgan.generator_steps, medgan.patch, medgan.spectral_norm) == (6, 3, 16, True)
    assert SPECS["pix2pix"].options().pixel_weight == 100.0
    cyclegan = SPECS["cyclegan"].options()
    assert (cyclegan.cycle_weight, cyclegan.identity, cyclegan.pool_size) == (10.0, 0.5, 50)


def test_the_paper_preset_asks_for_vgg19_and_the_smaller_ones_do_not():
    for name in ("medgan", "id-cgan", "fila-sgan"):
        chosen = {
            preset: options.resolve(name, SPECS[name].options, SPECS[name].presets.get(preset, {}))["features"]
            for preset in PRESETS
        }
        assert chosen == {"smoke": "embedded", "small": "embedded", "medium": "embedded", "paper": "vgg19"}


def test_the_grid_names_models_that_are_offered():
    (grid,) = benchmark_grids()
    content = tomllib.loads((files(grid.package) / grid.path).read_text(encoding="utf-8"))
    assert content["name"] == grid.name == "full"
    cells = {(task, model) for entry in content["entries"] for task in entry["tasks"] for model in entry["models"]}
    assert {model for _, model in cells} == set(SPECS)
    assert {task for task, model in cells if model == "two-stage"} == {"mr-ct"}
    assert len(cells) == 41


def test_the_check_loads():
    (check,) = benchmark_checks()
    assert callable(check.load())
