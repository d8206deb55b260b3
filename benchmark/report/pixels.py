"""Images made small enough to travel inside a page, and still exact at the window that the data set states.

A value is rounded to one of ``255 k + 1`` levels of its window, ``k`` odd: rounding a level again to 256 shades gives
the shade that the value itself has, so that at the full window the page shows what the file holds. Levels are
predicted from their neighbours (the median edge detector of LOCO-I, Weinberger et al. 2000, equation 1), what is left
over is deflated; browsers undo both in a few lines.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHADES = 256
LEVEL = 9
"""Deflate's effort: beyond it files shrink by another per cent in several times the time."""


@dataclass(frozen=True)
class Scale:
    """``levels`` equal steps over ``low..high`` in physical units; what lies beyond stands at the edge."""

    low: float
    high: float
    finer: int = 1
    """Steps for each of the 255 between black and white; odd."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"window {self.low}..{self.high}: low must be below high")
        if self.finer < 1 or self.finer % 2 == 0 or self.levels > 1 << 16:
            raise ValueError(f"{self.finer} steps a shade: an odd number is needed, and at most 2**16 levels")

    @property
    def levels(self) -> int:
        """How many values there are."""
        return (SHADES - 1) * self.finer + 1

    @property
    def step(self) -> float:
        """Distance of two neighbouring levels in the unit."""
        return (self.high - self.low) / (self.levels - 1)

    def quantise(self, values: NDArray[np.floating]) -> NDArray[np.uint16]:
        """Levels of values in the unit; NaN becomes the lowest."""
        import numpy as np

        share = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        inside = np.clip(np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
        return np.floor(inside * (self.levels - 1) + 0.5).astype(np.uint16)

    def values(self, levels: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Values in the unit that levels stand for."""
        import numpy as np

        return self.low + levels.astype(np.float64) * self.step if levels.size else np.zeros(levels.shape)


def pack(levels: NDArray[np.uint16], scale: Scale) -> bytes:
    """Levels ``(Z, H, W)`` as deflated residuals: a plane of low bytes, then one of high bytes where there are any."""
    import deflate
    import numpy as np

    residual = levels.astype(np.int32) - _predicted(levels.astype(np.int32))
    folded = np.where(residual < 0, -2 * residual - 1, 2 * residual).astype(np.uint32)
    planes = [(folded & 255).astype(np.uint8)]
    if scale.finer > 1:
        planes.append((folded >> 8).astype(np.uint8))
    else:
        # one plane: residuals are taken modulo 256
        wrapped = (residual + 128) % SHADES - 128
        planes = [np.where(wrapped < 0, -2 * wrapped - 1, 2 * wrapped).astype(np.uint8)]
    return bytes(deflate.zlib_compress(b"".join(plane.tobytes() for plane in planes), LEVEL))


def unpack(data: bytes, shape: tuple[int, int, int], scale: Scale) -> NDArray[np.uint16]:
    """What :func:`pack` was given; pages do the same in JavaScript.

    Raises:
        ValueError: the bytes are not of such an image.
    """
    import zlib

    import numpy as np

    size = int(np.prod(shape))
    try:
        plain = np.frombuffer(zlib.decompress(data), np.uint8).astype(np.int64)
    except zlib.error as error:
        raise ValueError(f"not a packed image: {error}") from None
    if plain.size != size * (2 if scale.finer > 1 else 1):
        raise ValueError(f"{plain.size} bytes are not an image of shape {shape}")
    folded = plain[:size] + (plain[size:] * SHADES if scale.finer > 1 else 0)
    residual = np.where(folded % 2, -(folded + 1) // 2, folded // 2).reshape(shape)
    levels = np.zeros(shape, np.int64)
    modulus = SHADES if scale.finer == 1 else 1 << 20
    for z, y, x in np.ndindex(shape):
        left = int(levels[z, y, x - 1]) if x else 0
        above = int(levels[z, y - 1, x]) if y else 0
        corner = int(levels[z, y - 1, x - 1]) if x and y else 0
        low, high = min(left, above), max(left, above)
        guess = low if corner >= high else high if corner <= low else left + above - corner
        levels[z, y, x] = (guess + int(residual[z, y, x])) % modulus
    return levels.astype(np.uint16)


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """A region ``(Z, H, W)`` as deflated bits, the first voxel in the highest bit."""
    import deflate
    import numpy as np

    return bytes(deflate.zlib_compress(np.packbits(mask, axis=None).tobytes(), LEVEL))


def embedded(data: bytes) -> str:
    """Bytes as text for a page."""
    return base64.b64encode(data).decode("ascii")


def _predicted(levels: NDArray[np.int32]) -> NDArray[np.int32]:
    """From the left, upper and upper left neighbours in the slice; 0 stands for those beyond the edge."""
    import numpy as np

    padded = np.pad(levels, ((0, 0), (1, 0), (1, 0)))
    left, above, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    low, high = np.minimum(left, above), np.maximum(left, above)
    return np.where(corner >= high, low, np.where(corner <= low, high, left + above - corner))
