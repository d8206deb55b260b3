"""What the components of this plugin promise; ``benchmark plugins check`` holds them to it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from benchmark.testing import MetricTests, ModelTests, TaskTests
from benchmark_example import benchmark_metrics, benchmark_models, benchmark_tasks


class Model(ModelTests):
    """Small, so that the checks are quick."""

    spec = next(iter(benchmark_models()))
    options: ClassVar = {"blocks": 1}
    refused: ClassVar = ({"blocks": -1},)


class Task(TaskTests):
    """Every task promises the same."""

    spec = next(iter(benchmark_tasks()))
    options: ClassVar = {"noise": 10.0}


class Metric(MetricTests):
    """An error: zero for identical images, and the same both ways round."""

    spec = next(iter(benchmark_metrics()))
    best = 0.0
    symmetric = True
    degenerate: ClassVar = {"both the same constant": 0.0, "both at the lower end": 0.0}
    oracle = staticmethod(lambda prediction, target, _: float(np.percentile(np.abs(prediction - target), 95)))
