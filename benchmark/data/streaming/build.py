"""Make the slice cache of a data file: once, whole or not at all, and again when its source, map or code changed."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from benchmark import atomic
from benchmark.data.format.cases import DatasetInfo
from benchmark.data.format.hdf5 import CannotWrite, HDF5Writer
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey
from benchmark.data.streaming.cache import SCHEMA, CacheWriter, SliceCache, beside, open_cache
from benchmark.data.streaming.places import SIDE_OF, SPLIT, Places, bytes_in_memory, places, read_mapped
from benchmark.errors import Interrupted
from benchmark.registry.sources import code_sha256, files_below

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 4
"""Slices that are mapped and written together: few, so that they stay in a core's cache meanwhile."""
THREADS = 2
"""That inflate and map blocks while others are written; the cells that wait for the cache leave them their cores."""
AHEAD = 4
"""Blocks that are inflated and mapped ahead of the one that is written: some more than threads, for a disk that
hesitates."""
SPARED_BYTES = 1 << 30
"""Of a disk's free space, what a cache leaves to the run that it is made for."""
_POLL_SECONDS = 0.5


class NoCache(Exception):
    """A cache cannot be kept beside the data file; the text says why."""


def cache_key(info: DatasetInfo) -> str:
    """Hash of all that decides what a cache holds: the data's content, the maps, the split, and the code."""
    return atomic.sha256_of(
        {
            "schema": SCHEMA,
            "content": info.content_sha256,
            "split": SPLIT,
            "maps": [fitted.to_json() for fitted in (*info.source_maps, info.target_map)],
            "code": _code(),
        }
    )


@cache
def _code() -> str:
    harness = Path(__file__).parents[2]
    maps = [harness / "contracts" / name for name in ("channels.py", "intensity.py")]
    rooms = [harness / "data" / name for name in ("format", "streaming")]
    files = [*maps, *(file for room in rooms for file in files_below(room))]
    return code_sha256(harness, files)


NO_NEIGHBOURS = "it would hold no slice without a region, and neighbouring slices are asked for"
"""Why a training with context does without a cache."""


def obstacle(info: DatasetInfo, context: int = 0) -> str:
    """Why training does without a cache beside a data file, as far as can be told before trying; empty if it does not.

    ``context``: neighbouring slices that are shown on either side of each.
    """
    if context:
        return NO_NEIGHBOURS
    path = beside(info.path)
    if (there := open_cache(path, cache_key(info))) is not None:
        there.close()
        return ""
    try:
        with lock_of(path).acquire(timeout=0):
            return _no_space(info, path)
    except Timeout:
        return ""  # somebody is making it
    except (OSError, NotImplementedError) as error:
        return _reason(error)


def cached(
    dataset: Dataset, should_stop: Callable[[], bool] = lambda: False, *, instead_of: SliceCache | None = None
) -> SliceCache:
    """The cache of a data file's training slices, made now where it is missing; runs that need it at once make it once.

    Some blocks of slices are in memory at a time. ``instead_of`` is a cache that was found to be damaged: another than
    that.

    Raises:
        NoCache: the disk is full, the folder cannot be written, or the like; nothing is left behind.
        Interrupted: ``should_stop`` said so; nothing is left behind.
        DatasetError: the data file is damaged, or has nothing to train on.
    """
    path, key = beside(dataset.info.path), cache_key(dataset.info)
    if (there := open_cache(path, key, instead_of)) is not None:
        return there
    try:
        with only_one(path, should_stop):
            if (there := open_cache(path, key, instead_of)) is not None:
                return there
            for left in unfinished(path):
                left.unlink(missing_ok=True)
            if lacking := _no_space(dataset.info, path):
                raise NoCache(lacking)
            with atomic.writing(path) as temporary:
                _write(temporary, path, dataset, key, should_stop)
    except CannotWrite as error:
        raise NoCache(error.reason) from None
    except (OSError, NotImplementedError) as error:  # the latter is how older filelocks say that there are no locks
        raise NoCache(_reason(error)) from None
    if (there := open_cache(path, key)) is None:
        raise NoCache("what was written cannot be read again")
    return there


def unfinished(path: Path) -> list[Path]:
    """What builders of a cache that were killed left behind, or are writing now."""
    return sorted(path.parent.glob(f".{escape(path.name)}.*.part"))


@contextmanager
def only_one(path: Path, should_stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Whoever makes or removes a cache is the only one in this block.

    Raises:
        Interrupted: ``should_stop`` said so while another was waited for.
        OSError: the folder cannot be written, or its file system has no locks.
    """
    lock = lock_of(path)
    while True:
        if should_stop():
            raise Interrupted(f"stopped while {path.name} was being made by another process")
        try:
            lock.acquire(timeout=_POLL_SECONDS)
            break
        except Timeout:
            continue
    try:
        yield
    finally:
        lock.release()


def lock_of(path: Path) -> FileLock:
    """The lock of a cache."""
    return FileLock(path.with_name(f".{path.name}.lock"))


def _write(temporary: Path, path: Path, dataset: Dataset, key: str, should_stop: Callable[[], bool]) -> None:
    found = places(dataset)
    writer = HDF5Writer(temporary, path)
    try:
        filled = CacheWriter(writer.file, key, _shapes(dataset.info, found))
        for role, images in _mapped(dataset, found):
            if should_stop():
                raise Interrupted(f"stopped while {path.name} was made")
            filled.add(role, images)
            writer.require()
    finally:
        writer.close()
    writer.require()


def _shapes(info: DatasetInfo, found: Places) -> dict[str, tuple[int, ...]]:
    counts = {role: len(rows) for role, rows in found.sides.items()}
    channels = {"source": len(info.sources)}
    return {role: (counts[SIDE_OF[role]], channels.get(role, 1), *info.image_size) for role in SIDE_OF}


def _mapped(dataset: Dataset, found: Places) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Blocks of slices by role, in the order in which the cache holds them; threads make them a little ahead."""
    coming: deque[tuple[str, Future[NDArray[np.generic]]]] = deque()
    with ThreadPoolExecutor(THREADS, "mapping") as pool:
        for role, case, numbers in _blocks(found):
            coming.append((role, pool.submit(read_mapped, dataset, case, role, numbers)))
            if len(coming) > AHEAD:
                ready, block = coming.popleft()
                yield ready, block.result()
        for ready, block in coming:
            yield ready, block.result()


def _blocks(found: Places) -> Iterator[tuple[str, CaseKey, list[int]]]:
    """Role, case and numbers of the slices of each block: of one case, since a case is opened for it."""
    for role, side in SIDE_OF.items():
        rows = found.sides[side]
        for case, key in enumerate(found.keys):
            numbers = rows[rows[:, 0] == case, 1].tolist()
            for first in range(0, len(numbers), BLOCK):
                yield role, key, numbers[first : first + BLOCK]


def _no_space(info: DatasetInfo, path: Path) -> str:
    """What a disk lacks; empty where there is room."""
    free, needed = shutil.disk_usage(path.parent).free, bytes_in_memory(info)
    if free >= needed + SPARED_BYTES:
        return ""
    return f"it takes {needed / 1e9:.1f} GB, and only {free / 1e9:.1f} GB are free"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
