"""What runs inside a worker: one job, reported over a pipe or to whoever asked.

The supervisor imports this module too, to name what a worker shall run; so torch is imported inside.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

from benchmark import atomic
from benchmark.cell.job import STOP, CellJob, Message
from benchmark.errors import Interrupted, Unavailable, explain
from benchmark.plan.expand import BuildJob
from benchmark.registry.plugins import registry
from benchmark.store.record import State, Timings


def work(job: CellJob | BuildJob, pipe: Connection) -> None:
    """Entry point of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's business
    faulthandler.enable()
    one_thread()
    _own_output(job)
    stop = threading.Event()
    threading.Thread(target=_listen, args=(pipe, stop), daemon=True).start()
    send = _Sender(pipe)
    send(run_job(job, send, stop.is_set))
    pipe.close()


def run_job(job: CellJob | BuildJob, send: Callable[[Message], None], should_stop: Callable[[], bool]) -> Message:
    """Do a job in this process, whatever executor it is of, and say how it ended; nothing but that is raised.

    A cell's record is written here, whether it is done, failed or skipped. Progress goes to ``send``;
    ``should_stop`` is asked at every training step, and ends a cell as ``interrupted`` with its checkpoint written.
    """
    return _build(job, should_stop) if isinstance(job, BuildJob) else _run(job, send, should_stop)


def _own_output(job: CellJob | BuildJob) -> None:
    """What plugins print goes to the cell's ``output.txt``, not into the supervisor's display."""
    path = os.devnull
    if isinstance(job, CellJob):
        with contextlib.suppress(OSError):
            job.folder.path.mkdir(parents=True, exist_ok=True)
            path = str(job.folder.file("output.txt"))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def one_thread() -> None:
    """One thread per process: cells run side by side instead, which is faster and makes sums reproducible."""
    import torch

    torch.set_num_threads(1)


def _listen(pipe: Connection, stop: threading.Event) -> None:
    """Wait for the stop command. When the supervisor dies the pipe closes, and so does this process, at once:
    the next run must find nobody else working on its cells."""
    try:
        while True:
            if pipe.recv() == STOP:
                stop.set()
    except (EOFError, OSError):
        os._exit(1)


class _Sender:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def __call__(self, message: Message) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            os._exit(1)


def _run(job: CellJob, send: Callable[[Message], None], should_stop: Callable[[], bool]) -> Message:
    from benchmark.cell.run import run_cell

    folder = job.folder
    began = time.perf_counter()
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.file("error.txt").unlink(missing_ok=True)
        if not job.score_only:
            folder.write(replace(job.record("running"), pid=os.getpid()))
        run_cell(job, registry(), lambda progress: send(Message("progress", progress=progress)), should_stop)
        return Message("done")
    except Interrupted as interruption:
        return Message("interrupted", str(interruption))
    except Unavailable as reason:
        return _commit(job, "skipped", str(reason))
    except (Exception, SystemExit) as error:
        return _commit(job, "failed", explain(error), trace=traceback.format_exc(), seconds=time.perf_counter() - began)


def _commit(job: CellJob, state: State, reason: str, *, trace: str = "", seconds: float = 0.0) -> Message:
    """Record a cell that did not finish; if even that cannot be written, the supervisor is told why."""
    record = job.record(state, reason)
    if seconds:
        record = replace(record, timings=Timings(failed_after_s=round(seconds, 3)))
    try:
        if trace:
            atomic.write_text(job.folder.file("error.txt"), trace)
        job.folder.write(record)
    except OSError as error:
        return Message(state, f"{reason}; and the record could not be written: {explain(error)}")
    return Message(state, reason)


def _build(job: BuildJob, should_stop: Callable[[], bool]) -> Message:
    from benchmark.plan.embedded_data import build

    try:
        build(job, registry())
    except (Exception, SystemExit) as error:
        return Message("interrupted" if should_stop() else "failed", explain(error))
    return Message("done")
