"""Read whole arrays slice by slice, quicker than HDF5 itself does.

The arrays of an ``mi2i/1`` file are ordinary HDF5: one chunk a slice, byte-shuffled and deflated (gzip), so that every
HDF5 program reads them. libdeflate inflates them in half the time of HDF5's zlib. Whatever is stored in any other
way, or does not inflate, is left to HDF5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

# Numbers of filters in the HDF5 standard; https://github.com/HDFGroup/hdf5_plugins registers further ones.
_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_PIPELINES = ([_DEFLATE], [_SHUFFLE, _DEFLATE], [_DEFLATE, _FLETCHER32], [_SHUFFLE, _DEFLATE, _FLETCHER32])
_CHECKSUM_BYTES = 4


def read_array(data: h5py.Dataset) -> NDArray[np.number]:
    """All of a data set, in its stored type; the same values as ``data[()]``.

    Every slice is verified by the Adler-32 sum of its deflate stream.

    Raises:
        OSError: it is damaged.
    """
    inflated = _inflated(data, range(len(data)) if data.shape else range(0))
    if inflated is not None:
        return inflated
    whole: NDArray[np.number] = data[()]
    return whole


def read_slices(data: h5py.Dataset, numbers: Sequence[int]) -> NDArray[np.number]:
    """Some slices of a data set in ascending order, in its stored type; the same values as ``data[numbers]``.

    Raises:
        OSError: one is damaged.
    """
    inflated = _inflated(data, numbers)
    if inflated is not None:
        return inflated
    stored: NDArray[np.number] = data[list(numbers)]
    return stored


def _inflated(data: h5py.Dataset, numbers: Sequence[int]) -> NDArray[np.number] | None:
    """These slices, if they are stored in a way that is known here and are whole."""
    import deflate

    pipeline = _pipeline(data)
    if pipeline is None:
        return None
    try:
        return _inflate(data, pipeline, numbers)
    except (deflate.DeflateError, ValueError, OSError, RuntimeError):
        return None  # HDF5 says what is wrong with it, or reads it all the same


def _pipeline(data: h5py.Dataset) -> list[int] | None:
    """The filters that the array's chunks went through, if they are those that are known here."""
    known = (
        data.ndim == 3
        and data.chunks == (1, *data.shape[1:])
        and data.dtype.kind in "iuf"
        and data.dtype.byteorder != ">"
        and data.dtype.itemsize in (1, 2, 4)
    )
    if not known:
        return None
    properties = data.id.get_create_plist()
    filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
    return filters if filters in _PIPELINES else None


def _inflate(data: h5py.Dataset, pipeline: list[int], numbers: Sequence[int]) -> NDArray[np.number]:
    import deflate
    import numpy as np

    array = np.empty((len(numbers), *data.shape[1:]), data.dtype)
    size, end = array[0].nbytes, -_CHECKSUM_BYTES if _FLETCHER32 in pipeline else None
    shuffled = _SHUFFLE in pipeline and data.dtype.itemsize > 1
    for number, image in zip(numbers, array, strict=True):
        skipped, stored = data.id.read_direct_chunk((number, 0, 0))
        if skipped:
            raise ValueError("some filters were left out")
        plain = np.frombuffer(deflate.zlib_decompress(stored[:end], size), np.uint8)
        if plain.size != size:
            raise ValueError("not the size of a slice")
        if shuffled:
            _unshuffle(plain, image)
        else:
            image[...] = plain.view(data.dtype).reshape(image.shape)
    return array


def _unshuffle(planes: NDArray[np.uint8], image: NDArray[np.number]) -> None:
    """Put together the bytes of numbers that lie apart: all lowest bytes first, all highest last."""
    import numpy as np

    bits = np.dtype(f"u{image.itemsize}")
    values = image.reshape(-1).view(bits)
    lowest_first = planes.reshape(image.itemsize, -1)
    np.left_shift(lowest_first[1], 8, out=values, dtype=bits, casting="unsafe")
    np.bitwise_or(values, lowest_first[0], out=values)
    for place in range(2, image.itemsize):
        values |= np.left_shift(lowest_first[place], 8 * place, dtype=bits)
