"""Whether an HDF5 file holds its own content: a stranger's file may point at other files of this machine.

HDF5 knows external links, external storage, virtual data sets and soft links. None of them is written here, and each
of them could make the bytes of any readable file, or one patient's images under another's name, part of a data set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.errors import DatasetError
from benchmark.printable import printable

if TYPE_CHECKING:
    import h5py


_MOST_DEFLATED = 1032
"""Deflate shrinks to one part in so many at most: an array that claims more was damaged, and could fill the memory."""


def require_stored(array: h5py.Dataset, where: str) -> None:
    """As many bytes as an array claims must be in its file.

    Raises:
        DatasetError: they are not.
    """
    if array.nbytes > _MOST_DEFLATED * array.id.get_storage_size():
        raise DatasetError(f"{where} is incomplete; import or build it again")


def require_self_contained(group: h5py.Group, where: str) -> None:
    """Everything below a group must be stored in its own file, once.

    Raises:
        DatasetError: something is linked, stored elsewhere, or there under two names.
    """
    import h5py

    seen: set[int] = set()

    def visit(within: h5py.Group, above: str) -> None:
        for name in within:
            path = printable(f"{above}/{name}".lstrip("/"))
            link = within.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                target = " of another file" if isinstance(link, h5py.ExternalLink) else ""
                raise DatasetError(f"{where}: {path} is only a link to something{target}; that is not read")
            item = within[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                raise DatasetError(f"{where}: {path} is there under another name too; each case may stand once")
            seen.add(address)
            if isinstance(item, h5py.Group):
                visit(item, path)
            elif isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
                raise DatasetError(f"{where}: the values of {path} are stored in other files; that is not read")

    visit(group, "")
