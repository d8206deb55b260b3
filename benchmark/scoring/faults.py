"""Whose fault it is when something is raised while a metric is built or scored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmark.errors import BenchmarkError, PluginError, said


class MetricFault(PluginError):
    """A metric broke while it was built or scored; it costs its own scores, unless the profile ranks by it first."""

    def __init__(self, metric: str, error: BaseException) -> None:
        told = said(error) if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {said(error)}"
        super().__init__(f"metric {metric} failed: {told}")
        self.metric = metric
        self.reason = f"failed: {told}"


@contextlib.contextmanager
def blamed(metric: str) -> Iterator[None]:
    """What is raised in here is this metric's fault."""
    try:
        yield
    except BenchmarkError as error:
        if isinstance(error, PluginError):
            raise MetricFault(metric, error) from error
        raise
    except (Exception, SystemExit) as error:
        raise MetricFault(metric, error) from error
