"""Ways to run cells: ``serial`` in the process itself, ``slurm``, ``dask`` and ``batch`` on other machines."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark import ExecutorSpec, hookimpl
from benchmark_executors.options import BatchOptions, DaskOptions, SlurmOptions

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
        summary="Each cell a job of a batch system, by its commands, with a shared file system.",
    )
    yield ExecutorSpec(
        "slurm",
        "benchmark_executors.slurm:SlurmExecutor",
        options=SlurmOptions,
        elsewhere=True,
        summary="Cells as job arrays of Slurm, which outlive the run and queue again by themselves.",
    )
    yield ExecutorSpec(
        "dask",
        "benchmark_executors.dask_cluster:DaskExecutor",
        options=DaskOptions,
        elsewhere=True,
        summary="Cells as tasks of Dask: a cluster that exists, or workers on this machine.",
    )
