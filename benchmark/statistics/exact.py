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


def exact_from(unit: str) -> float:
    """The score in this unit from which on it is exact: :data:`EXACT_DB` for decibels, else only infinity."""
    return EXACT_DB if unit == "dB" else math.inf


def mean_of(values: Sequence[float], unit: str) -> float:
    """Mean of scores; each exact one counts as the best of the others, so that it cannot lift the mean above them.

    Infinite where all are exact (or endless errors), NaN without values.
    """
    if not values:
        return math.nan
    limit = exact_from(unit)
    measured = [value for value in values if value < limit]
    if len(measured) == len(values) or not measured:
        return fmean(values) if len(measured) == len(values) else math.inf
    return fmean([*measured, *[max(measured)] * (len(values) - len(measured))])


def as_infinite(values: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Scores of which the exact ones are infinite."""
    limit = exact_from(unit)
    return values if math.isinf(limit) else np.where(values >= limit, math.inf, values)
