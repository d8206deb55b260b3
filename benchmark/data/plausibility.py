"""Do the values of a side look like its unit, and does the window keep them?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.data.intensity import IntensityMap
from benchmark.data.schema import Side

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# An HU image of a body has air (-1000) and bone (several hundred); scanners pad down to -2048 and store int16.
_HU_AIR, _HU_BONE, _HU_LOWEST, _HU_HIGHEST = -200.0, 200.0, -2048.0, 32767.0
# An uptake is not negative, save for noise of the reconstruction; above 1000 it is most likely Bq/ml.
_SUV_LOWEST, _SUV_HIGHEST = -1.0, 1000.0
_MOST_CLIPPED = 0.02


@dataclass
class SideStatistics:
    """Range and clipping of one side, gathered case by case."""

    side: Side
    window: IntensityMap
    low: float = float("inf")
    high: float = float("-inf")
    clipped: int = 0
    voxels: int = 0

    def add(self, values: NDArray[np.number], mask: NDArray[np.bool_]) -> None:
        """Take in a case: finite values and region, both ``(Z, H, W)``."""
        import numpy as np

        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        region = values[mask].astype(np.float32)
        self.voxels += region.size
        self.clipped += int(np.count_nonzero((region < self.window.low) | (region > self.window.high)))

    def findings(self) -> Iterator[tuple[str, str]]:
        """What looks wrong, and what to do about it."""
        if not self.voxels:
            return
        spans = f"values span {self.low:.6g} to {self.high:.6g} {self.side.unit}"
        if self.side.unit == "HU":
            if self.low > _HU_AIR or self.high < _HU_BONE:
                yield f"{spans}, without air or without bone", "apply rescale slope and intercept before importing"
            if self.low < _HU_LOWEST or self.high > _HU_HIGHEST:
                yield f"{spans}, outside what CT can hold", "limit padding and metal to -1024..3071 HU when importing"
        if self.side.unit == "SUV" and (self.low < _SUV_LOWEST or self.high > _SUV_HIGHEST):
            yield f"{spans}, no uptake is like that", "convert Bq/ml to SUV by weight and injected activity"
        share = self.clipped / self.voxels
        if share > _MOST_CLIPPED:
            yield (
                f"the window {self.window.low:g}..{self.window.high:g} {self.window.unit} clips "
                f"{100 * share:.1f} % of the region's voxels",
                "models cannot give values outside it: widen the window when importing",
            )
