"""Processes that take themselves for others: of another host, or on a file system that cannot lock."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from functools import cache
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


NAMESPACES = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A host name and processes of its own, which end with it."""


@cache
def namespaces_allowed() -> bool:
    """Whether this user may have hosts made of namespaces."""
    try:
        return subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@dataclass
class Namespaced(CommandLine):
    """The same command line with a host name and a process table of its own."""

    host: str = ""

    def command(self, *arguments: str) -> list[str]:
        """The command as a list."""
        return [*NAMESPACES, "sh", "-c", 'hostname "$0" && exec "$@"', self.host, *super().command(*arguments)]


def of_its_own(command: CommandLine, name: str, *, flock: bool = True) -> CommandLine:
    """On a host of this name: made of namespaces where that is allowed, else one that its processes pretend."""
    if not namespaces_allowed():
        return on_host(command, name, flock=flock)
    pretending = on_host(command, name, flock=flock)
    environment = {key: value for key, value in pretending.environment.items() if key != "PRETENDED_HOST"}
    return Namespaced(command.folder, environment, name)


def on_host(command: CommandLine, name: str, *, flock: bool = True) -> CommandLine:
    """The same command line on a host of this name, whose processes other hosts know nothing of."""
    site = Path(command.environment["PYTHONPATH"].split(":")[0])
    (site / "sitecustomize.py").write_text(PRETEND)
    pretended = {"PRETENDED_HOST": name} | ({} if flock else {"PRETENDED_NO_FLOCK": "1"})
    return replace(command, environment={**command.environment, **pretended})
