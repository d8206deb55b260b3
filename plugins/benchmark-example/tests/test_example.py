"""The conformance tests; add your own beside them."""

from benchmark_example import conformance

from benchmark.testing import PluginTests


class TestPlugin(PluginTests):
    """It installs, loads and imports nothing heavy."""

    plugin = "example"


class TestModel(conformance.Model):
    """As promised there."""


class TestTask(conformance.Task):
    """As promised there."""


class TestMetric(conformance.Metric):
    """As promised there."""
