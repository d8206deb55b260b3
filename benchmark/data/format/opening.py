"""Open a data set that anybody may have written: what is missing, damaged or false is told before pixels are read."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.format.hdf5 import open_read
from benchmark.data.format.schema import CaseKey, role_words
from benchmark.data.format.self_contained import require_self_contained, require_stored
from benchmark.errors import BenchmarkError, DatasetError

if TYPE_CHECKING:
    import h5py


_NOT_THE_FILES_FAULT = (
    errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.ENOLCK, errno.EMFILE,
    errno.ENFILE, errno.ENOMEM,
)  # fmt: skip


def open_file(path: Path, advice: str = "import or build it again") -> h5py.File:
    """Open for reading; ``advice`` is what to do about a file that is no HDF5.

    Raises:
        DatasetError: there is no such file, it cannot be opened, is not HDF5, or points at other files.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    try:
        file = open_read(path)
    except OSError as error:
        if error.errno in _NOT_THE_FILES_FAULT:
            raise DatasetError(
                f"{path}: cannot be opened ({os.strerror(error.errno)}); the file itself may be whole"
            ) from None
        if "already open for write" in str(error):
            raise DatasetError(
                f"{path}: locked, since another program has it open for writing; close it there (if it was killed, "
                f"'h5clear -s {path.name}' takes the lock away)"
            ) from None
        raise DatasetError(f"{path}: cannot be read as HDF5 ({error}); {advice}") from None
    try:
        with guarded(str(path)):
            require_self_contained(file, str(path))
    except DatasetError:
        file.close()
        raise
    return file


@contextmanager
def guarded(where: str, advice: str = "import or build it again") -> Iterator[None]:
    """Turn whatever a damaged file makes h5py raise (almost anything) into a DatasetError that says where."""
    try:
        yield
    except BenchmarkError:
        raise
    except MemoryError as error:  # nobody has to make again what is whole
        raise DatasetError(f"{where}: not enough memory to read it ({error})") from error
    except Exception as error:
        raise DatasetError(f"{where}: damaged ({type(error).__name__}: {error}); {advice}") from None


def case_shape(group: h5py.Group, arrays: Mapping[str, h5py.Dataset], key: CaseKey, where: str) -> tuple[int, int, int]:
    """Slices, rows and columns of a case and its arrays (:func:`arrays_in`), checked without reading a pixel.

    Raises:
        DatasetError: an array or attribute is missing, not numbers, of another shape, or larger than its bytes.
    """
    if "mask" not in arrays:
        raise DatasetError(f"{where}: case {key} has no mask")
    if not {"source", "target"} & sides(arrays):
        raise DatasetError(f"{where}: case {key} has no source and no target")
    shapes = {role: data.shape for role, data in arrays.items()}
    for role, data in arrays.items():
        if data.dtype.kind not in "fiu":
            raise DatasetError(f"{where}: case {key}: {role} holds {data.dtype}, not numbers")
        require_stored(data, f"{where}: case {key}: {role}")
    if len(set(shapes.values())) != 1 or len(shapes["mask"]) != 3 or 0 in shapes["mask"]:
        raise DatasetError(f"{where}: case {key}: shapes {shapes}; all must be the same (slices, rows, columns)")
    for name in ("spacing", "affine"):
        if name not in group.attrs:
            raise DatasetError(f"{where}: case {key}: attribute {name!r} is missing")
    count, height, width = shapes["mask"]
    return int(count), int(height), int(width)


def sides(roles: Collection[str]) -> set[str]:
    """Which of source, target, mask and labels there is anything of."""
    return {role.partition("/")[0] for role in roles}


def require_pair(roles: Collection[str], key: CaseKey, where: str, sources: Sequence[str] = ("source",)) -> None:
    """A case must have both sides, unless it is a training case of an unpaired file; of the source every channel.

    Raises:
        DatasetError: one is missing.
    """
    for role in ("source", "target"):
        if role not in sides(roles):
            raise DatasetError(f"{where}: case {key} has no {role}")
    require_channels(roles, key, where, sources)


def require_channels(roles: Collection[str], key: CaseKey, where: str, sources: Sequence[str]) -> None:
    """A case's source must have the channels at ``sources`` (:func:`source_roles`), and no other.

    Raises:
        DatasetError: one is missing, or there is one more.
    """
    there = {role for role in roles if role.partition("/")[0] == "source"}
    if missing := [role for role in sources if role not in there]:
        raise DatasetError(f"{where}: case {key} has no {role_words(missing[0])}; every case has all channels")
    if more := sorted(there - set(sources)):
        raise DatasetError(f"{where}: case {key} has {role_words(more[0])}, of which the file says nothing")
