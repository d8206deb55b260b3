"""One cell after the other in the process of ``benchmark run`` itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from benchmark.cell.job import Message
from benchmark.executors import Assignment, Event, Surroundings
from benchmark.executors.worker import one_thread, run_job


class SerialExecutor:
    """Runs everything here, so that ``breakpoint()`` in a model stops on the terminal and a profiler sees all of it.

    A time limit is looked at between training steps. The first Ctrl-C writes a checkpoint and ends, a second one
    ends at once. A model that kills its process ends the run.
    """

    def __init__(self, _: None, surroundings: Surroundings) -> None:
        self._timeout = surroundings.timeout
        self._interrupted = False

    def run(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> Mapping[str, tuple[str, str]]:
        """See :class:`benchmark.executors.Executor`."""
        one_thread()  # as in the workers of ``local``: sums come out the same
        outcome: dict[str, tuple[str, str]] = {}
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            for assignment in assignments:
                notify(Event("started", assignment.title))
                outcome[assignment.title] = self._run(assignment, notify)
                if self._interrupted:
                    raise KeyboardInterrupt
                notify(Event("finished", assignment.title, *outcome[assignment.title]))
        finally:
            signal.signal(signal.SIGINT, before)
        return outcome

    def _run(self, assignment: Assignment, notify: Callable[[Event], None]) -> tuple[str, str]:
        deadline = time.monotonic() + self._timeout if self._timeout else float("inf")

        def send(message: Message) -> None:
            notify(Event("progress", assignment.title, progress=message.progress))

        ended = run_job(assignment.job, send, lambda: self._interrupted or time.monotonic() > deadline)
        if ended.kind == "interrupted" and not self._interrupted:
            return "timeout", f"took longer than {self._timeout:g} s"
        return ended.kind, ended.reason

    def _interrupt(self, _: int, __: FrameType | None) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
