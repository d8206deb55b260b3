"""The slice cache, ``mi2i-slices/1``: the training slices of one data file in network space, uncompressed, beside it.

HDF5 whose three arrays lie in one piece each, so that a slice is one read at a known place of the file. It is read with
``pread`` and not mapped: the pages that the kernel keeps are shared by all processes all the same, but they count
neither as a process's memory nor against its address space, and a file that lost its end is an error and not SIGBUS.

::

    /         attrs: schema, key (what decided the content, see benchmark.data.streaming.build)
    /source   (N, C, H, W) float32 in [-1, 1]
    /target   (M, 1, H, W) float32 in [-1, 1]
    /mask     (M, 1, H, W) uint8, the targets' regions
    /crc32/{source,target,mask}   (N or M,) uint32: a checksum of each slice

A checksum and no SHA-256: it is to find damage, as nobody who could change a slice could not change its hash, too; and
libdeflate takes the CRC-32 of 20 GB a second where SHA-256 takes 0.25, so that it can be looked at in every read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.format.hdf5 import open_read
from benchmark.data.format.schema import set_text, text
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = "mi2i-slices/1"
SUFFIX = ".slices"
ROLES = ("source", "target", "mask")


class DamagedCache(BenchmarkError):
    """A slice is not what was written; the cache can be made again from its data file."""


def beside(path: Path) -> Path:
    """Where the cache of a data file lies."""
    return path.with_name(path.name + SUFFIX)


class CacheWriter:
    """Fills a cache slice by slice, in order."""

    def __init__(self, file: h5py.File, key: str, shapes: dict[str, tuple[int, ...]]) -> None:
        """``shapes``: of the whole arrays ``(N, C, H, W)`` by role."""
        import numpy as np

        set_text(file, "schema", SCHEMA)
        set_text(file, "key", key)
        self._arrays = {
            role: file.create_dataset(role, shape, np.uint8 if role == "mask" else np.float32)
            for role, shape in shapes.items()
        }
        self._sums = {
            role: file.create_dataset(f"crc32/{role}", shape[:1], np.uint32) for role, shape in shapes.items()
        }
        self._done = dict.fromkeys(shapes, 0)

    def add(self, role: str, images: NDArray[np.generic]) -> None:
        """Append slices ``(n, C, H, W)``."""
        import deflate
        import numpy as np

        first, array = self._done[role], self._arrays[role]
        rows = np.ascontiguousarray(images, array.dtype)
        array[first : first + len(rows)] = rows
        self._sums[role][first : first + len(rows)] = [deflate.crc32(row.data) for row in rows]
        self._done[role] = first + len(rows)


@dataclass(frozen=True)
class _Array:
    """Where an array lies in the file, and the CRC-32 of each of its slices."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    sums: NDArray[np.uint32]

    @property
    def slice_bytes(self) -> int:
        """Bytes of one slice."""
        count = int(self.dtype.itemsize)
        for length in self.shape[1:]:
            count *= length
        return count


class SliceCache:
    """An open cache. Slices are read where they are asked for, and checked whenever they are.

    Threads may read at once. Use :func:`open_cache`.
    """

    def __init__(self, path: Path, handle: int, arrays: dict[str, _Array]) -> None:
        self.path = path
        self._handle = handle
        self._arrays = arrays

    def count(self, role: str) -> int:
        """How many slices of a role there are."""
        return self._arrays[role].shape[0]

    def read(self, role: str, rows: NDArray[np.integer]) -> NDArray[np.generic]:
        """Slices by their numbers: ``(n, C, H, W)``, float32, masks bool.

        Raises:
            DamagedCache: one of them is not what was written, or cannot be read.
        """
        import deflate
        import numpy as np

        array = self._arrays[role]
        images = np.empty((len(rows), *array.shape[1:]), array.dtype)
        for image, row in zip(images, rows.tolist(), strict=True):
            self._fill(memoryview(image).cast("B"), array.offset + row * array.slice_bytes)
            if deflate.crc32(image.data) != int(array.sums[row]):
                raise DamagedCache(f"{self.path}: {role} slice {row} is not what was written")
        return images.view(np.bool_) if role == "mask" else images

    def _fill(self, buffer: memoryview, place: int) -> None:
        while buffer:
            try:
                taken = os.preadv(self._handle, [buffer], place)
            except OSError as error:
                raise DamagedCache(f"{self.path}: cannot be read ({error.strerror})") from None
            if not taken:
                raise DamagedCache(f"{self.path}: ends too early")
            buffer, place = buffer[taken:], place + taken

    def is_file(self, handle: int) -> bool:
        """Whether this cache and an open file are one and the same."""
        return os.path.sameopenfile(self._handle, handle)

    def close(self) -> None:
        """Close the file. No thread may be reading."""
        os.close(self._handle)


def key_of(path: Path) -> str:
    """The key that a cache states; empty where there is no cache, or none that can be read."""
    try:
        with open_read(path) as file:
            return text(file.attrs["key"]) if text(file.attrs["schema"]) == SCHEMA else ""
    except Exception:  # whatever a damaged file makes h5py raise
        return ""


def open_cache(path: Path, key: str, other_than: SliceCache | None = None) -> SliceCache | None:
    """Open a cache; ``None`` where there is none of this key, it is not whole, or it is the file of ``other_than``."""
    if not path.is_file():
        return None
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        arrays = {} if other_than is not None and other_than.is_file(handle) else _layout(path, key)
    except Exception:  # whatever a damaged file makes h5py raise
        arrays = {}
    end = max((array.offset + array.shape[0] * array.slice_bytes for array in arrays.values()), default=0)
    if not arrays or os.fstat(handle).st_size < end:
        os.close(handle)
        return None
    return SliceCache(path, handle, arrays)


def _layout(path: Path, key: str) -> dict[str, _Array]:
    """The arrays of a cache of this key; none where it is another's."""
    with open_read(path) as file:
        if text(file.attrs["schema"]) != SCHEMA or text(file.attrs["key"]) != key:
            return {}
        arrays = {}
        for role in ROLES:
            data, sums = file[role], file[f"crc32/{role}"][()]
            offset = data.id.get_offset()
            if offset is None or data.ndim != 4 or sums.shape != (len(data),):
                return {}
            arrays[role] = _Array(int(offset), data.shape, data.dtype, sums)
        return arrays
