"""Benchmark of medical image-to-image translation.

What plugin authors need is importable from here, and what scripts need: :func:`run`, :func:`plan_run`,
:func:`load_run`, :func:`load_bundle`, :func:`components`, :func:`describe`, :func:`as_torchmetric`. The latter are
imported when first used, torch, numpy and the like only where something is trained, translated, scored or read as an
array.
"""

from typing import TYPE_CHECKING, Any

from benchmark._version import __version__
from benchmark.contracts.foreign_metrics import from_function, from_torchmetrics
from benchmark.contracts.hookspecs import API_VERSION, hookimpl
from benchmark.contracts.specs import (
    CheckResult,
    CheckSpec,
    DegraderSpec,
    DownstreamColumn,
    DownstreamSpec,
    ExecutorSpec,
    GridSpec,
    ImporterSpec,
    MetricSpec,
    MetricUse,
    ModelSpec,
    ObserverSpec,
    ProfileSpec,
    ReaderSpec,
    TaskSpec,
    WeightsSpec,
)
from benchmark.errors import (
    BenchmarkError,
    DatasetError,
    NotApplicable,
    TrainingDiverged,
    Unavailable,
    UsageError,
)

if TYPE_CHECKING:
    from benchmark.catalogue.describe import Listed, components, describe
    from benchmark.executors import Event
    from benchmark.inference.bundle import load_bundle
    from benchmark.runs.execute import Observer
    from benchmark.runs.read import Cell, Prediction, Run, load_run
    from benchmark.runs.start import PlannedRun, plan_run, run
    from benchmark.scoring.torchmetric import as_torchmetric


_LAZY = {
    "Cell": "runs.read",
    "Event": "executors",
    "Listed": "catalogue.describe",
    "Observer": "runs.execute",
    "PlannedRun": "runs.start",
    "Prediction": "runs.read",
    "Run": "runs.read",
    "as_torchmetric": "scoring.torchmetric",
    "components": "catalogue.describe",
    "describe": "catalogue.describe",
    "load_bundle": "inference.bundle",
    "load_run": "runs.read",
    "plan_run": "runs.start",
    "run": "runs.start",
}
"""Names for scripts, and the modules that they are imported from when somebody asks for them."""

__all__ = [
    "API_VERSION",
    "BenchmarkError",
    "Cell",
    "CheckResult",
    "CheckSpec",
    "DatasetError",
    "DegraderSpec",
    "DownstreamColumn",
    "DownstreamSpec",
    "Event",
    "ExecutorSpec",
    "GridSpec",
    "ImporterSpec",
    "Listed",
    "MetricSpec",
    "MetricUse",
    "ModelSpec",
    "NotApplicable",
    "Observer",
    "ObserverSpec",
    "PlannedRun",
    "Prediction",
    "ProfileSpec",
    "ReaderSpec",
    "Run",
    "TaskSpec",
    "TrainingDiverged",
    "Unavailable",
    "UsageError",
    "WeightsSpec",
    "__version__",
    "as_torchmetric",
    "components",
    "describe",
    "from_function",
    "from_torchmetrics",
    "hookimpl",
    "load_bundle",
    "load_run",
    "plan_run",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import what scripts need when they need it (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"benchmark.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
