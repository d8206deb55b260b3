"""The hookspecs are the reference of the interface: each says what to answer with, in an example that works."""

from __future__ import annotations

import inspect
import sys
import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

import benchmark
from benchmark.contracts import hookspecs
from benchmark.registry import plugins

HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("benchmark_"))
GUIDE = Path(__file__).parent.parent / "docs" / "plugins.md"


def test_every_hook_has_its_kind_of_record_and_the_other_way_round() -> None:
    assert sorted(hook for hook, _ in plugins.KINDS.values()) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_what_to_answer_with(hook: str) -> None:
    record = dict(plugins.KINDS.values())[hook]
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert f"Answer with :class:`benchmark.{record.__name__}`" in text
    assert record.__name__ in benchmark.__all__


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_is_a_plugin(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    example = textwrap.dedent(text.partition("::\n")[2])
    module = ModuleType("example_of_a_hook")
    exec("from benchmark import *", vars(module))
    exec(example, vars(module))
    sys.modules[module.__name__] = module
    try:
        found = plugins.load([EntryPoint("example", module.__name__, hookspecs.GROUP)])
    finally:
        del sys.modules[module.__name__]
    assert found.plugins[0].state == "loaded", found.plugins[0].trace
    assert sum(found.plugins[0].offers.values()) == 1


@pytest.mark.skipif(not GUIDE.is_file(), reason="not a checkout: the docs are not here")
def test_the_guide_names_every_hook() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert [hook for hook in HOOKS if f"`{hook}`" not in text] == []
