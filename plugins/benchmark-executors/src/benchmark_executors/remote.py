"""What a job runs, whoever started it: ``python -m benchmark_executors.remote FOLDER``.

Inside, cells are run as ``local`` runs them: a process each, forked from a server that has torch loaded, so that
a cell that crashes takes nothing else with it and a job of several cells imports everything once.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from benchmark.cell.job import CellJob
from benchmark.executors import Assignment, Event, Surroundings, choose
from benchmark.registry.plugins import registry
from benchmark.store.record import State
from benchmark_executors import exchange
from benchmark_executors.bundle import Bundle, unfinished

PROGRESS_SECONDS = 1.0
"""How often a job says where it stands, at most."""
FINISHED = "finished"
STOPPED, ORPHANED, REPLACED, WALLTIME, TERMINATED = "stopped", "orphaned", "replaced", "walltime", "terminated"
"""Why a job ends early: the run said so; the run is gone; a later process has the job; the batch system warned that
time is nearly up; it sent SIGTERM, as it does when somebody cancels, preempts or requeues a job."""


def work(folder: Path, *, warning: int | None = None, again: Callable[[], bool] | None = None) -> int:
    """Do what is left of the bundle in a job's folder; 0 if all of it was done.

    ``warning``: a signal that the batch system sends before time is up. ``again``: asks it to start this job once
    more, and says whether it will.
    """
    bundle = Bundle.read(folder)
    if bundle is None:
        print(f"{folder}: no readable bundle.json there", file=sys.stderr)
        return 2
    if (folder / "ended").exists():
        return 1
    if (folder / "stop").exists():
        exchange.end(folder, STOPPED)
        return 1
    claim = exchange.Claim(folder)
    with _Watch(folder, bundle, claim, warning) as watch:
        while not claim.alone(bundle.lost_seconds):
            time.sleep(bundle.poll_seconds)
        if todo := _still_to_do(folder, bundle):
            _run(todo, bundle, folder)
    if not unfinished(folder, bundle.assignments):
        exchange.end(folder, FINISHED)
        return 0
    cause = watch.cause
    if cause in (STOPPED, ORPHANED):
        exchange.end(folder, cause)
    claim.leave(cause)
    if cause == WALLTIME and (again is None or not again()):
        exchange.end(folder, cause)
    return 1


def _still_to_do(folder: Path, bundle: Bundle) -> dict[int, Assignment]:
    """Cells without an end. One whose record is there and whole was done by a process that died before it said so."""
    todo = unfinished(folder, bundle.assignments)
    for number, assignment in list(todo.items()):
        job = assignment.job
        if isinstance(job, CellJob) and not job.score_only:
            record = job.folder.read()
            if record and record.done and not job.folder.damage(record):
                exchange.write(folder / f"ended.{number}", {"state": "done", "reason": ""})
                del todo[number]
    return todo


def _run(todo: Mapping[int, Assignment], bundle: Bundle, folder: Path) -> None:
    """Run cells as ``local`` does, and write down what becomes of each."""
    numbers = {assignment.title: number for number, assignment in todo.items()}
    said: dict[int, float] = {}

    def notify(event: Event) -> None:
        number = numbers[event.title]
        if event.kind == "finished":
            _settle(todo[number], event)
            exchange.write(folder / f"ended.{number}", {"state": event.state, "reason": event.reason})
        elif event.progress is not None and time.monotonic() - said.get(number, 0.0) > PROGRESS_SECONDS:
            said[number] = time.monotonic()
            # a loss that is NaN will be in the record soon enough
            with contextlib.suppress(OSError, ValueError):
                progress = {**asdict(event.progress), "losses": dict(event.progress.losses)}
                exchange.write(folder / f"progress.{number}", progress)

    surroundings = Surroundings(1, bundle.timeout, bundle.preload, folder, print)
    choose(registry(), "local").build(surroundings).run(list(todo.values()), notify)


def _settle(assignment: Assignment, event: Event) -> None:
    """A cell whose process was killed or took too long has no record but this, should no run be there to write one."""
    job = assignment.job
    states: tuple[State, ...] = ("failed", "timeout")
    state = next((one for one in states if one == event.state), None)
    if isinstance(job, CellJob) and state and ((record := job.folder.read()) is None or record.state == "running"):
        with contextlib.suppress(OSError):
            job.folder.write(job.record(state, event.reason))


class _Watch:
    """Gives signs of life, and interrupts the main thread, once, when the job has to end; ``cause`` says why.

    Signals reach this process alone: the processes of its cells inherit a mask that keeps them out, since batch systems
    signal all that they started, and a cell has to be asked to write its checkpoint, not killed.
    """

    def __init__(self, folder: Path, bundle: Bundle, claim: exchange.Claim, warning: int | None) -> None:
        self._folder, self._bundle, self._claim = folder, bundle, claim
        self._signals = {int(signal.SIGTERM): TERMINATED, **({warning: WALLTIME} if warning else {})}
        self._run = None if bundle.independent else exchange.Pulse(folder.parent / "alive")
        self._over, self._news, self._delivered = threading.Event(), threading.Event(), False
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.cause = ""

    def __enter__(self) -> _Watch:
        self._claim.beat()
        self._thread.start()  # first: a signal has to find one thread that it is not kept from
        self._before = {number: signal.signal(number, self._note) for number in self._signals}
        self._before[int(signal.SIGINT)] = signal.signal(signal.SIGINT, self._interrupt)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._delivered = True
        self._over.set()
        self._thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._before.items():
            # what is sent from here on is not worth dying for: all that is left is to write down how it went
            signal.signal(number, signal.SIG_IGN if number in self._signals else handler)
        return kind is KeyboardInterrupt

    def _note(self, number: int, _: FrameType | None) -> None:
        self.cause = self.cause or self._signals[number]
        self._news.set()

    def _interrupt(self, _: int, __: FrameType | None) -> None:
        if self.cause and not self._delivered:
            self._delivered = True
            raise KeyboardInterrupt

    def _watch(self) -> None:
        while not self._over.is_set():
            self._claim.beat()
            self.cause = self.cause or self._reason()
            if self.cause:
                # again and again: while a process is being started, interrupts are ignored
                _thread.interrupt_main()
            self._news.wait(min(self._bundle.poll_seconds, 0.2 if self.cause else self._bundle.poll_seconds))
            self._news.clear()

    def _reason(self) -> str:
        if self._claim.lost:
            return REPLACED
        if (self._folder / "stop").exists() or (self._folder / "ended").exists():
            return STOPPED
        if self._run is not None and self._run.silent_seconds() > self._bundle.lost_seconds:
            return ORPHANED
        return ""


def end_with_parent() -> None:
    """End at once when whoever started this process is gone: its end of our standard input closes."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    if "--with-parent" in sys.argv[2:]:
        end_with_parent()
    sys.exit(work(Path(sys.argv[1])))
