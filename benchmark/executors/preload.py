"""Imported once in the fork server, so that each worker starts with everything already loaded.

Nothing here may start a thread pool or touch CUDA: workers are forked from this process.
``torch._dynamo`` is here because the first optimiser of a process imports it, which costs as much as torch.
"""

# ruff: noqa: F401
from __future__ import annotations

import contextlib
import importlib
import os

import h5py
import numpy
import pyarrow.parquet
import torch
import torch._dynamo

import benchmark.cell
import benchmark.executors.worker
from benchmark.plugins import registry

MODULES_VARIABLE = "BENCHMARK_PRELOAD"

registry()
for _module in filter(None, os.environ.get(MODULES_VARIABLE, "").split(",")):
    # A module that cannot be imported fails its own cells, where the error is recorded.
    with contextlib.suppress(BaseException):
        importlib.import_module(_module)
