"""Benchmark of medical image-to-image translation.

What plugin authors need is importable from here; everything heavier is imported where it is used.
"""

from benchmark.errors import (
    BenchmarkError,
    DatasetError,
    NotApplicable,
    TrainingDiverged,
    Unavailable,
    UsageError,
)
from benchmark.hookspecs import API_VERSION, hookimpl
from benchmark.metric_adapter import from_function, from_torchmetrics
from benchmark.specs import (
    CheckResult,
    CheckSpec,
    DegraderSpec,
    GridSpec,
    ImporterSpec,
    MeasuredValue,
    MeasureSpec,
    MetricSpec,
    MetricUse,
    ModelSpec,
    ProfileSpec,
    TaskSpec,
    WeightsSpec,
)

__version__ = "0.1.0"

__all__ = [
    "API_VERSION",
    "BenchmarkError",
    "CheckResult",
    "CheckSpec",
    "DatasetError",
    "DegraderSpec",
    "GridSpec",
    "ImporterSpec",
    "MeasureSpec",
    "MeasuredValue",
    "MetricSpec",
    "MetricUse",
    "ModelSpec",
    "NotApplicable",
    "ProfileSpec",
    "TaskSpec",
    "TrainingDiverged",
    "Unavailable",
    "UsageError",
    "WeightsSpec",
    "__version__",
    "from_function",
    "from_torchmetrics",
    "hookimpl",
]
