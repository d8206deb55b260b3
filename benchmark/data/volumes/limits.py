"""What a header may claim before anything is believed: shapes, voxel sizes, and bytes that are really there.

A few bytes of a header decide how much memory a reader takes and how long it works. Readers ask here first, before a
library is called; what is refused costs its own study only. With these limits no volume takes more than
:data:`~benchmark.data.format.schema.MAXIMUM_VOXELS` numbers, whatever its header says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from benchmark.data.format.schema import MAXIMUM_VOXELS
from benchmark.data.volumes.geometry import CaseFault

LONGEST_AXIS = 32_767
"""Voxels along an axis: as many as NIfTI can say."""
VOXEL_SIZES = (1e-3, 1e3)
"""Millimetres: from a micrometre to a metre."""
LARGEST_RATIO = 1e3
"""Of a voxel's longest side to its shortest."""
MOST_DEFLATED = 1032
"""Deflate shrinks to one part in so many at most."""
HEADER_ALLOWANCE = 1 << 16
"""Bytes that compressed values may begin with beyond what they shrink to."""
LONGEST_LINE = 4096
"""Of a text header, in bytes: longer ones have crashed readers."""


def require_shape(shape: Sequence[int], name: str) -> None:
    """A shape must be one that a volume can have.

    Raises:
        CaseFault: an axis is empty or absurdly long, or there are too many voxels in all.
    """
    said = "x".join(str(length)[:12] for length in list(shape)[:8])
    if any(length < 1 for length in shape):
        raise CaseFault(f"{name}: shape {said} is not a volume's")
    if any(length > LONGEST_AXIS for length in shape) or math.prod(map(float, shape)) > MAXIMUM_VOXELS:
        raise CaseFault(f"{name}: shape {said} is too large for one volume")


def require_bytes(shape: Sequence[int], bytes_a_voxel: float, there: int, name: str, *, compressed: bool) -> None:
    """As many bytes as a shape needs must be there, as far as that can be told from a file's size.

    Raises:
        CaseFault: the file is too short for what its header claims.
    """
    needed = math.prod(map(float, shape)) * bytes_a_voxel
    held = (there + HEADER_ALLOWANCE) * MOST_DEFLATED if compressed else there
    if needed > held:
        said = "x".join(map(str, shape))
        raise CaseFault(
            f"{name}: cannot be read, truncated or damaged "
            f"(its header claims {said} voxels, which {there} bytes cannot hold)"
        )


def require_voxel_sizes(sizes: Iterable[float], name: str) -> None:
    """Voxel sizes in mm must be those of an image of something.

    Raises:
        CaseFault: one is not finite, below a micrometre or above a metre, or they are too unequal.
    """
    lengths = [float(size) for size in sizes]
    said = " x ".join(f"{length:.4g}" for length in lengths)
    low, high = VOXEL_SIZES
    # a header's single precision is no reason to refuse a metre
    if not all(math.isfinite(length) and low * 0.9999 <= length <= high * 1.0001 for length in lengths):
        raise CaseFault(f"{name}: voxels of {said} mm; an image has between {low:g} and {high:g} mm (another unit?)")
    if max(lengths) > LARGEST_RATIO * min(lengths):
        raise CaseFault(f"{name}: voxels of {said} mm are more than {LARGEST_RATIO:g} times longer than wide")
