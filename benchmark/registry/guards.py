"""What keeps a plugin that hangs or prints while it is imported from stopping or spoiling a command."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from benchmark.errors import UsageError

TIMEOUT_VARIABLE = "BENCHMARK_PLUGIN_TIMEOUT"
TIMEOUT_SECONDS = 30.0
NOTICE_SECONDS = 5.0
"""After this long a line on standard error says which plugin is being waited for."""


class TookTooLong(BaseException):
    """Raised in the midst of a plugin's import; no ``Exception``, so that no plugin swallows it by accident."""


def limit_seconds() -> float:
    """How long a plugin may take to import and answer.

    Raises:
        UsageError: the environment variable holds no positive number.
    """
    text = os.environ.get(TIMEOUT_VARIABLE, "")
    try:
        seconds = float(text or TIMEOUT_SECONDS)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UsageError(f"{TIMEOUT_VARIABLE}={text!r}: give a number of seconds above 0")
    return seconds


class Alarm:
    """Raises :class:`TookTooLong` in a plugin that takes too long, again and again until it gives up.

    A signal does it, so there is no limit outside the main thread, where Python delivers none.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._plugin = ""
        self._began = 0.0
        self._noticed = False
        self._before: Any = None

    def __enter__(self) -> Alarm:
        if threading.current_thread() is threading.main_thread():
            self._before = (signal.signal(signal.SIGALRM, self._ring), signal.getitimer(signal.ITIMER_REAL))
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            handler, timer = self._before
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, *timer)

    @contextlib.contextmanager
    def within_limit(self, plugin: str) -> Iterator[None]:
        """Ring if this takes too long."""
        if self._before is None:
            yield
            return
        self._plugin, self._began, self._noticed = plugin, time.monotonic(), False
        signal.setitimer(signal.ITIMER_REAL, min(self._limit, NOTICE_SECONDS), min(self._limit, 0.5))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, _: int, __: FrameType | None) -> None:
        if time.monotonic() - self._began >= self._limit:
            raise TookTooLong
        if not self._noticed:
            self._noticed = True
            text = f"waiting for plugin {self._plugin} to be imported, {self._limit:g} s at most"
            print(text, file=sys.stderr, flush=True)


class Printed:
    """Keeps what plugins print while they load off standard output, where it would spoil a ``--json``.

    Python's ``sys.stdout`` and the file descriptor below it, which child processes write to, are both caught.
    """

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed on leaving)
        self._descriptor: int | None = None

    def __enter__(self) -> Printed:
        self._redirection = contextlib.redirect_stdout(self._text)
        with contextlib.suppress(AttributeError, OSError, ValueError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):  # closed: nothing to protect
            self._descriptor = os.dup(1)
            os.dup2(self._file.fileno(), 1)
        self._redirection.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._redirection.__exit__(None, None, None)
        if self._descriptor is not None:
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)
        self._file.close()

    def take(self) -> str:
        """What was printed since the last time."""
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        size = os.fstat(self._file.fileno()).st_size
        if size:
            self._file.seek(0)
            text += self._file.read(size).decode(errors="replace")
            self._file.seek(0)
            self._file.truncate()
        return text
