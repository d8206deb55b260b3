"""One thread while numbers are made: how a sum is split over threads is in its last digits.

A dot product over four threads adds four partial sums; the same over one adds one. So that a score does not depend on
the machine's cores, on an executor or on who asks (``run``, ``evaluate``, ``verify``), everything is scored on one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What libraries read that are loaded later."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block BLAS, OpenMP and torch use one thread; afterwards as many as before."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else None
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    try:
        with threadpool_limits(limits=1):
            if torch is not None:
                torch.set_num_threads(1)
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if torch is not None:
            torch.set_num_threads(threads)


def stay_on_one_thread() -> None:
    """The same for the rest of this process, torch included."""
    import torch

    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    threadpool_limits(limits=1)
    torch.set_num_threads(1)
