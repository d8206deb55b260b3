"""The map between physical units and the [-1, 1] that networks see.

With ``u`` the place of a value in its window, 0 at the lower end and 1 at the upper: linear maps give ``2 u - 1``,
root maps ``2 sqrt(u) - 1``. A root map is for units whose values crowd at the lower end, such as uptake (a body has
an SUV of about 1, its hottest organs ten): it spreads them over the networks' range and makes the noise of counts
about equal everywhere (Anscombe 1948). IEEE 754 rounds square roots and products correctly, so the maps and their
inverses give the same bits on every machine, which a logarithm or a power would not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


Curve = Literal["linear", "root"]
CURVES: tuple[Curve, ...] = ("linear", "root")


def _check_curve(curve: str) -> None:
    if curve not in CURVES:
        raise ValueError(f"intensity curve {curve!r} is none of {', '.join(CURVES)}")


@dataclass(frozen=True)
class Window:
    """A rule for an intensity window in physical units: fixed (``low`` and ``high`` in the unit), or
    percentiles (``low`` and ``high`` in 0..100) of the region's voxels of *training* patients; and the curve
    of the map inside it.
    """

    low: float
    high: float
    kind: Literal["fixed", "percentile"] = "fixed"
    curve: Curve = "linear"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"window {self.low}..{self.high}: low must be below high")
        if self.kind == "percentile" and not (self.low >= 0 and self.high <= 100):
            raise ValueError(f"percentile window {self.low}..{self.high}: must lie in 0..100")
        _check_curve(self.curve)


@dataclass(frozen=True)
class IntensityMap:
    """A monotone map of the window [low, high] in ``unit`` onto [-1, 1], linear or along a square root.

    ``inverse(forward(x))`` equals ``clip(x)`` to float32 precision of the window's width; integers (int16
    HU) come back exactly after rounding, for windows up to 2**22 wide, under either curve.
    """

    unit: str
    low: float
    high: float
    curve: Curve = "linear"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"intensity window {self.low}..{self.high} {self.unit}: low must be below high")
        _check_curve(self.curve)

    @property
    def width(self) -> float:
        """Width of the window in the unit."""
        return self.high - self.low

    def clip(self, values: ArrayLike) -> NDArray[np.float64]:
        """The values, limited to the window, as float64."""
        import numpy as np

        clipped: NDArray[np.float64] = np.clip(values, self.low, self.high, dtype=np.float64)
        return clipped

    def forward(self, values: ArrayLike) -> NDArray[np.float32]:
        """Physical units to [-1, 1]; values outside the window are clipped."""
        import numpy as np

        if isinstance(values, np.ndarray) and values.dtype == np.int16 and values.size >= _INT16:
            return np.take(_of_every_int16(self), values.view(np.uint16), mode="wrap")  # unchecked: none is beyond
        share = self.clip(values)  # a copy of our own: changed in place it takes half the time
        share -= self.low
        share /= self.width
        if self.curve == "root":
            share = np.sqrt(share)
        share *= 2.0
        share -= 1.0
        return share.astype(np.float32)

    def inverse(self, values: ArrayLike) -> NDArray[np.float64]:
        """[-1, 1] to physical units, in float64; values outside [-1, 1] are clipped."""
        import numpy as np

        share = (np.clip(np.asarray(values, dtype=np.float64), -1.0, 1.0) + 1.0) / 2.0
        return (share * share if self.curve == "root" else share) * self.width + self.low

    def straighten(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Network values of this map as those of the linear map of its window, where a mean is a mean in the unit."""
        return values if self.curve == "linear" else replace(self, curve="linear").forward(self.inverse(values))

    def bend(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Network values of the linear map of this window as those of this map: undoes :meth:`straighten`."""
        return values if self.curve == "linear" else self.forward(replace(self, curve="linear").inverse(values))

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping; the curve only where it is not linear."""
        plain = {"unit": self.unit, "low": self.low, "high": self.high}
        return plain if self.curve == "linear" else {**plain, "curve": self.curve}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> IntensityMap:
        """From what :meth:`to_json` gave."""
        return cls(str(data["unit"]), float(data["low"]), float(data["high"]), data.get("curve", "linear"))


_INT16 = 1 << 16
"""So many int16 there are: to map as many pixels or more, such as a slice of HU, they are looked up, which takes a
third of the time and gives the same bits."""


@lru_cache(maxsize=8)
def _of_every_int16(fitted: IntensityMap) -> NDArray[np.float32]:
    """The map of every int16, in the order of their bits."""
    import numpy as np

    return fitted.forward(np.arange(_INT16, dtype=np.uint16).view(np.int16).astype(np.float64))
