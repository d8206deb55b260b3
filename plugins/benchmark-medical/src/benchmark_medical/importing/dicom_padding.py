"""Stored numbers that a DICOM header declares to be no measurement: Pixel Padding Value and Range Limit.

PS3.3 C.7.5.1.1.2: padded pixels were added to fill a rectangle, or stand where nothing was reconstructed. The value is
compared with what is stored, before any rescale. Writers disagree about its type, so that -2000 comes as 63536 too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.volumes.geometry import CaseFault

if TYPE_CHECKING:
    from pydicom import Dataset

KINDS = ("Pixel", "FloatPixel", "DoubleFloatPixel")
"""Each kind of pixel data has its own pair of tags."""


def padded(header: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which stored numbers are padding; ``None`` where the header declares none.

    Raises:
        CaseFault: the declared value is no number.
    """
    for kind in KINDS:
        value, limit = f"{kind}PaddingValue", f"{kind}PaddingRangeLimit"
        if header.get(value) in (None, "", []):
            continue
        ends = [_number(header, value)]
        ends.append(_number(header, limit) if header.get(limit) not in (None, "", []) else ends[0])
        if stored.dtype.kind == "f":
            low, high = min(ends), max(ends)
            return np.asarray(np.isnan(stored) if np.isnan(low) else (stored >= low) & (stored <= high))
        low, high = sorted(_as_stored(int(end), stored.dtype) for end in ends)
        return np.asarray((stored >= low) & (stored <= high))
    return None


def outside_stored_bits(header: Dataset) -> bool:
    """Whether padding uses bits that measured values leave unused: decoders would cut them off."""
    value = header.get("PixelPaddingValue")
    bits, allocated = int(header.get("BitsStored") or 0), int(header.get("BitsAllocated") or 0)
    if not isinstance(value, int) or not 0 < bits < allocated:
        return False
    signed = bool(header.get("PixelRepresentation"))
    value = _as_stored(value, np.dtype(f"{'i' if signed else 'u'}{allocated // 8}"))
    return not (-(1 << (bits - 1)) <= value < 1 << (bits - 1) if signed else 0 <= value < 1 << bits)


def _number(header: Dataset, tag: str) -> float:
    value = header[tag].value
    if isinstance(value, bytes) and len(value) == 2:  # of an unknown type, in implicit files
        return float(int.from_bytes(value, "little"))
    try:
        return float(value)
    except (TypeError, ValueError):
        raise CaseFault(f"{tag} is no number") from None


def _as_stored(value: int, dtype: np.dtype[Any]) -> int:
    """The number that these bits are in the type of the pixels."""
    limits, whole = np.iinfo(dtype), 1 << (8 * dtype.itemsize)
    if value > limits.max:
        return value - whole
    return value + whole if value < limits.min else value
