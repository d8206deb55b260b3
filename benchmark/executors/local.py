"""Run jobs on this machine: one process each, as many at once as there are GPUs, or cores.

Workers are forked from a server that has torch loaded already (spawned where there is no fork server), use
one thread each, and die alone: a job whose process disappears is tried once more and then failed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from types import ModuleType
from typing import Any

from benchmark.cell.job import STOP, CellJob, Message
from benchmark.executors import Assignment, Event, Surroundings, process_group
from benchmark.executors.lanes import Lane, Lanes, devices, gone
from benchmark.executors.lanes import listing as list_devices
from benchmark.executors.worker import work
from benchmark.store.stops import POLICIES, STOPS, next_attempt

ELSEWHERE = ("elsewhere", "another run has it")
NO_DEVICE = ("failed", "no CUDA device is left; the same command goes on where there is one")
HELD = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 20.0
"""How long a worker may take to write its checkpoint after it was asked to stop."""


@dataclass
class _Attempt:
    """An assignment waiting or running."""

    assignment: Assignment
    number: int = 1
    """Of attempts that did not get further."""
    lane: Lane | None = None
    alone: bool = False
    """Whether it must not share its lane: memory ran out when it did."""
    shared: bool = False
    """Whether it has shared it at any time."""
    process: Any = None
    pipe: Connection | None = None
    started: float = 0.0
    ending: Message | None = None
    """The worker's last message."""


@dataclass
class LocalExecutor:
    """Runs jobs in worker processes.

    ``slots``: how many at once at most, 0 for as many as there is room for. With ``devices``, as
    ``CUDA_VISIBLE_DEVICES`` calls them, each takes ``jobs_per_device``, and a worker sees its own only; without, they
    share the cores. ``timeout``: seconds a job may take, ``None`` for no limit. ``preload``: modules that the fork
    server imports so that workers need not. ``attempts``: how often a job that stopped by itself is begun without
    getting further; one that ran out of memory beside others is begun once more, alone.
    ``memory``: GiB that a job and its children may take. A device that goes away takes no more jobs, and those that it
    broke off are begun again on the others; ``listing`` says which there are, and is asked when a job there failed.
    """

    slots: int
    timeout: float | None = None
    preload: Sequence[str] = ()
    attempts: int = 2
    devices: Sequence[str] = ()
    jobs_per_device: int = 1
    memory: float | None = None
    say: Callable[[str], None] = lambda _: None
    listing: Callable[[], str] = list_devices
    _context: BaseContext | None = field(default=None, repr=False)

    def run(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> dict[str, tuple[str, str]]:
        """Run them all in order of the list; returns state and reason by title.

        Raises:
            KeyboardInterrupt: after every worker has written its checkpoint and ended. Whoever raised it may have given
                it a word of :data:`benchmark.store.stops.STOPS`, which the cells' records say then.
        """
        waiting, running = deque(_Attempt(assignment) for assignment in assignments), list[_Attempt]()
        outcome: dict[str, tuple[str, str]] = {}
        lanes = Lanes.of(self.devices, self.jobs_per_device, self.slots, available_cores())
        listed = self.listing() if self.devices else ""
        try:
            while waiting or running:
                if not lanes.lanes:
                    while waiting:
                        title = waiting.popleft().assignment.title
                        outcome[title] = NO_DEVICE
                        notify(Event("finished", title, *NO_DEVICE, stop="device lost"))
                while waiting and (lane := lanes.enter(alone=waiting[0].alone)) is not None:
                    attempt = waiting.popleft()
                    attempt.lane = lane
                    if attempt.assignment.taken():
                        lanes.leave(lane)
                        outcome[attempt.assignment.title] = ELSEWHERE
                        notify(Event("finished", attempt.assignment.title, *ELSEWHERE))
                        continue
                    running.append(attempt)
                    self._start(attempt)
                    for other in running:
                        other.shared = other.shared or (other.lane is not None and other.lane.jobs > 1)
                    notify(Event("started", attempt.assignment.title))
                for attempt in list(self._ended(running, notify)):
                    running.remove(attempt)
                    if attempt.lane is not None:
                        lanes.leave(attempt.lane)
                    title, ended = attempt.assignment.title, self._judge(attempt)
                    if attempt.lane is not None and (lost := self._lost(attempt.lane, ended, listed)):
                        ended = replace(ended, stop="device lost")
                        if lanes.take_out(attempt.lane):
                            self.say(f"CUDA device {attempt.lane.device} is gone ({lost}); left: {lanes}")
                        if lanes.lanes:  # not the job's fault; and there are only so many devices
                            notify(Event("retry", title, ended.kind, ended.reason, stop=ended.stop))
                            waiting.appendleft(_again(attempt, attempt.number, attempt.alone))
                            continue
                    following = next_attempt(ended.stop, attempt.number, self.attempts, further=ended.further)
                    alone = ended.stop is not None and POLICIES[ended.stop].alone
                    if (alone and (attempt.alone or not attempt.shared)) or not lanes.lanes:
                        following = None  # it had all the memory that there is, or there is nothing left to run on
                    if following is not None:
                        notify(Event("retry", title, ended.kind, ended.reason, stop=ended.stop))
                        waiting.appendleft(_again(attempt, following, alone))
                        continue
                    outcome[title] = (ended.kind, ended.reason)
                    notify(Event("finished", title, ended.kind, ended.reason, None, ended.stop, attempt.number))
        except BaseException as error:
            self._stop(running, next((word for word in error.args if word in STOPS), STOP))
            raise
        return outcome

    def _start(self, attempt: _Attempt) -> None:
        context = self._get_context()
        ours, theirs = context.Pipe(duplex=True)
        device = attempt.lane.device if attempt.lane is not None else ""
        # not a daemon, which may have no children: a model may want data-loading processes of its own
        attempt.process = context.Process(target=work, args=(attempt.assignment.job, theirs, device))  # type: ignore[attr-defined]
        attempt.pipe = ours
        with _interrupts_held(), without_main():
            attempt.process.start()
            theirs.close()
            attempt.started = time.monotonic()

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

    def _ended(self, running: list[_Attempt], notify: Callable[[Event], None]) -> Iterator[_Attempt]:
        """Wait for news; pass on progress; yield the attempts whose process is gone or was ended."""
        now = time.monotonic()
        limits = [attempt.started + self.timeout - now for attempt in running] if self.timeout else []
        pipes = [attempt.pipe for attempt in running if attempt.pipe is not None]
        sentinels = [attempt.process.sentinel for attempt in running]
        wait([*pipes, *sentinels], timeout=max(0.0, min([1.0, *limits])))
        for attempt in running:
            self._drain(attempt, notify)
            if attempt.process.exitcode is not None:
                self._drain(attempt, notify)
                process_group.end(attempt.process)
                self._close(attempt)
                yield attempt
            elif ending := self._beyond(attempt):
                process_group.end(attempt.process)
                attempt.ending = ending
                self._close(attempt)
                yield attempt

    def _beyond(self, attempt: _Attempt) -> Message | None:
        """How an attempt ends that takes more time or memory than it may."""
        if self.timeout and time.monotonic() - attempt.started > self.timeout:
            return Message("timeout", f"took longer than {self.timeout:g} s")
        if self.memory and (held := process_group.memory(attempt.process.pid) or 0.0) > self.memory:
            return Message("failed", f"took {held:.3g} GiB of memory, and --memory allows {self.memory:g}")
        return None

    def _drain(self, attempt: _Attempt, notify: Callable[[Event], None]) -> None:
        try:
            while attempt.pipe is not None and attempt.pipe.poll():
                message = attempt.pipe.recv()
                if message.kind == "progress":
                    notify(Event("progress", attempt.assignment.title, progress=message.progress))
                else:
                    attempt.ending = message
        except (EOFError, OSError):
            self._close(attempt)

    def _close(self, attempt: _Attempt) -> None:
        if attempt.pipe is not None:
            attempt.pipe.close()
            attempt.pipe = None

    def _lost(self, lane: Lane, ended: Message, listed: str) -> str:
        """Why a job's device is taken to be gone: the job said so, or it failed and the device is not listed any more;
        empty if it is there, for all that is known."""
        if not lane.device or ended.kind != "failed":
            return ""
        if ended.stop == "device lost":
            return ended.reason
        return "it is not listed any more" if gone(lane.device, listed, self.listing) else ""

    def _judge(self, attempt: _Attempt) -> Message:
        """The worker's last word; for one that died without it, what is seen from outside."""
        if attempt.ending is not None:
            return attempt.ending
        code = attempt.process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        reason = f"its process {how}, {attempt.number} of {self.attempts} attempts (out of memory?)"
        return Message("failed", reason, stop="lost sight of")

    def _stop(self, running: Sequence[_Attempt], word: str) -> None:
        """Ask all workers to stop, wait, and end those that do not."""
        with _interrupts_held():
            for attempt in running:
                with contextlib.suppress(OSError):
                    if attempt.pipe is not None:
                        attempt.pipe.send(word)
            deadline = time.monotonic() + GRACE_SECONDS
            for attempt in running:
                if attempt.process is None or attempt.process.pid is None:
                    continue  # the interrupt came before it was there
                while attempt.process.exitcode is None and time.monotonic() < deadline:
                    self._drain(attempt, lambda _: None)
                    attempt.process.join(0.05)
                process_group.end(attempt.process)
                self._close(attempt)


def build(_: None, surroundings: Surroundings) -> LocalExecutor:
    """The factory of ``local``."""
    return LocalExecutor(
        surroundings.slots,
        surroundings.timeout,
        surroundings.preload,
        surroundings.attempts,
        devices(surroundings.device),
        surroundings.jobs_per_device,
        surroundings.memory,
        surroundings.say,
    )


def _again(attempt: _Attempt, number: int, alone: bool) -> _Attempt:
    """The next attempt at the same assignment."""
    assignment = attempt.assignment
    if isinstance(assignment.job, CellJob):
        assignment = replace(assignment, job=assignment.job.again(number))
    return _Attempt(assignment, number, alone=alone or attempt.alone)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Workers do not import the user's script again: they need nothing of it, and without ``if __name__ ==
    "__main__"`` it would start the run anew in each of them."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the block is over, so that no process is left half started or half stopped; then it counts.

    What is started inside has it blocked from the first: a fork server would else die of it while it imports.
    """
    held: list[int] = []
    before: dict[signal.Signals, Any] = {}
    try:
        for number in HELD:
            before[number] = signal.signal(number, lambda number, _: held.append(number))
    except ValueError:  # not the main thread: there Ctrl-C does not arrive anyway
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, HELD) if hasattr(signal, "pthread_sigmask") else None
    try:
        yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)
    for arrived in held:
        if callable(handler := before[signal.Signals(arrived)]):
            handler(arrived, None)
        elif handler != signal.SIG_IGN:
            raise KeyboardInterrupt
