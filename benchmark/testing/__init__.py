"""Conformance tests for plugin authors: subclass, say what you promise, run pytest.

from benchmark.testing import MetricTests

class TestMyMetric(MetricTests):
    spec = my_plugin.SPEC
    best = 1.0

They are plain classes with plain assertions; nothing here needs pytest, and nothing is collected unless you
import it. ``benchmark plugins check`` runs the same classes.
"""

from benchmark.testing.metrics import MetricTests
from benchmark.testing.models import ModelTests
from benchmark.testing.plugins import PluginTests
from benchmark.testing.tasks import TaskTests

__all__ = ["MetricTests", "ModelTests", "PluginTests", "TaskTests"]
