"""All conformance tests of an installed plugin, run without pytest: what ``benchmark plugins check`` does."""

from __future__ import annotations

import importlib
import importlib.util
import time
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.registry import plugins
from benchmark.registry.plugins import Plugin
from benchmark.testing.components import ComponentTests
from benchmark.testing.metrics import MetricTests
from benchmark.testing.models import ModelTests
from benchmark.testing.plugins import PluginTests
from benchmark.testing.tasks import TaskTests

PROMISES = "conformance"
"""Module of a plugin's package in which it says, as subclasses of the kit's classes, what its components promise."""
KITS: dict[str, type[Any]] = {"model": ModelTests, "task": TaskTests, "metric": MetricTests}


class UnpromisedMetricTests(MetricTests):
    """A metric whose plugin promises nothing of it: only what holds for every metric is asked."""

    worse_with = ()
    region = False
    scales = False
    finite = False


@dataclass(frozen=True)
class Outcome:
    """How one check of one component ended; ``said`` is the failure, or why it was skipped."""

    component: str
    check: str
    state: Literal["passed", "skipped", "failed"]
    said: str
    seconds: float


def suites(plugin: Plugin) -> Iterator[tuple[str, type[Any]]]:
    """The plugin's test classes, each with the component that it is about: the plugin's own where it ships some."""
    yield f"plugin {plugin.name}", type("TestPlugin", (PluginTests,), {"plugin": plugin.name})
    if plugin.state != "loaded":
        return
    promised = promises(plugin.module)
    point = plugins.load([each for each in plugins.installed() if each.name == plugin.name][:1])
    for kind, kit in KITS.items():
        for name, offer in point.all(kind).items():
            own = [cls for cls in promised if issubclass(cls, kit) and cls.spec == offer.spec]
            default = UnpromisedMetricTests if kind == "metric" else kit
            for cls in own or [type("TestComponent", (default,), {"spec": offer.spec})]:
                more = f" ({cls.__name__})" if len(own) > 1 else ""
                yield f"{kind} {name}{more}", cls


def promises(module: str) -> list[type[ComponentTests]]:
    """The test classes in the ``conformance`` module of a plugin's package; none where it has no such module.

    Raises:
        Exception: whatever that module raises when it is imported.
    """
    name = f"{module}.{PROMISES}"
    package = importlib.util.find_spec(module)
    if package is None or not package.submodule_search_locations or importlib.util.find_spec(name) is None:
        return []
    found = vars(importlib.import_module(name)).values()
    return [each for each in found if isinstance(each, type) and each.__module__ == name and hasattr(each, "spec")]


def run(component: str, suite: type[Any]) -> Iterator[Outcome]:
    """Run every check of one test class."""
    for check in sorted(name for name in dir(suite) if name.startswith("test_")):
        began = time.perf_counter()
        state: Literal["passed", "skipped", "failed"] = "passed"
        said = ""
        try:
            getattr(suite(), check)()
        except unittest.SkipTest as reason:
            state, said = "skipped", str(reason)
        except (Exception, SystemExit) as error:
            state = "failed"
            said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        yield Outcome(component, check, state, said, time.perf_counter() - began)
