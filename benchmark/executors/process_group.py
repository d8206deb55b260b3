"""A worker and all its children as one process group, which ends as a whole.

A model may start processes of its own; they must not outlive their cell, keep files open or go on computing. A child
that leaves the group on purpose (a daemon) is not followed.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

GIB = 2**30


def lead() -> None:
    """Make this process the head of a group of its own; children that it starts belong to it."""
    if hasattr(os, "setpgid"):
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)


def end_own() -> None:
    """End this process and its group, at once."""
    if hasattr(os, "getpgrp") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def end(process: Any) -> None:
    """End a worker, if it still runs, and what is left of its group."""
    if process.pid is None:
        return
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.exitcode is None:
        process.kill()
        process.join()


def memory(pid: int) -> float | None:
    """GiB that a process and its descendants hold (resident; shared pages count for each); ``None`` if not known."""
    pages, left = 0, [pid]
    try:
        pages = _resident(pid)
    except (OSError, ValueError):
        return None
    while left:
        parent = left.pop()
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except (OSError, ValueError):
            continue
        for child in children:
            with contextlib.suppress(OSError, ValueError):
                pages += _resident(child)
                left.append(child)
    return pages * os.sysconf("SC_PAGE_SIZE") / GIB


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
