"""Do source and target of the same case lie on each other?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmark.data.checks.alignment import Alignment
from benchmark.data.format.schema import CaseKey

_LISTED = 3


@dataclass
class PairStatistics:
    """How far source and target of each case lie apart, as far as that can be measured."""

    measured: dict[CaseKey, Alignment] = field(default_factory=dict)
    source: str = "source"
    """What the source, or a channel of it, is called."""

    def add(self, key: CaseKey, found: Alignment | None) -> None:
        """Take in a case; ``None`` where nothing can be said."""
        if found is not None:
            self.measured[key] = found

    def findings(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """What looks wrong, what to do about it, and every case of it."""
        for how in dict.fromkeys(found.flipped for found in self.measured.values() if found.flipped):
            flipped = [key for key, found in self.measured.items() if found.flipped == how]
            yield (
                f"{self.source} fits target better {how} in {self._share(len(flipped))}: "
                f"{', '.join(map(str, flipped[:_LISTED]))}{', ...' if len(flipped) > _LISTED else ''}",
                "look at the contact sheet, and at the orientation in the headers of both scans",
                tuple(map(str, flipped)),
            )
        apart = sorted(
            ((found, key) for key, found in self.measured.items() if found.apart and not found.flipped),
            key=lambda pair: -pair[0].length,
        )
        if apart:
            described = tuple(f"{key} by {_described(found)}" for found, key in apart)
            listed = "; ".join(described[:_LISTED])
            more = "; ..." if len(apart) > _LISTED else ""
            yield (
                f"{self.source} lies beside target in {self._share(len(apart))}: {listed}{more}",
                "an origin or axis went wrong where all cases are off the same way"
                if self._alike([found for found, _ in apart])
                else f"register {self.source} to target before importing, or leave out what is far off",
                described,
            )

    def _share(self, count: int) -> str:
        return f"{count} of {len(self.measured)} cases"

    def _alike(self, apart: list[Alignment]) -> bool:
        """Most cases are off, all within a third of their common shift."""
        if 2 * len(apart) < len(self.measured) or len(apart) < 2:
            return False
        mean = [sum(parts) / len(apart) for parts in zip(*(found.shift for found in apart), strict=True)]
        length = sum(part * part for part in mean) ** 0.5
        return all(
            sum((a - b) ** 2 for a, b in zip(found.shift, mean, strict=True)) ** 0.5 < length / 3 for found in apart
        )


def _described(found: Alignment) -> str:
    along, down, right = found.shift
    return f"{found.length:.1f} mm (slices {along:+.1f}, rows {down:+.1f}, columns {right:+.1f})"
