"""Do the values of a side look like its unit, in every case, and does the window keep them?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Literal

from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.schema import CaseKey, Side

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# An HU image of a body has air (-1000) and bone (several hundred); scanners pad down to -2048 and store int16.
_HU_AIR, _HU_BONE, _HU_LOWEST, _HU_HIGHEST = -200.0, 200.0, -2048.0, 32767.0
# Half of a body is neither as dense as cortical bone nor as thin as air.
_HU_BODY = (-950.0, 700.0)
# An uptake is not negative, save for noise of the reconstruction; above 1000 it is most likely Bq/ml. It averages 1
# over the body by definition, and some 5 over a brain.
_SUV_LOWEST, _SUV_HIGHEST, _SUV_BODY = -1.0, 1000.0, 30.0
# A whole image without a voxel of a twentieth of the average is not one of a person to whom that dose was given.
_SUV_NOTHING = 0.05
Severity = Literal["error", "warning"]
_MOST_CLIPPED = 0.02
_OTHER_SCALE = 50.0


@dataclass(frozen=True)
class CaseValues:
    """Numbers of one case: the whole image's range, and inside the region the middle and the spread (5 to 95 %)."""

    key: CaseKey
    low: float
    high: float
    middle: float
    spread: float


@dataclass
class SideStatistics:
    """Ranges and clipping of one side, gathered case by case."""

    side: Side
    window: IntensityMap
    cases: list[CaseValues] = field(default_factory=list)
    clipped: int = 0
    voxels: int = 0

    def add(self, key: CaseKey, values: NDArray[np.number], mask: NDArray[np.bool_]) -> None:
        """Take in a case: finite values and region, both ``(Z, H, W)``."""
        import numpy as np

        region = values[mask].astype(np.float32)
        if not region.size:
            return
        sample = region[:: max(1, region.size // 100_000)]
        first, middle, last = (float(value) for value in np.percentile(sample, [5, 50, 95]))
        self.cases.append(CaseValues(key, float(values.min()), float(values.max()), middle, last - first))
        self.voxels += region.size
        self.clipped += int(np.count_nonzero((region < self.window.low) | (region > self.window.high)))

    def findings(self) -> Iterator[tuple[Severity, str, str]]:
        """How bad it is, what looks wrong, and what to do about it."""
        if not self.voxels:
            return
        if self.side.unit == "HU":
            yield from self._values_in_hu()
        if self.side.unit == "SUV":
            yield from self._values_in_suv()
        spreads = [case.spread for case in self.cases if case.spread > 0]
        usual = median(spreads) if spreads else 0.0
        yield from self._where(
            lambda case: case.spread * _OTHER_SCALE < usual or case.spread > usual * _OTHER_SCALE,
            f"and spread {_OTHER_SCALE:g} times less or more than in other cases",
            "bring all patients to one scale, with the rescale slope of each scan, before importing",
        )
        share = self.clipped / self.voxels
        if share > _MOST_CLIPPED:
            yield (
                "warning",
                f"the window {self.window.low:g}..{self.window.high:g} {self.window.unit} clips "
                f"{100 * share:.1f} % of the region's voxels",
                "models cannot give values outside it: widen the window when importing",
            )

    def _values_in_suv(self) -> Iterator[tuple[Severity, str, str]]:
        """A wrong factor is an error: every score in SUV would be wrong by it."""
        yield from self._where(
            lambda case: case.high > _SUV_HIGHEST or case.middle > _SUV_BODY or case.high < _SUV_NOTHING,
            "no uptake is like that",
            "convert Bq/ml to SUV by weight and injected activity",
            "error",
        )
        yield from self._where(
            lambda case: case.low < _SUV_LOWEST,
            "and an uptake is not negative",
            "look at the contact sheet: was something subtracted?",
        )

    def _values_in_hu(self) -> Iterator[tuple[Severity, str, str]]:
        yield from self._where(
            lambda case: case.low > _HU_AIR or case.high < _HU_BONE,
            "without air or without bone",
            "apply rescale slope and intercept before importing, unless nothing but soft tissue was scanned",
        )
        yield from self._where(
            lambda case: case.low < _HU_LOWEST or case.high > _HU_HIGHEST,
            "outside what CT can hold",
            "limit padding and metal to -1024..3071 HU when importing",
        )
        yield from self._where(
            lambda case: case.low <= _HU_AIR and case.high >= _HU_BONE and not _HU_BODY[0] < case.middle < _HU_BODY[1],
            f"and half the region is not between {_HU_BODY[0]:g} and {_HU_BODY[1]:g} HU, as a body is",
            "look at the contact sheet: is the region the body, and are the values HU?",
        )

    def _where(
        self, wrong: Callable[[CaseValues], bool], what: str, advice: str, severity: Severity = "warning"
    ) -> Iterator[tuple[Severity, str, str]]:
        """One finding for all cases of which something is true."""
        found = [case for case in self.cases if wrong(case)]
        if found:
            low, high = min(case.low for case in found), max(case.high for case in found)
            which = "" if len(found) == len(self.cases) else f" in {len(found)} of {len(self.cases)} cases"
            first = "" if len(found) == len(self.cases) else f" (first {found[0].key})"
            yield severity, f"values{which}{first} span {low:.6g} to {high:.6g} {self.side.unit}, {what}", advice
