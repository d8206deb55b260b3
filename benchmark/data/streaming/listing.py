"""Which slice caches there are, whether they still serve, and how they are removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import Timeout

from benchmark.data.format.reader import Dataset
from benchmark.data.streaming.build import cache_key, lock_of, unfinished
from benchmark.data.streaming.cache import SUFFIX, beside, key_of
from benchmark.errors import BenchmarkError, DatasetError, UsageError

State = Literal["current", "stale", "orphan", "unfinished"]

MEANINGS: dict[State, str] = {
    "current": "serves the next training",
    "stale": "its data file or the harness has changed; made again when needed",
    "orphan": "its data file is gone",
    "unfinished": "being made, or left by a process that was killed",
}


@dataclass(frozen=True)
class KeptSlices:
    """A slice cache on disk; what an unfinished one is of, ``data`` says too."""

    path: Path
    data: Path
    bytes: int
    state: State


def caches(paths: Iterable[Path]) -> list[KeptSlices]:
    """The caches in these folders (not below them), and beside these data files.

    Raises:
        UsageError: a path is neither.
    """
    data: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            data |= dict.fromkeys(sorted({*map(_data_of, path.glob(f"*{SUFFIX}")), *_begun(path)}))
        elif path.is_file() or beside(path).is_file():
            data[path.with_name(path.name.removesuffix(SUFFIX))] = None
        else:
            raise UsageError(f"{path}: no such folder or data file")
    return [kept for file in data for kept in _of(file)]


def remove(kept: KeptSlices) -> bool:
    """Remove a cache; trainings that read it go on reading. False where it is being made this moment.

    Raises:
        BenchmarkError: it cannot be removed.
    """
    lock = lock_of(beside(kept.data))
    try:
        with lock.acquire(timeout=0):
            kept.path.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout:
        return False
    except OSError as error:
        raise BenchmarkError(f"{kept.path}: cannot be removed ({error.strerror or error})") from None
    return True


def _of(data: Path) -> list[KeptSlices]:
    path = beside(data)
    found = [(path, _state(path, data))] if path.is_file() else []
    found += [(part, "unfinished") for part in unfinished(path)]
    return [KeptSlices(file, data, file.stat().st_size, state) for file, state in found]


def _state(path: Path, data: Path) -> State:
    if not data.is_file():
        return "orphan"
    try:
        with Dataset(data) as dataset:
            return "current" if key_of(path) == cache_key(dataset.info) else "stale"
    except DatasetError:
        return "stale"


def _data_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(SUFFIX))


def _begun(folder: Path) -> Iterable[Path]:
    """The data files of caches of which there is only something unfinished."""
    for part in folder.glob(f".*{SUFFIX}.*.part"):
        yield folder / part.name.removeprefix(".").rpartition(f"{SUFFIX}.")[0]
