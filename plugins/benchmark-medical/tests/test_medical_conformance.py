"""Every task of ours under the conformance kit: splits, leakage, units, seeds, and a cell on its data."""

from __future__ import annotations

from benchmark_medical import benchmark_tasks

from benchmark.testing import PluginTests, TaskTests


class TestPlugin(PluginTests):
    """It loads alone and quickly."""

    plugin = "medical"


for spec in benchmark_tasks():
    name = "Test" + "".join(part.capitalize() for part in spec.name.split("-"))
    globals()[name] = type(name, (TaskTests,), {"spec": spec})
