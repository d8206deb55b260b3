"""What a job of ``batch`` runs: ``python -m benchmark_executors.remote FOLDER``."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmark.cell.job import CellJob, Message, job_from_json
from benchmark.executors.worker import one_thread, run_job
from benchmark_executors import exchange

PROGRESS_SECONDS = 1.0
"""How often a job says where it stands, at most."""


def main(folder: Path) -> int:
    """Do the job whose ``job.json`` lies in a folder; exit code 0 if it was done."""
    job = exchange.read(folder / "job.json")
    if job is None:
        print(f"{folder}: no readable job.json there", file=sys.stderr)
        return 2
    stop = threading.Event()
    # what batch systems send some time before they kill
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    watch = threading.Thread(target=_watch, args=(folder, stop, job["poll_seconds"], job["lost_seconds"]), daemon=True)
    if (folder / "stop").exists():
        ended = Message("interrupted", "stopped before it began")
    else:
        exchange.touch(folder / "beat")
        watch.start()
        wanted = job_from_json(job["job"])
        if isinstance(wanted, CellJob):
            one_thread()
        ended = run_job(wanted, _reporter(folder), stop.is_set)
    exchange.write(folder / "ended", {"state": ended.kind, "reason": ended.reason})
    return 0 if ended.kind == "done" else 1


def _watch(folder: Path, stop: threading.Event, poll_seconds: float, lost_seconds: float) -> None:
    """Give signs of life; stop when told to, or when the run that wants the job is gone."""
    run = exchange.Pulse(folder.parent / "alive")
    while True:
        with contextlib.suppress(OSError):
            exchange.touch(folder / "beat")
        if (folder / "stop").exists() or run.silent_seconds() > lost_seconds:
            stop.set()
        time.sleep(poll_seconds)


def _reporter(folder: Path) -> Callable[[Message], None]:
    said = 0.0

    def send(message: Message) -> None:
        nonlocal said
        if message.progress is None or time.monotonic() - said < PROGRESS_SECONDS:
            return
        said = time.monotonic()
        with contextlib.suppress(OSError, ValueError):  # a loss that is NaN will be in the record soon enough
            exchange.write(folder / "progress", {**asdict(message.progress), "losses": dict(message.progress.losses)})

    return send


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
