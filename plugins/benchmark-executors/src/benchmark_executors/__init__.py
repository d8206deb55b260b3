"""Ways to run cells: ``serial``, in the process itself, and ``batch``, as jobs of a batch system."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark import ExecutorSpec, hookimpl
from benchmark_executors.options import BatchOptions

benchmark_api = 1


@hookimpl
def benchmark_executors() -> Iterator[ExecutorSpec]:
    yield ExecutorSpec(
        "serial",
        "benchmark_executors.serial:SerialExecutor",
        foreground=True,
        summary="One cell after the other in this process, for debuggers and profilers.",
    )
    yield ExecutorSpec(
        "batch",
        "benchmark_executors.batch:BatchExecutor",
        options=BatchOptions,
        elsewhere=True,
        summary="Each cell a job of a batch system (Slurm unless told otherwise) with a shared file system.",
    )
