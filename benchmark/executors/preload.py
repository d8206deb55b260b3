"""Imported once in the fork server, so that each worker starts with everything already loaded.

Nothing here may start a thread pool or touch CUDA: workers are forked from this process.
``torch._dynamo`` is here because the first optimiser of a process imports it, which costs as much as torch.
"""

# ruff: noqa: F401
from __future__ import annotations

import atexit
import contextlib
import importlib
import os

MODULES_VARIABLE = "BENCHMARK_PRELOAD"


def _load() -> None:
    """Everything that a worker imports, and what the plugins of this plan do."""
    import h5py
    import numpy
    import pyarrow
    import pyarrow.parquet
    import torch
    import torch._dynamo

    import benchmark.cell.run
    import benchmark.data.volumes.geometry
    import benchmark.executors.worker
    from benchmark.plan.claim import SCORING, harness_sha256
    from benchmark.registry.plugins import registry, source_sha256

    pyarrow.array([0])  # the first one looks for pandas, and imports it where it is installed
    plugins, modules = registry().plugins, [name for name in os.environ.get(MODULES_VARIABLE, "").split(",") if name]
    for module in modules:
        with contextlib.suppress(BaseException):
            importlib.import_module(module)
    # every cell states what it was scored with, and reading that source takes longer than all else of a small cell
    harness_sha256(SCORING)
    for plugin in plugins:
        if any(f"{module}.".startswith(f"{plugin.module}.") for module in modules):
            source_sha256(plugin.module)


# Taking all of this down in order would keep the fork server, and with it the run's output, open for a second.
atexit.register(os._exit, 0)
# What cannot be imported, be it torch, fails the cells that need it, where the error is recorded.
with contextlib.suppress(BaseException):
    _load()
