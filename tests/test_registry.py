"""Plugins are loaded one at a time, accounted for, and cannot harm each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from benchmark import MetricSpec, ModelSpec, ProfileSpec, UsageError, hookimpl
from benchmark.contracts.specs import MetricUse
from benchmark.registry import plugins

Point = Callable[..., EntryPoint]


@pytest.fixture
def point() -> Iterator[Point]:
    """Make an entry point to a module that exists only here."""
    made: list[str] = []

    def make(name: str, **attributes: Any) -> EntryPoint:
        module = ModuleType(f"made_up_{len(made)}_{name.replace('-', '_')}")
        vars(module).update(attributes)
        sys.modules[module.__name__] = module
        made.append(module.__name__)
        return EntryPoint(name, module.__name__, "benchmark.plugins")

    yield make
    for name in made:
        del sys.modules[name]


def models(*names: str) -> Any:
    @hookimpl
    def benchmark_models() -> Iterator[ModelSpec]:
        for name in names:
            yield ModelSpec(name, "nowhere.module:build")

    return benchmark_models


def test_a_good_plugin_is_loaded_and_its_model_found(point: Point) -> None:
    found = plugins.load([point("good", benchmark_models=models("my-unet"))])
    assert [plugin.state for plugin in found.plugins] == ["loaded"]
    assert found.plugins[0].offers == {"model": 1}
    assert found.model("my-unet").spec.factory == "nowhere.module:build"


def test_a_plugin_that_is_not_there_fails_alone(point: Point) -> None:
    missing = EntryPoint("absent", "no_such_module_anywhere", "benchmark.plugins")
    found = plugins.load([missing, point("good", benchmark_models=models("m"))])
    assert {plugin.name: plugin.state for plugin in found.plugins} == {"absent": "failed", "good": "loaded"}
    assert "no_such_module_anywhere" in found.plugins[0].reason
    assert "Traceback" in found.plugins[0].trace
    assert found.model("m")


def test_a_hook_that_exits_the_interpreter_fails_alone(point: Point) -> None:
    @hookimpl
    def benchmark_models() -> Any:
        raise SystemExit(3)

    found = plugins.load([point("exits", benchmark_models=benchmark_models)])
    assert found.plugins[0].state == "failed"
    assert "SystemExit" in found.plugins[0].reason


def test_a_misspelt_hook_is_an_error_not_silence(point: Point) -> None:
    found = plugins.load([point("typo", benchmark_model=models("m"))])
    assert found.plugins[0].state == "failed"
    assert "benchmark_model" in found.plugins[0].reason


def test_a_wrong_hook_signature_is_reported(point: Point) -> None:
    @hookimpl
    def benchmark_models(surprise: int) -> Any:
        return []

    assert plugins.load([point("args", benchmark_models=benchmark_models)]).plugins[0].state == "failed"


@pytest.mark.parametrize("version", [2, 99, 0, "1"])
def test_an_interface_version_that_we_do_not_have_is_refused(point: Point, version: Any) -> None:
    found = plugins.load([point("future", benchmark_api=version, benchmark_models=models("m"))])
    assert found.plugins[0].state == "failed"
    assert str(version) in found.plugins[0].reason


def test_the_wrong_record_is_refused(point: Point) -> None:
    @hookimpl
    def benchmark_models() -> Any:
        return [MetricSpec("mae", "a:b", label="MAE", higher_is_better=False)]

    found = plugins.load([point("mixed", benchmark_models=benchmark_models)])
    assert "MetricSpec" in found.plugins[0].reason


def test_nothing_offered_is_said(point: Point) -> None:
    assert "offers nothing" in plugins.load([point("empty")]).plugins[0].reason


def test_a_clash_gives_the_name_to_nobody_and_names_both(point: Point) -> None:
    found = plugins.load(
        [point("a", benchmark_models=models("same", "a")), point("b", benchmark_models=models("same"))]
    )
    assert set(found.all("model")) == {"a"}
    with pytest.raises(UsageError, match="offered by"):
        found.model("same")
    assert len(found.warnings()) == 1


def test_the_second_of_two_same_named_entry_points_is_failed(point: Point) -> None:
    found = plugins.load([point("x", benchmark_models=models("one")), point("x", benchmark_models=models("two"))])
    assert [plugin.state for plugin in found.plugins] == ["loaded", "failed"]
    assert "already taken" in found.plugins[1].reason


@pytest.mark.parametrize("names", [{"good"}, {"all"}])
def test_a_disabled_plugin_is_not_even_imported(point: Point, names: set[str]) -> None:
    unimportable = EntryPoint("good", "raises_if_imported", "benchmark.plugins")
    found = plugins.load([unimportable], frozenset(names))
    assert found.plugins[0].state == "disabled"


def test_lazy_attributes_of_a_module_are_not_touched(point: Point) -> None:
    touched: list[str] = []

    class Lazy(ModuleType):
        def __dir__(self) -> list[str]:
            return [*vars(self), "Network"]

        def __getattr__(self, name: str) -> Any:
            touched.append(name)
            raise AttributeError(name)

    module = Lazy("made_up_lazy")
    vars(module)["benchmark_models"] = models("m")
    sys.modules["made_up_lazy"] = module
    try:
        found = plugins.load([EntryPoint("lazy", "made_up_lazy", "benchmark.plugins")])
    finally:
        del sys.modules["made_up_lazy"]
    assert found.plugins[0].state == "loaded", found.plugins[0].trace
    assert "Network" not in touched


def test_an_unknown_name_gets_the_nearest(point: Point) -> None:
    found = plugins.load([point("good", benchmark_models=models("medgan", "pix2pix"))])
    with pytest.raises(UsageError, match="'medgan'"):
        found.model("megdan")


@pytest.mark.parametrize("name", ["Upper", "with space", "", "a/b", "..", "-x", "naïve"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        ModelSpec(name, "a:b")


@pytest.mark.parametrize("factory", ["module", "module:", ":f", "a b:c", "m:f()"])
def test_factories_are_module_and_attribute(factory: str) -> None:
    with pytest.raises(ValueError, match="factory"):
        ModelSpec("m", factory)


def test_a_profile_ranks_by_one_of_its_metrics() -> None:
    with pytest.raises(ValueError, match="primary"):
        ProfileSpec("p", 1, (MetricUse("mae"),), primary="psnr")
