"""The map between physical units and the [-1, 1] that networks see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Window:
    """A rule for an intensity window in physical units: fixed (``low`` and ``high`` in the unit), or
    percentiles (``low`` and ``high`` in 0..100) of the region's voxels of *training* patients.
    """

    low: float
    high: float
    kind: Literal["fixed", "percentile"] = "fixed"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"window {self.low}..{self.high}: low must be below high")
        if self.kind == "percentile" and not (self.low >= 0 and self.high <= 100):
            raise ValueError(f"percentile window {self.low}..{self.high}: must lie in 0..100")


@dataclass(frozen=True)
class IntensityMap:
    """An affine map of the window [low, high] in ``unit`` onto [-1, 1].

    ``inverse(forward(x))`` equals ``clip(x)`` to float32 precision of the window's width; integers (int16
    HU) come back exactly after rounding, for windows up to 2**22 wide.
    """

    unit: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"intensity window {self.low}..{self.high} {self.unit}: low must be below high")

    @property
    def width(self) -> float:
        """Width of the window in the unit."""
        return self.high - self.low

    def clip(self, values: ArrayLike) -> NDArray[np.float64]:
        """The values, limited to the window, as float64."""
        import numpy as np

        return np.clip(np.asarray(values, dtype=np.float64), self.low, self.high)

    def forward(self, values: ArrayLike) -> NDArray[np.float32]:
        """Physical units to [-1, 1]; values outside the window are clipped."""
        import numpy as np

        return (2.0 * (self.clip(values) - self.low) / self.width - 1.0).astype(np.float32)

    def inverse(self, values: ArrayLike) -> NDArray[np.float64]:
        """[-1, 1] to physical units, in float64; values outside [-1, 1] are clipped."""
        import numpy as np

        scaled = np.clip(np.asarray(values, dtype=np.float64), -1.0, 1.0)
        return (scaled + 1.0) / 2.0 * self.width + self.low

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping."""
        return {"unit": self.unit, "low": self.low, "high": self.high}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> IntensityMap:
        """From what :meth:`to_json` gave."""
        return cls(unit=str(data["unit"]), low=float(data["low"]), high=float(data["high"]))
