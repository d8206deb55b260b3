"""How large a paired difference is, in standard deviations, and how well that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """Mean paired difference over the standard deviation of the differences (d_z), with its 95 % limits."""

    size: float
    low: float
    high: float


def effect_size(mean: float, sd: float, n: int, level: float = 0.95) -> Effect:
    """Standardised mean paired difference with the exact interval for normal differences.

    The t statistic of ``n`` patients is ``d sqrt(n)`` and follows a noncentral t distribution; its noncentrality
    is inverted (Cumming and Finch 2001). Like every standardised difference it is biased away from 0 in small
    samples (by about 4 % at 20 patients). NaN below two patients; infinite where all differences are the same.
    """
    from scipy.special import nctdtrinc

    if n < 2 or math.isnan(sd):
        return Effect(math.nan, math.nan, math.nan)
    if sd == 0.0:
        size = 0.0 if mean == 0.0 else math.copysign(math.inf, mean)
        return Effect(size, math.nan, math.nan)
    size, root = mean / sd, math.sqrt(n)
    low, high = (float(nctdtrinc(n - 1, p, size * root)) / root for p in ((1 + level) / 2, (1 - level) / 2))
    return Effect(size, low, high)
