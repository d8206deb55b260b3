"""Who works on a cell: host, process and job, and what can be known of whether they still do."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.json_fields import Fields
from benchmark.settings.statement import LOST_SECONDS

BEATS = 6
"""Signs of life within that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease, as its file says.

    ``machine`` is the kernel that runs now and its process namespace, ``born`` when the process started by that
    kernel's clock: together with ``pid`` they mean one process and no other. Both are empty where the system does not
    tell; then only silence shows that a holder is gone. ``job`` names the job of a batch system for people, ``attempt``
    counts how often the cell was begun since the user asked for it. ``since`` is for people; no clocks are compared.
    """

    host: str
    machine: str
    pid: int
    born: str
    job: str = ""
    attempt: int = 1
    lost_seconds: float = LOST_SECONDS
    since: str = ""
    token: int = 0
    """Of the lease that this was written for; another's means that its new holder has not signed yet."""
    free: bool = False
    """Whether it was given up: anybody may take it over at once."""

    def __str__(self) -> str:
        """Host, process and job, as messages have it."""
        return f"{self.host}, process {self.pid}{f', {self.job}' if self.job else ''}"

    @property
    def surely_gone(self) -> bool:
        """Whether it was a process of this machine that is no more; of another machine's nothing is known."""
        return bool(self.machine and self.born) and self.machine == this_machine() and born(self.pid) != self.born

    def signing(self, token: int) -> Holder:
        """The same for a lease of this token, from now on."""
        return replace(self, token=token, since=datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Holder:
        """From what :meth:`to_json` gave.

        Raises:
            RecordError: something is missing or of the wrong kind.
        """
        fields = Fields(data, "holder")
        lost = fields.number("lost_seconds")
        return cls(
            host=fields.text("host"),
            machine=fields.text("machine"),
            pid=fields.count("pid"),
            born=fields.text("born"),
            job=fields.text("job"),
            attempt=fields.count("attempt"),
            lost_seconds=LOST_SECONDS if lost is None else lost,
            since=fields.text("since"),
            token=fields.count("token"),
            free=fields.flag("free"),
        )


def this_process(job: str = "", attempt: int = 1, lost_seconds: float = LOST_SECONDS) -> Holder:
    """This process as a holder."""
    pid = os.getpid()
    return Holder(
        host=socket.gethostname(),
        machine=this_machine(),
        pid=pid,
        born=born(pid),
        job=job,
        attempt=attempt,
        lost_seconds=lost_seconds,
    )


@cache
def this_machine() -> str:
    """The running kernel and this process's view of process numbers; empty where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def born(pid: int) -> str:
    """When a process of this machine started, in the kernel's ticks; empty for one that is no more, or has ended and
    is only waiting to be noticed."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    return "" if state in "ZX" else fields[18]


def ago(since: str) -> str:
    """How long ago a moment was that :meth:`Holder.signing` noted, in words; clocks may differ, so for people only."""
    try:
        seconds = time.time() - datetime.fromisoformat(since).timestamp()
    except ValueError:
        return "at an unknown time"
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
