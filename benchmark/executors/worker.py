"""What runs inside a worker: one job, reported over a pipe or to whoever asked.

The supervisor imports this module too, to name what a worker shall run; so torch is imported inside.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from benchmark import atomic
from benchmark.cell.job import STOP, CellJob, Message, Progress
from benchmark.errors import Interrupted, Unavailable, explain, said
from benchmark.executors import process_group
from benchmark.executors.building import build_once
from benchmark.plan.expand import BuildJob
from benchmark.registry.plugins import registry
from benchmark.store.folder import PAYLOAD, CellFolder
from benchmark.store.holder import this_process
from benchmark.store.lease import RECORD, Held, Leases
from benchmark.store.record import State, Timings
from benchmark.store.stops import POLICIES, Stop

DEVICE_LOST = re.compile(
    r"CUDA error: (no CUDA-capable device|CUDA-capable device\(s\) is/are busy|uncorrectable (ECC|NVLink) error)|"
    r"GPU is lost|fallen off the bus"
)
"""What CUDA says of a device that is there no more, or must not be used any more."""
MOST_OUTPUT = 10_000_000
"""Bytes of ``output.txt``."""
OUTPUT_SECONDS = 1.0
"""How often it is looked at."""
MOST_TRACE = 100_000
"""Characters of ``error.txt``: the end of the traceback."""


def work(job: CellJob | BuildJob, pipe: Connection, device: str = "") -> None:
    """Entry point of a worker process; of CUDA's devices it sees this one, where one is given."""
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device  # CUDA has not begun in the server that it was forked from
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's business
    if hasattr(signal, "pthread_sigmask"):  # the supervisor blocked them while this process was started
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    process_group.lead()
    faulthandler.enable()
    _own_output(Path(os.devnull))
    stop: list[Stop] = []
    threading.Thread(target=_listen, args=(pipe, stop), daemon=True).start()
    send = _Sender(pipe)
    try:
        one_thread()
        ended = run_job(
            job,
            send,
            lambda: stop[0] if stop else None,
            begun=lambda folder: _own_output(folder / "output.txt"),
        )
    except BaseException as error:  # torch that cannot be imported, or what no exception should be
        ended = Message("failed", explain(error))
    send(ended)
    pipe.close()


def run_job(
    job: CellJob | BuildJob,
    send: Callable[[Message], None],
    should_stop: Callable[[], Stop | bool | None],
    *,
    by: str = "",
    begun: Callable[[Path], None] = lambda _: None,
) -> Message:
    """Do a job in this process, whatever executor it is of, and say how it ended; nothing but that is raised.

    A cell is worked on under its lease, which is taken here (``by``: the job of a batch system, for messages), kept
    while the work lasts, and committed with the cell's record, whether it is done, failed, skipped or interrupted. One
    that somebody else holds, or takes over, ends as ``elsewhere``. ``begun`` is told the folder that is written into.

    Progress goes to ``send``. ``should_stop`` is asked at every training step; what it says, a word of
    :data:`benchmark.store.stops.STOPS` or ``True`` for the user, ends a cell as ``interrupted`` with its checkpoint
    written.
    """
    if isinstance(job, BuildJob):
        return _build(job, should_stop)
    me = this_process(by, job.attempt, job.lost_seconds)
    try:
        lease = Leases(job.folder.run).take(job.spec.id, me, job.over)
        if (ended := _ended_meanwhile(job)) is not None:
            lease.drop()
            return ended
        with lease.kept():
            lease.borrow((*PAYLOAD, RECORD)) if job.score_only else lease.go_on()
            begun(lease.path)
            mine = replace(job, folder=CellFolder(lease.path), token=lease.token)
            message = _run(mine, send, lambda: "lost sight of" if lease.lost else should_stop())
        if lease.commit():
            return message
        return Message("elsewhere", f"taken over from {me}, which gave no sign of life for too long")
    except Held as held:
        return Message("elsewhere", str(held))
    except OSError as error:
        return Message("failed", explain(error))


def _ended_meanwhile(job: CellJob) -> Message | None:
    """What somebody else has made of the cell since it was assigned; ``None`` if it is still to be done."""
    record = job.folder.read()
    if record is None or record.token <= job.seen:
        return None
    if record.done:
        return None if job.folder.damage(record) else Message("done")
    if record.state in ("failed", "timeout", "skipped"):
        return Message(record.state, record.reason, stop=record.stop)
    return None


def _own_output(path: Path) -> None:
    """What plugins print goes to the cell's ``output.txt``, not into the supervisor's display."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    if path != Path(os.devnull):
        threading.Thread(target=_limit_output, args=(path,), daemon=True).start()


def _limit_output(path: Path) -> None:
    """Whoever prints without end fills no disk: what goes beyond :data:`MOST_OUTPUT` is dropped."""
    while True:
        time.sleep(OUTPUT_SECONDS)
        try:
            if os.fstat(1).st_size <= MOST_OUTPUT:
                continue
            nowhere = os.open(os.devnull, os.O_WRONLY)
            with open(path, "r+b") as file:
                os.dup2(nowhere, 1)
                os.dup2(nowhere, 2)
                file.truncate(MOST_OUTPUT)
                file.seek(0, os.SEEK_END)
                file.write(f"\n[{MOST_OUTPUT} bytes; what was printed after them was dropped]\n".encode())
        except OSError:
            pass
        return


def one_thread() -> None:
    """One thread per process: cells run side by side instead, which is faster and makes sums reproducible."""
    from benchmark.scoring.threads import stay_on_one_thread

    stay_on_one_thread()


def _listen(pipe: Connection, stop: list[Stop]) -> None:
    """Wait for the stop command, or for a word that says why. When the supervisor dies the pipe closes, and so does
    this process, at once: the next run must find nobody else working on its cells."""
    try:
        while True:
            word = pipe.recv()
            stop.append("user" if word == STOP else word)
    except (EOFError, OSError):
        process_group.end_own()


class _Sender:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def __call__(self, message: Message) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            process_group.end_own()


def _run(job: CellJob, send: Callable[[Message], None], should_stop: Callable[[], Stop | bool | None]) -> Message:
    """Run a cell in its lease's folder and leave a record there."""
    folder, began = job.folder, time.perf_counter()
    stop: Stop = "user"
    further = False

    def report(progress: Progress) -> None:
        nonlocal further
        further = True
        send(Message("progress", progress=progress))

    def asked() -> bool:
        nonlocal stop
        wish = should_stop()
        stop = wish if isinstance(wish, str) else stop
        return bool(wish)

    try:
        from benchmark.cell.run import run_cell

        folder.file("error.txt").unlink(missing_ok=True)
        if not job.score_only:
            folder.write(replace(job.record("running"), pid=os.getpid()))
        run_cell(job, registry(), report, asked)
        return Message("done")
    except Interrupted as interruption:
        reason = f"{POLICIES[stop].says}: {said(interruption)}"
        return replace(_record(job, "planned", reason, stop=stop), kind="interrupted", further=further)
    except Unavailable as reason:
        return _record(job, "skipped", said(reason))
    except KeyboardInterrupt:  # the user's, where the worker is the run's own process
        raise
    except BaseException as error:  # plugins raise what they like
        trace, seconds = traceback.format_exc(), time.perf_counter() - began
        return _record(job, "failed", explain(error), stop=_cause(error), trace=trace, seconds=seconds)


def _cause(error: BaseException) -> Stop | None:
    """Whether memory ran out, the host's or a device's (torch's own kind of error is known by its name), or the device
    went away."""
    if (
        isinstance(error, MemoryError)
        or isinstance(error.__cause__, MemoryError)
        or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    ):
        return "out of memory"
    return "device lost" if isinstance(error, RuntimeError) and DEVICE_LOST.search(str(error)) else None


def _record(
    job: CellJob, state: State, reason: str, *, stop: Stop | None = None, trace: str = "", seconds: float = 0.0
) -> Message:
    """Record a cell that did not finish; if even that cannot be written, the supervisor is told why."""
    record = job.record(state, reason, stop)
    if seconds:
        record = replace(record, timings=Timings(failed_after_s=round(seconds, 3)))
    try:
        if trace:
            atomic.write_bytes(job.folder.file("error.txt"), trace[-MOST_TRACE:].encode("utf-8", "backslashreplace"))
        job.folder.write(record)
    except OSError as error:
        return Message(state, f"{reason}; and the record could not be written: {explain(error)}", stop=stop)
    return Message(state, reason, stop=stop)


def _build(job: BuildJob, should_stop: Callable[[], Stop | bool | None]) -> Message:
    try:
        build_once(job, should_stop)
    except (Exception, SystemExit) as error:
        return Message("interrupted" if should_stop() else "failed", explain(error))
    return Message("done")
