"""The files through which ``benchmark run`` and a job on another machine talk, a folder for each job.

::

    jobs/<session>/alive              touched by the run as long as it lives
    jobs/<session>/<job>/job.json     what to do
                         job.sh       what the batch system was given
                         job.id       what it answered
                         job.out      what the job printed
                         beat         touched by the job as long as it lives
                         progress     where its training stands
                         stop         written by the run: write a checkpoint and end
                         ended        how it ended, by itself
                         exit         the exit code, by the script around it

Whole files or none, and JSON only. Clocks of two machines are never compared: a file lives as long as it changes.
"""

from __future__ import annotations

import json
import os
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
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


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
    """Let a file change. Its content does too: some network file systems round times to seconds."""
    path.write_text(f"{time.time_ns()}\n")
