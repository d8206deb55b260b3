"""One file from an address, whole and with the right checksum or not at all, and soon or not at all."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.request import Request, urlopen

from benchmark import atomic
from benchmark._version import __version__

CHUNK = 1 << 18
SETTLED_S = 4.0
"""From when on the pace of a download says when it will be done."""


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for the first byte (names looked up, connected, answered) and any later one, and in all."""

    answer_s: float
    total_s: float


ASKED = Patience(answer_s=30.0, total_s=float("inf"))
"""For somebody who asked for the file and watches."""
UNASKED = Patience(answer_s=5.0, total_s=60.0)
"""For somebody who wanted something else and would rather go without."""


class DownloadError(Exception):
    """Why a file could not be had, in a few words."""


def download(url: str, path: Path, sha256: str, patience: Patience) -> None:
    """Put the file into place, if its SHA-256 begins with ``sha256``; nothing is left behind otherwise.

    Looking up a name cannot be interrupted, so the work is done in a thread, which is left alone when time is up.

    Raises:
        DownloadError: no connection, no answer, too slow, cut short, or other content than promised.
    """
    attempt = _Attempt(url, path, sha256, patience)
    attempt.start()
    failure = attempt.wait()
    if failure:
        raise DownloadError(failure)


class _Attempt(threading.Thread):
    """A download that can be given up."""

    def __init__(self, url: str, path: Path, sha256: str, patience: Patience) -> None:
        super().__init__(daemon=True)
        self._url, self._path, self._sha256, self._patience = url, path, sha256, patience
        self._began = time.monotonic()
        self._answered, self._given_up = threading.Event(), threading.Event()
        self._outcome: SimpleQueue[str] = SimpleQueue()

    def wait(self) -> str:
        """Why it failed; empty if it did not."""
        limit = self._patience.total_s
        if self._answered.wait(min(self._patience.answer_s + 1.0, limit)) or not self._outcome.empty():
            try:
                left = None if limit == float("inf") else max(0.1, limit - (time.monotonic() - self._began))
                return self._outcome.get(timeout=left)
            except Empty:
                pass
        self._given_up.set()
        return f"no answer within {self._patience.answer_s:g} s" if not self._answered.is_set() else self._slow()

    def run(self) -> None:
        try:
            atomic.write_with(self._path, self._write)
        except Exception as error:  # urllib, ssl, http and the file system each raise their own
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            self._outcome.put(f"no answer within {self._patience.answer_s:g} s" if _timed_out(error) else str(reason))
        else:
            self._outcome.put("")
        finally:
            self._answered.set()

    def _write(self, temporary: Path) -> None:
        digest, got = hashlib.sha256(), 0
        asked = Request(self._url, headers={"User-Agent": f"medgan-benchmark/{__version__}"})
        with urlopen(asked, timeout=self._patience.answer_s) as answer, temporary.open("wb") as file:
            size = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read1(CHUNK):
                self._answered.set()
                file.write(chunk)
                digest.update(chunk)
                got += len(chunk)
                self._go_on(got, size)
        if got < size:
            raise DownloadError(f"cut short after {got} of {size} bytes")
        if not digest.hexdigest().startswith(self._sha256):
            raise DownloadError(f"SHA-256 {digest.hexdigest()[:8]}... instead of {self._sha256}...")

    def _go_on(self, got: int, size: int) -> None:
        """Raises where the rest will not come in time, as soon as the pace tells."""
        elapsed = time.monotonic() - self._began
        late = elapsed > SETTLED_S and elapsed * size / got > self._patience.total_s
        if self._given_up.is_set() or late or elapsed > self._patience.total_s:
            raise DownloadError(self._slow())

    def _slow(self) -> str:
        return f"too slow to be done in {self._patience.total_s:g} s"


def _timed_out(error: BaseException) -> bool:
    return isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
