"""The files through which ``benchmark run`` and a job on another machine talk, a folder for each job.

::

    jobs/<session>/alive              touched by the run as long as it lives
    jobs/<session>/<job>/bundle.json  what to do: one cell, or several short ones
                         job.sh       what the batch system was given
                         job.id       what it answered
                         job.out      what the job printed
                         claim.<n>    the n-th process that began it; touched by that process as long as it lives
                         left.<n>     why that process went before everything was done
                         beat         touched by whichever process has the job now
                         stop         written by the run: write a checkpoint and end
                         ended        the job is over, and nothing of it may begin any more
                         progress.<i> where the training of its i-th cell stands
                         ended.<i>    how that cell ended

Whole files or none, and JSON only. Clocks of two machines are never compared: a file lives as long as it changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import atomic


def write(path: Path, data: Mapping[str, Any]) -> None:
    """Write a file whole."""
    atomic.write_json(path, data)


def read(path: Path) -> dict[str, Any] | None:
    """What a file says; ``None`` where there is none yet."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def end(folder: Path, cause: str) -> None:
    """A job is over. The first word stands: what a job says of itself, or that the run gave it up."""
    if not (folder / "ended").exists():
        write(folder / "ended", {"cause": cause})


class Pulse:
    """Whether a file that somebody else touches still changes, by our own clock alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: int | None = None
        self._since = time.monotonic()

    def silent_seconds(self) -> float:
        """Since when nothing has changed; 0 just after a change."""
        try:
            now: int | None = os.stat(self._path).st_mtime_ns
        except OSError:
            now = None
        if now != self._seen:
            self._seen, self._since = now, time.monotonic()
        return time.monotonic() - self._since

    @property
    def ever(self) -> bool:
        """Whether the file was there when last looked at."""
        return self._seen is not None


def touch(path: Path) -> None:
    """Let a file change, if the disk allows. Its content does too: some network file systems round times to seconds."""
    with contextlib.suppress(OSError):
        path.write_text(f"{time.time_ns()}\n")


class Heart:
    """Touches a file from a thread of its own, however long the block is busy with something else."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds, self._over = path, seconds, threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heart:
        touch(self._path)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._over.wait(self._seconds):
            touch(self._path)


class Claim:
    """One process's hold on a job: the highest number has it, and every lower one has to leave.

    A batch system may start a job twice: requeued while its first node cannot be reached, or submitted again because
    the answer to the first submission was lost. The later process takes the job over; it begins once each earlier one
    has said that it left, is known to be dead, or has shown no life for as long as a dead one is given.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.number = folder, 1
        self._about = json.dumps({"host": _machine(), "pid": os.getpid()})
        while True:
            self._path = folder / f"claim.{self.number}"
            try:
                with self._path.open("x") as handle:
                    handle.write(f"{self._about}\n")
                break
            except FileExistsError:
                self.number += 1
        self._earlier = {number: Pulse(folder / f"claim.{number}") for number in range(1, self.number)}

    def beat(self) -> None:
        """Give a sign of life, to the run and to whoever comes later."""
        with contextlib.suppress(OSError):
            self._path.write_text(f"{self._about}\n{time.time_ns()}\n")
        touch(self._folder / "beat")

    def alone(self, lost_seconds: float) -> bool:
        """Whether every earlier process has left or died."""
        for number, pulse in list(self._earlier.items()):
            left = (self._folder / f"left.{number}").exists()
            if left or _dead(self._folder / f"claim.{number}") or pulse.silent_seconds() > lost_seconds:
                del self._earlier[number]
        return not self._earlier

    @property
    def lost(self) -> bool:
        """Whether a later process has taken over."""
        return (self._folder / f"claim.{self.number + 1}").exists()

    def leave(self, cause: str) -> None:
        """This process will do nothing more."""
        write(self._folder / f"left.{self.number}", {"cause": cause})


def last_departure(folder: Path) -> str:
    """Why the last process that began a job went before all was done; empty while it is at work, or never began."""
    claims = sorted(int(path.suffix[1:]) for path in folder.glob("claim.*"))
    left = read(folder / f"left.{claims[-1]}") if claims else None
    return str(left["cause"]) if left else ""


def _machine() -> str:
    """This host, and where processes have numbers of their own, which of them; empty if that cannot be told."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _dead(claim: Path) -> bool:
    """Whether a claim is of a process of this machine that is no more; of others nothing is known."""
    try:
        about = json.loads(claim.read_text().partition("\n")[0])
        if not about["host"] or about["host"] != _machine():
            return False
        os.kill(int(about["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return False
