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
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

from benchmark.cell.job import CellJob
from benchmark.executors import Assignment, Event, Surroundings, choose
from benchmark.registry.plugins import registry
from benchmark.store.lease import Leases, Standing, Watch
from benchmark.store.stops import Stop
from benchmark_executors import exchange
from benchmark_executors.bundle import Bundle, end, unfinished
from benchmark_executors.staging import staged

PROGRESS_SECONDS = 1.0
"""How often a job says where it stands, at most."""
FINISHED = "finished"
STOPPED, ORPHANED, REPLACED, WALLTIME, TERMINATED = "stopped", "orphaned", "replaced", "walltime", "terminated"
"""Why a job ends: all is done; the run said so; the run is gone; a later process has the job; the batch system warned
that time is nearly up; it sent SIGTERM, as it does when somebody cancels, preempts or requeues a job."""
WHY: Mapping[str, Stop] = {
    STOPPED: "user",
    ORPHANED: "lost sight of",
    REPLACED: "lost sight of",
    WALLTIME: "walltime",
    TERMINATED: "preempted",
}
"""The same in the words of records."""


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
        if todo := unfinished(folder, bundle.assignments):
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


def _run(todo: dict[int, Assignment], bundle: Bundle, folder: Path) -> None:
    """Run cells as ``local`` does, and write down what becomes of each.

    A cell whose lease another process holds is waited for, as long as that gives no sign of life: a job that was
    started again has to outwait the lease of its first node. One that lives has the cell, and keeps it.
    """
    leases, first = Watch(), dict[int, object]()
    surroundings = Surroundings(1, bundle.timeout, bundle.preload, folder, print, attempts=bundle.attempts)
    local = choose(registry(), "local").build(surroundings)
    while todo:
        ready = {}
        for number, assignment in list(todo.items()):
            standing = _holder(assignment)
            if standing is None or standing.by is None or standing.by.surely_gone:
                ready[number] = assignment
            elif isinstance(job := assignment.job, CellJob) and leases.gone(standing, job.lost_seconds):
                ready[number] = replace(assignment, job=replace(job, over=standing.token))
            elif standing.sign != first.setdefault(number, standing.sign):
                end(folder, number, Event("finished", assignment.title, "elsewhere", str(standing)))
                del todo[number]
        if ready:
            local.run(list(staged(ready, bundle.stage).values()), _teller(ready, todo, folder))
        if todo:
            time.sleep(bundle.poll_seconds)


def _holder(assignment: Assignment) -> Standing | None:
    job = assignment.job
    return Leases(job.folder.run).of(job.spec.id) if isinstance(job, CellJob) else None


def _teller(ready: Mapping[int, Assignment], todo: dict[int, Assignment], folder: Path) -> Callable[[Event], None]:
    """Writes down what happens to cells, and takes those that have ended from what is to be done."""
    numbers = {assignment.title: number for number, assignment in ready.items()}
    said: dict[int, float] = {}

    def notify(event: Event) -> None:
        number = numbers[event.title]
        if event.kind == "finished" and event.state != "elsewhere":
            end(folder, number, event)
            del todo[number]
        elif event.progress is not None and time.monotonic() - said.get(number, 0.0) > PROGRESS_SECONDS:
            said[number] = time.monotonic()
            # a loss that is NaN will be in the record soon enough
            with contextlib.suppress(OSError, ValueError):
                progress = {**asdict(event.progress), "losses": dict(event.progress.losses)}
                exchange.write(folder / f"progress.{number}", progress)

    return notify


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
            raise KeyboardInterrupt(WHY[self.cause])

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
        # not by sys.stdin, whose lock would be held when this process ends by itself
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    if "--with-parent" in sys.argv[2:]:
        end_with_parent()
    sys.exit(work(Path(sys.argv[1])))
