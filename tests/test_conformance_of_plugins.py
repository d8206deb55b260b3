"""The conformance kit finds planted faults: each faulty plugin fails the check that names its fault, and no other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import CommandLine, installed_plugins, make_discoverable
from planted_faults import failures

from benchmark.registry import plugins
from benchmark.testing import PluginTests
from benchmark.testing.suite import run, suites

SOUND = """
from benchmark import ModelSpec, hookimpl
benchmark_api = 1
@hookimpl
def benchmark_models():
    yield ModelSpec("planted-model", "planted.model:Model", summary="A model.")
"""

Plant = Callable[..., PluginTests]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """Install a plugin of this source, as fresh interpreters see it too, and give the tests of it."""
    before = set(sys.modules)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setenv("BENCHMARK_DISABLE_PLUGINS", ",".join(installed_plugins()))
    monkeypatch.syspath_prepend(tmp_path)

    def make(source: str = SOUND, requires: str = "medgan-benchmark>=0.1,<0.2", name: str = "planted") -> PluginTests:
        make_discoverable(tmp_path, "benchmark-planted", "0.1", name, "planted")
        (metadata,) = tmp_path.glob("*.dist-info/METADATA")
        metadata.write_text(metadata.read_text() + f"Requires-Dist: {requires}\n")
        (tmp_path / "planted").mkdir()
        (tmp_path / "planted" / "__init__.py").write_text(source)
        (tmp_path / "planted" / "model.py").write_text("class Model: pass\n")
        plugins.registry.cache_clear()
        return type("TestPlanted", (PluginTests,), {"plugin": "planted"})()

    yield make
    plugins.registry.cache_clear()
    for module in set(sys.modules) - before:
        if module.partition(".")[0] in ("planted", "rival"):
            del sys.modules[module]


def test_a_sound_plugin_passes(plant: Plant) -> None:
    assert failures(plant()) == {}


PROFILE = """
from benchmark import MetricUse, ProfileSpec
@hookimpl
def benchmark_profiles():
    yield ProfileSpec("planted", 1, (MetricUse("nobodys-metric"),), primary="nobodys-metric", summary="A profile.")
"""
GRID = """
from benchmark import GridSpec
@hookimpl
def benchmark_grids():
    yield GridSpec("planted", "planted", "no/such.toml", summary="A grid.")
"""
FAULTS = [
    (SOUND + "raise ValueError('halfway')", "test_loads", "ValueError: halfway"),
    (SOUND + "import colorsys, scipy", "test_imports_nothing_heavy", "importing it imports scipy; keep records"),
    (SOUND + "sum(range(40_000_000))", "test_imports_quickly", "; compute and read nothing at import"),
    (SOUND + "print('welcome')", "test_prints_nothing_when_imported", "'welcome'; remove the print"),
    (
        SOUND + "import warnings\nfrom benchmark.errors import InterfaceDeprecation\n"
        "warnings.warn('summary goes away', InterfaceDeprecation)",
        "test_uses_nothing_deprecated",
        "summary goes away; see docs/plugins.md",
    ),
    (SOUND.replace("benchmark_api = 1", ""), "test_says_its_interface", "add benchmark_api = 1"),
    (SOUND.replace(', summary="A model."', ""), "test_components_say_what_they_are", "add summary="),
    (SOUND.replace(":Model", ":Net"), "test_implementations_are_there", "'planted.model:Net' cannot be loaded"),
    (SOUND + PROFILE, "test_profiles_and_grids_name_what_there_is", "no metric 'nobodys-metric'"),
    (SOUND + GRID, "test_profiles_and_grids_name_what_there_is", "grid 'planted': "),
]  # fmt: skip


@pytest.mark.parametrize(("source", "check", "message"), FAULTS, ids=[fault[1] for fault in FAULTS])
def test_a_planted_fault_fails_the_check_that_names_it(plant: Plant, source: str, check: str, message: str) -> None:
    failed = failures(plant(source))
    assert list(failed) == [check], failed
    assert message in failed[check]
    assert failed[check].startswith("plugin planted: ")


@pytest.mark.parametrize("requires", ["numpy", "medgan-benchmark", "medgan-benchmark>=0.1"])
def test_a_distribution_that_asks_for_no_range_of_the_harness(plant: Plant, requires: str) -> None:
    failed = failures(plant(requires=requires))
    assert list(failed) == ["test_requires_the_harness"]
    assert "say dependencies" in failed["test_requires_the_harness"]


def test_a_plugin_that_is_not_installed(plant: Plant) -> None:
    failed = failures(plant(name="other"))
    assert list(failed) == ["test_is_installed"]
    assert "there are: " in failed["test_is_installed"]


def test_a_taken_name(plant: Plant, tmp_path: Path) -> None:
    tests = plant()
    make_discoverable(tmp_path, "benchmark-rival", "2.0", "rival", "rival")
    (tmp_path / "rival.py").write_text(SOUND)
    failed = failures(tests)
    assert list(failed) == ["test_names_are_free"]
    assert "offered by benchmark-planted 0.1 and benchmark-rival 2.0" in failed["test_names_are_free"]


def test_promises_that_a_plugin_ships_are_used(plant: Plant, tmp_path: Path) -> None:
    plant()
    (tmp_path / "planted" / "conformance.py").write_text(
        "from benchmark.testing import ModelTests\nfrom planted import benchmark_models\n"
        "class Mine(ModelTests):\n    spec = next(iter(benchmark_models()))\n    image_size = (8, 8)\n"
    )
    (plugin,) = [each for each in plugins.registry().plugins if each.name == "planted"]
    found = dict(suites(plugin))
    assert list(found) == ["plugin planted", "model planted-model"]
    assert found["model planted-model"].__name__ == "Mine"
    outcomes = {outcome.check: outcome for outcome in run("model planted-model", found["model planted-model"])}
    built = outcomes["test_builds_what_its_kind_asks_for"]
    assert (built.state, built.said.partition(":")[0]) == ("failed", "model planted-model")


def test_a_failed_plugin_is_checked_no_further(toy: CommandLine) -> None:
    site = toy.folder.parent / "site"
    make_discoverable(site, "benchmark-gone", "0.3", "gone", "gone_plugin")
    (site / "gone_plugin.py").write_text("raise SystemExit('gone')")
    ended = toy("plugins", "check", "benchmark-gone", "--json")
    assert ended.returncode == 1
    assert '"component": "plugin gone"' in ended.stdout
    assert "SystemExit: gone" in ended.stdout
