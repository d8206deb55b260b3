"""Batches read by a thread of their own while the steps before them run.

A thread is enough, and no worker processes: reading leaves Python's lock alone, and nothing is random here,
so that what a step sees does not depend on when it was read.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
AHEAD = 2
"""Steps that are read before they are asked for: one is being trained on, one may take longer than it."""


class ReadAhead(Generic[T]):
    """What ``read`` gives for a step, asked for in any order, quickest one after another."""

    def __init__(self, read: Callable[[int], T]) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(1, "read-ahead")
        self._coming: dict[int, Future[T]] = {}

    def __call__(self, step: int) -> T:
        """The step's batch; raises what reading it raised."""
        self._coming = {number: future for number, future in self._coming.items() if number >= step}
        for number in range(step, step + 1 + AHEAD):
            if number not in self._coming:
                self._coming[number] = self._pool.submit(self._read, number)
        return self._coming.pop(step).result()

    def close(self) -> None:
        """Wait for what is being read, and end the thread."""
        self._pool.shutdown(cancel_futures=True)
