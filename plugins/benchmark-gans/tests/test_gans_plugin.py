"""What the plugin offers, and that offering it costs nothing heavy."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from importlib.resources import files

import pytest
from benchmark_gans import benchmark_checks, benchmark_grids, benchmark_models

from benchmark.catalogue.networks import networks
from benchmark.contracts import options
from benchmark.contracts.presets import PRESETS
from benchmark.plan.grid import parse_grid

SPECS = {spec.name: spec for spec in benchmark_models()}
DENOISERS = {"gaussian", "nl-means", "wavelet", "tv"}


def test_the_models_of_the_comparison_are_offered():
    methods = {name for name, spec in SPECS.items() if not spec.baseline}
    protocol = {"medgan", "pix2pix", "pan", "id-cgan", "fila-sgan", "cyclegan"}
    assert methods == {*protocol, "two-stage", "dual-gan", "pix2pix-gdl"}
    baselines = {"unet-l1", "unet-l2", "histogram", "mean-image", "copy-input"} | DENOISERS
    assert set(SPECS) - methods == baselines
    assert SPECS["cyclegan"].pairing == "unpaired"
    assert {name for name, spec in SPECS.items() if spec.target_units == ("HU",)} == {"two-stage", "dual-gan"}
    assert {name for name, spec in SPECS.items() if spec.same_unit} == DENOISERS


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from benchmark_gans import benchmark_models, benchmark_grids, benchmark_checks; "
        "list(benchmark_models()), list(benchmark_grids()), list(benchmark_checks()); "
        "print(sorted({'torch', 'numpy', 'scipy', 'safetensors', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_models_can_be_listed_again_after_all_are_loaded():
    """A submodule, once imported, takes the place of whatever has its name in the package."""
    for spec in SPECS.values():
        spec.load()
    assert [spec.name for spec in benchmark_models()] == list(SPECS)


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


def load(name):
    (spec,) = (grid for grid in benchmark_grids() if grid.name == name)
    return parse_grid((files(spec.package) / spec.path).read_text(encoding="utf-8"), name)


@pytest.mark.parametrize("name", [grid.name for grid in benchmark_grids()])
def test_a_grids_models_options_and_recipes_are_real(name):
    grid = load(name)
    assert grid.name == name
    listed = set()
    for tasks, entries, _ in grid.blocks:
        for entry in entries:
            if entry.if_installed:
                continue
            spec = SPECS[entry.model]
            listed |= {(task, entry.name) for task in tasks}
            for preset, settings in PRESETS.items():
                options.resolve(entry.model, spec.options, spec.presets.get(preset, {}), entry.options)
                settings.recipe.changed(entry.recipes.get(preset, {}))
    for table in grid.published:
        assert {(table.task, model) for model in table.scores} <= listed


def test_the_full_grid_is_the_protocol_of_the_paper_on_all_tasks():
    listed = [(task, entry) for tasks, entries, _ in load("full").blocks for task in tasks for entry in entries]
    cells = {(task, entry.name) for task, entry in listed if not entry.if_installed}
    assert len(cells) == 47
    assert {(task, entry.name) for task, entry in listed if entry.if_installed} == {
        (task, "resenc-unet") for task in ("pet-ct", "pet-denoise", "mr-motion", "mr-ct")
    }
    assert {task for task, model in cells if model == "nl-means"} == {"pet-denoise", "mr-motion"}
    assert {task for task, model in cells if model == "two-stage"} == {"mr-ct"}
    assert all(not entry.options for _, entries, _ in load("full").blocks for entry in entries)


def test_every_generator_of_the_matched_grid_has_the_capacity_of_medgans():
    (_, entries, _), *more = load("matched").blocks
    assert not more
    counts = {}
    for entry in entries:
        spec = SPECS[entry.model]
        if spec.kind != "trained":
            continue
        values = options.resolve(entry.model, spec.options, spec.presets.get("paper", {}), entry.options)
        built = networks(spec, values, PRESETS["paper"])
        counts[entry.name] = next(network["parameters"] for network in built if network["name"] == "generator")
    assert len(counts) == 7
    assert set(counts.values()) == {326_420_742}


def test_tables_say_what_medgans_paper_says():
    """Figures of arXiv 1806.06397v2, Tables I and II and Fig. 6, spot by spot."""
    table = {name: load(name).published for name in ("medgan-table1", "medgan-table2", "medgan-fig6")}
    assert table["medgan-table1"][0].scores["medgan-1g"]["uqi"] == 0.9569
    by_task = {each.task: each.scores for each in table["medgan-table2"]}
    assert by_task["pet-ct"]["medgan"] == {
        "ssim": 0.9160, "psnr": 24.62, "mse": 264.6, "vif-p": 0.4464, "uqi": 0.9558, "lpips": 0.2302
    }  # fmt: skip
    assert by_task["mr-motion"]["id-cgan"]["mse"] == 289.8
    assert by_task["pet-denoise"]["fila-sgan"]["vif-p"] == 0.6279
    assert [table["medgan-fig6"][0].scores[f"pix2pix-{blocks}"]["psnr"] for blocks in range(1, 8)] == [
        23.93, 24.31, 24.36, 24.36, 24.49, 24.50, 24.46
    ]  # fmt: skip


def test_the_check_loads():
    (check,) = benchmark_checks()
    assert callable(check.load())
