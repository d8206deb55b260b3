"""Conformance tests for plugin authors: subclass, say what you promise, run pytest.

from benchmark.testing import MetricTests

class TestMyMetric(MetricTests):
    spec = my_plugin.SPEC
    best = 1.0

They are plain classes with plain assertions; nothing here needs pytest, and nothing is collected unless you
import it.
"""

from benchmark.testing.metrics import MetricTests

__all__ = ["MetricTests"]
