"""Scores without an error left to measure: what they are, and how they enter a mean that they must not decide.

PSNR of identical images is infinite, and what rounding leaves of it is any number from about 90 dB to 300 dB: a size
that says nothing about a translation. Such a score is *exact*. It is better than every other, and has no size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_DB = 20 * math.log10(2**16 - 1)
"""96.3 dB: an error of one step of 16 bits, in which scanners and importers store images. What is smaller is
rounding."""


def exact_from(unit: str, *, higher_is_better: bool | None) -> float | None:
    """The score from which on it is exact: :data:`EXACT_DB` for decibels, else infinity; an endless error is not."""
    if not higher_is_better:
        return None
    return EXACT_DB if unit == "dB" else math.inf


def mean_of(values: Sequence[float], limit: float | None) -> float:
    """Mean of scores, of which those from ``limit`` on are exact.

    An exact one counts as the best of the others: it cannot lift the mean above what was measured, nor does leaving
    it out punish a model for being right. Infinite where all are exact (or an error is endless).
    """
    measured = values if limit is None else [value for value in values if value < limit]
    if not measured:
        return math.inf
    filled = [*measured, *[max(measured)] * (len(values) - len(measured))]
    return fmean(filled) if all(map(math.isfinite, filled)) else sum(filled) / len(filled)


def as_infinite(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Scores of which the exact decibels are infinite."""
    return np.where(values >= EXACT_DB, math.inf, values) if unit == "dB" else values
