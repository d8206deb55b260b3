"""Run jobs on this machine: one process each, as many at once as there are cores.

Workers are forked from a server that has torch loaded already (spawned where there is no fork server), use
one thread each, and die alone: a job whose process disappears is tried once more and then failed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any, Literal

from benchmark.executors.worker import work
from benchmark.jobs import STOP, Message, Progress

ATTEMPTS = 2
GRACE_SECONDS = 20.0
"""How long a worker may take to write its checkpoint after it was asked to stop."""


@dataclass(frozen=True)
class Event:
    """Something happened to a job."""

    kind: Literal["started", "progress", "retry", "finished"]
    title: str
    state: str = ""
    reason: str = ""
    progress: Progress | None = None


@dataclass
class Task:
    """A job waiting or running."""

    title: str
    job: Any
    attempt: int = 0
    process: Any = None
    pipe: Connection | None = None
    started: float = 0.0
    ending: Any = None
    """The worker's last message."""


@dataclass
class LocalExecutor:
    """Runs jobs in worker processes.

    ``slots``: how many at once. ``timeout``: seconds a job may take, ``None`` for no limit. ``preload``:
    modules that the fork server imports so that workers need not.
    """

    slots: int
    timeout: float | None = None
    preload: Sequence[str] = ()
    _context: BaseContext | None = field(default=None, repr=False)

    def run(self, tasks: Sequence[Task], notify: Callable[[Event], None]) -> dict[str, tuple[str, str]]:
        """Run all tasks in order of the list; returns state and reason by title.

        Raises:
            KeyboardInterrupt: after every worker has written its checkpoint and ended.
        """
        waiting, running = deque(tasks), list[Task]()
        outcome: dict[str, tuple[str, str]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.slots:
                    task = waiting.popleft()
                    self._start(task)
                    running.append(task)
                    notify(Event("started", task.title))
                for task in list(self._ended(running, notify)):
                    running.remove(task)
                    state, reason = self._judge(task)
                    if state == "died" and task.attempt < ATTEMPTS:
                        notify(Event("retry", task.title, state, reason))
                        waiting.appendleft(task)
                        continue
                    state = "failed" if state == "died" else state
                    outcome[task.title] = (state, reason)
                    notify(Event("finished", task.title, state, reason))
        except BaseException:
            self._stop(running)
            raise
        return outcome

    def _start(self, task: Task) -> None:
        context = self._get_context()
        ours, theirs = context.Pipe(duplex=True)
        task.attempt += 1
        task.ending = None
        # not a daemon, which may have no children: a model may want data-loading processes of its own
        task.process = context.Process(target=work, args=(task.job, theirs))  # type: ignore[attr-defined]
        with _interrupts_held():
            task.process.start()
        theirs.close()
        task.pipe, task.started = ours, time.monotonic()

    def _get_context(self) -> BaseContext:
        if self._context is None:
            for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
                os.environ[variable] = "1"
            methods = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
            if "forkserver" in methods:
                os.environ["BENCHMARK_PRELOAD"] = ",".join(self.preload)
                context.set_forkserver_preload(["benchmark.executors.preload"])
            self._context = context
        return self._context

    def _ended(self, running: list[Task], notify: Callable[[Event], None]) -> Iterator[Task]:
        """Wait for news; pass on progress; yield the tasks whose process is gone or was ended."""
        now = time.monotonic()
        limits = [task.started + self.timeout - now for task in running] if self.timeout else []
        pipes = [task.pipe for task in running if task.pipe is not None]
        sentinels = [task.process.sentinel for task in running]
        wait([*pipes, *sentinels], timeout=max(0.0, min([1.0, *limits])))
        for task in running:
            self._drain(task, notify)
            if task.process.exitcode is not None:
                self._drain(task, notify)
                self._close(task)
                yield task
            elif self.timeout and time.monotonic() - task.started > self.timeout:
                task.process.kill()
                task.process.join()
                task.ending = Message("timeout", f"took longer than {self.timeout:g} s")
                self._close(task)
                yield task

    def _drain(self, task: Task, notify: Callable[[Event], None]) -> None:
        try:
            while task.pipe is not None and task.pipe.poll():
                message = task.pipe.recv()
                if message.kind == "progress":
                    notify(Event("progress", task.title, progress=message.progress))
                else:
                    task.ending = message
        except (EOFError, OSError):
            self._close(task)

    def _close(self, task: Task) -> None:
        if task.pipe is not None:
            task.pipe.close()
            task.pipe = None

    def _judge(self, task: Task) -> tuple[str, str]:
        if task.ending is not None:
            return task.ending.kind, task.ending.reason
        code = task.process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        return "died", f"its process {how}, {task.attempt} of {ATTEMPTS} attempts (out of memory?)"

    def _stop(self, running: Sequence[Task]) -> None:
        """Ask all workers to stop, wait, and end those that do not."""
        with _interrupts_held():
            for task in running:
                with contextlib.suppress(OSError):
                    if task.pipe is not None:
                        task.pipe.send(STOP)
            deadline = time.monotonic() + GRACE_SECONDS
            for task in running:
                while task.process.exitcode is None and time.monotonic() < deadline:
                    self._drain(task, lambda _: None)
                    task.process.join(0.05)
                if task.process.exitcode is None:
                    task.process.kill()
                    task.process.join()
                self._close(task)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the block is over, so that no process is left half started or half stopped."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: there Ctrl-C does not arrive anyway
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
