"""HDF5 files opened for reading without locks, and written so that a full disk is an error and not a crash.

Files of this project are never changed in place, so that reading needs no lock: one that another program holds, or that
lies on a file system without locks (NFS, Lustre), is as sound as any. While writing, HDF5 cannot go on after an
operating system's error (it fails again when it cleans up, and then crashes); the bytes go through :class:`_Sink`,
which remembers the first error, and it is raised between two objects.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    import h5py
    from _typeshed import ReadableBuffer, WriteableBuffer


class CannotWrite(BenchmarkError):
    """The disk is full, a quota is reached, a share is gone; nothing half-written is left."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        """What the operating system said."""


def open_read(path: Path) -> h5py.File:
    """Open for reading, locked or not."""
    import h5py

    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, "r")  # this very process has it open with locks: HDF5 wants the same of all


class HDF5Writer:
    """A new HDF5 file whose first failed write is raised by :meth:`require`, with everything closed in order."""

    def __init__(self, path: Path, shown: Path) -> None:
        """Create ``path``; messages call it ``shown``.

        Raises:
            CannotWrite: it cannot be created.
        """
        import h5py

        self._shown = shown
        try:
            self._sink = _Sink(path)
        except OSError as error:
            raise self._fault(error) from None
        # this version of HDF5 keeps checksums of its metadata: a damaged file is noticed, not read as zeros
        self.file: h5py.File = h5py.File(self._sink, "w", libver="v110")

    def require(self) -> None:
        """Everything given to the file so far could be written.

        Raises:
            CannotWrite: it could not.
        """
        if self._sink.error is not None:
            raise self._fault(self._sink.error)

    def close(self) -> None:
        """Flush and close; a failure is kept for :meth:`require`. May be called twice."""
        if self.file:
            self.file.close()
        self._sink.finish()

    def _fault(self, error: OSError) -> CannotWrite:
        reason = error.strerror or str(error)
        return CannotWrite(
            f"{self._shown}: cannot be written ({reason}); free some space, or write elsewhere. "
            "Nothing was left behind",
            reason,
        )


@contextmanager
def written(path: Path, shown: Path) -> Iterator[h5py.File]:
    """A new file to fill, whole on disk when the block ends.

    Raises:
        CannotWrite: it could not be written.
    """
    writer = HDF5Writer(path, shown)
    try:
        yield writer.file
    except BaseException:
        writer.close()
        writer.require()  # what the disk refused explains what failed after it
        raise
    writer.close()
    writer.require()


class _Sink(io.RawIOBase):
    """A file that never fails: after the first error it takes everything and keeps nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._place = 0
        self._end = 0
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._end}[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        into = memoryview(buffer).cast("B")
        try:
            taken = os.preadv(self._handle, [into], self._place)
        except OSError as error:
            self._note(error)
            taken = 0
        if taken < len(into) and self.error is not None:  # of what could not be written, zeros
            into[taken:] = bytes(len(into) - taken)
            taken = len(into)
        self._place += taken
        return taken

    def write(self, data: ReadableBuffer) -> int:
        given = memoryview(data).cast("B")
        rest = given
        place = self._place
        while rest and self.error is None:
            try:
                done = os.pwrite(self._handle, rest, place)
            except OSError as error:
                self._note(error)
                break
            rest, place = rest[done:], place + done
        self._place += len(given)
        self._end = max(self._end, self._place)
        return len(given)

    def truncate(self, size: int | None = None) -> int:
        length = self._place if size is None else size
        try:
            os.ftruncate(self._handle, length)
        except OSError as error:
            self._note(error)
        self._end = length
        return length

    def flush(self) -> None:
        """Nothing is kept back."""

    def finish(self) -> None:
        """Bring everything to the disk, and close."""
        if self._handle < 0:
            return
        try:
            os.fsync(self._handle)
        except OSError as error:
            self._note(error)
        try:
            os.close(self._handle)
        except OSError as error:
            self._note(error)
        self._handle = -1

    def _note(self, error: OSError) -> None:
        if self.error is None:
            self.error = error
