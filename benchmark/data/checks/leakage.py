"""Find slices with identical pixels: across splits they are leakage, within one they count twice.

And patients in two splits whose names differ as typing does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.data.format.schema import CaseKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class Twins:
    """Slices of one case whose pixels are those of another (or the same) case."""

    role: str
    where: str
    other: str
    leaks: bool
    example: str
    count: int = 0


@dataclass(frozen=True)
class _Seen:
    key: CaseKey
    split: str
    number: int


class SliceIndex:
    """Hashes of all slices seen so far. Values are compared as float32, so int16 and float32 copies meet.

    Memory: about 200 bytes a slice.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, bytes], _Seen] = {}
        self._twins: dict[tuple[str, CaseKey, CaseKey], Twins] = {}

    def add(
        self, role: str, key: CaseKey, split: str, slices: NDArray[np.generic], numbers: NDArray[np.integer]
    ) -> None:
        """Take in slices ``(n, H, W)`` of a case, with their numbers in the volume."""
        import numpy as np

        for values, number in zip(slices, numbers, strict=True):
            # adding zero makes -0.0 and 0.0 the same bytes
            pixels = np.ascontiguousarray(values, np.float32) + np.float32(0)
            seen = _Seen(key, split, int(number))
            first = self._first.setdefault((role, hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()), seen)
            if first is not seen:
                self._count(role, seen, first)

    def twins(self) -> Iterator[Twins]:
        """One entry per role and pair of cases."""
        yield from self._twins.values()

    def _count(self, role: str, seen: _Seen, first: _Seen) -> None:
        twins = self._twins.setdefault(
            (role, seen.key, first.key),
            Twins(
                role=role,
                where=f"{seen.key} ({seen.split})",
                other=f"{first.key} ({first.split})",
                leaks=seen.split != first.split,
                example=f"slice {seen.number} = slice {first.number}",
            ),
        )
        twins.count += 1


def alike(split_of: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of patients of different splits whose names differ in case, punctuation or leading zeros only."""
    first: dict[str, str] = {}
    for name in sorted(split_of):
        # "P-007" and "p7" are one, "p1.2" and "p12" are not
        words = re.findall(r"[a-z]+|\d+", name.lower())
        other = first.setdefault("-".join(word.lstrip("0") or "0" for word in words), name)
        if split_of[other] != split_of[name]:
            yield other, name
