"""Processes that take themselves for others: of another host, or on a file system that cannot lock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from command_line import CommandLine

PRETEND = """
import errno, fcntl, os, socket

import benchmark.store.holder as holder

HOST = os.environ.get("PRETENDED_HOST")
if HOST:
    socket.gethostname = lambda: HOST
    holder.this_machine = lambda: HOST
if os.environ.get("PRETENDED_NO_FLOCK"):

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    fcntl.flock = fcntl.lockf = flock
"""


def on_host(command: CommandLine, name: str, *, flock: bool = True) -> CommandLine:
    """The same command line on a host of this name, whose processes other hosts know nothing of."""
    site = Path(command.environment["PYTHONPATH"].split(":")[0])
    (site / "sitecustomize.py").write_text(PRETEND)
    pretended = {"PRETENDED_HOST": name} | ({} if flock else {"PRETENDED_NO_FLOCK": "1"})
    return replace(command, environment={**command.environment, **pretended})
