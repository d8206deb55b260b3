"""The plugin under the conformance kit; its metrics are in ``test_metrics_conformance.py``."""

from benchmark.testing import PluginTests


class TestPlugin(PluginTests):
    """It loads alone and quickly."""

    plugin = "metrics"
