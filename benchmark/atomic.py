"""Files and folders that are either whole or not there: write beside, flush to disk, rename."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
PART = re.compile(r"\.(?P<name>.+)\.(?P<pid>[0-9]{1,10})(?:@(?P<node>.*))?\.part")
"""Names of temporary files: what shall become of them, and whose they are."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file next to ``path`` to be filled in the block, then put in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def making(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder next to ``folder`` to be filled in the block, then put in place in one step.

    Where the block fails nothing stays. What is there already is put out of the way with ``replace``, and only then.

    Raises:
        OSError: the folder cannot be written; it holds something and is not to be replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(folder)
    temporary.mkdir()
    try:
        yield temporary
        if replace and folder.is_dir():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(folder.parent)


def beside(path: Path) -> Path:
    """Where this process writes what shall become ``path``; leftovers of killed processes there are removed."""
    remove_leftovers(path.parent, path.name)
    return path.with_name(f".{path.name}.{os.getpid()}@{platform.node()}.part")


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Remove temporary files and folders, of one or of all in a folder, whose process on this machine was killed."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    for entry in entries:
        found = PART.fullmatch(entry)
        if found is None or (name and found["name"] != name):
            continue
        if found["node"] in (None, platform.node()) and not _alive(int(found["pid"])):
            with suppress(OSError):
                if (folder / entry).is_dir():
                    shutil.rmtree(folder / entry)
                else:
                    os.unlink(folder / entry)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file next to ``path``, then put it in place in one step."""
    with writing(path) as temporary:
        write(temporary)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_with(path, write)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to ``path`` atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value, indented, atomically. NaN and infinity are refused: they are not JSON."""
    write_text(path, json.dumps(value, indent=1, sort_keys=False, allow_nan=False) + "\n")


def canonical(value: Any) -> bytes:
    """The one byte string that stands for a JSON value: sorted keys, no spaces."""
    return CANONICAL.encode(value).encode()


def sha256_of(value: Any) -> str:
    """Hash of a JSON value's canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash of a file's bytes, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename durable where the platform lets us."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)
