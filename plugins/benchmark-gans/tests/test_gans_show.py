"""``benchmark show model`` says of every network what it is made of, without weights and without training."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import in_process
import pytest
from benchmark_gans import benchmark_models

from benchmark.catalogue.networks import networks
from benchmark.contracts import options
from benchmark.contracts.presets import PRESETS

SPECS = {spec.name: spec for spec in benchmark_models()}
TRAINED = [name for name, spec in SPECS.items() if spec.kind == "trained"]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", TRAINED)
def test_every_network_states_layers_parameters_and_receptive_field(name, preset):
    spec = SPECS[name]
    values = options.resolve(name, spec.options, spec.presets.get(preset, {}))
    found = networks(spec, values, PRESETS[preset])
    assert found
    for network in found:
        assert network["parameters"] == sum(layer["parameters"] for layer in network["layers"]) > 0
        assert network["receptive_field"] is None or network["receptive_field"] > 1
        assert all(layer["kind"] and layer["weights"] for layer in network["layers"])


def test_the_command_needs_no_pretrained_weights_and_gives_sources(tmp_path):
    places = {**os.environ, "BENCHMARK_WEIGHTS": str(tmp_path), "TORCH_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "benchmark", "show", "model", "medgan", "--preset", "paper", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=places, check=True)
    facts = json.loads(done.stdout)
    by_name = {network["name"]: network for network in facts["networks"]}
    assert by_name["generator"]["parameters"] == 326_420_742
    assert by_name["discriminator"]["receptive_field"] == 16
    assert by_name["discriminator"]["layers"][0]["kind"] == "Conv2d"
    assert by_name["discriminator"]["layers"][0]["weights"]["weight"] == [64, 2, 4, 4]
    assert all(option["source"] for option in facts["options"])
    assert {"epochs": 200, "batch_size": 1, "learning_rate": 2e-4}.items() <= facts["recipe"].items()


@pytest.fixture
def shown(tmp_path):
    """What ``benchmark show`` gives."""
    return lambda *arguments: in_process.run(("show", *arguments), tmp_path, os.environ)


def test_networks_are_shown_for_the_options_that_are_given(shown):
    facts = json.loads(shown("model", "pan", "--preset", "paper", "-p", "architecture=authors", "--json").stdout)
    by_name = {network["name"]: network for network in facts["networks"]}
    assert by_name["generator"]["parameters"] == 16_828_673
    assert by_name["generator"]["receptive_field"] == 255
    assert {option["name"]: option["default"] for option in facts["options"]}["margin"] == 3.0


def test_the_table_has_a_line_for_each_network(shown):
    lines = shown("model", "cyclegan", "--preset", "paper").stdout.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("networks at preset paper"))
    assert lines[start + 1].split()[:2] == ["name", "parameters"]
    assert [line.split()[:2] for line in lines[start + 2 :]] == [
        ["generator", "11,365,633"],
        ["reverse", "11,365,633"],
        ["discriminator_target", "2,762,689"],
        ["discriminator_source", "2,762,689"],
    ]
    assert lines[-1].split()[2:] == ["70", "pixels", "5"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("model", "pan", "-p", "architecture"), "write OPTION=VALUE"),
        (("model", "pan", "-p", "architektur=authors"), "'architecture'"),
        (("model", "pan", "-p", "architecture=mine"), "pan.architecture: 'mine' is not one of protocol, authors"),
        (("grid", "full", "-p", "a=1"), "a grid has no options"),
    ],
)
def test_parameters_that_cannot_be_are_refused(shown, arguments, said):
    ended = shown(*arguments)
    assert ended.returncode == 2
    assert said in " ".join(ended.stderr.split())


def test_a_model_without_networks_shows_none():
    assert networks(SPECS["copy-input"], {}, PRESETS["small"]) == []
