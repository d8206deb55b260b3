"""Means over patients and how well they are known.

Two intervals of a mean: Student's t below :data:`BCA_FROM` patients, the bias-corrected and accelerated bootstrap
from there on. What they cover in truth, measured by ``tests/performance/coverage.py``, stands in
``docs/leaderboards.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BCA_FROM = 25
"""From this many patients on, intervals of a mean are BCa; Student's t covers better below, if the scores are not
very skewed."""


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` patients with its confidence limits; all NaN without values, limits NaN for one."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the distance between the limits, which need not lie symmetrically about the mean."""
        return (self.high - self.low) / 2


def t_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """Student's interval of a mean: ``mean +- t((1 + level) / 2, n - 1) sd / sqrt(n)``.

    With few patients it covers better than bootstraps. One patient has a mean and no interval.
    """
    finite = [float(value) for value in values]
    n = len(finite)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(finite) / n
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    variance = math.fsum((value - mean) ** 2 for value in finite) / (n - 1)
    margin = t_quantile((1 + level) / 2, n - 1) * math.sqrt(variance / n)
    return Interval(mean, mean - margin, mean + margin, n)


def bca_interval(values: ArrayLike, resampled: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Bias-corrected and accelerated bootstrap interval of a mean (Efron 1987, eq. 6.8).

    ``resampled`` holds the means of bootstrap resamples of ``values``
    (:meth:`benchmark.statistics.bootstrap.Resamples.means`). The acceleration of a mean has a closed form:
    ``sum(d^3) / (6 sum(d^2)^1.5)`` with the deviations d. Values that are all equal give no width.
    """
    array = np.asarray(values, np.float64)
    mean = fmean(array)
    deviations = array - mean
    spread = float(np.sum(deviations**2))
    if spread == 0.0:
        return Interval(mean, mean, mean, len(array))
    acceleration = float(np.sum(deviations**3)) / (6 * spread**1.5)
    below = (np.count_nonzero(resampled < mean) + 0.5 * np.count_nonzero(resampled == mean)) / len(resampled)
    normal = NormalDist()
    bias = normal.inv_cdf(min(max(below, 1 / len(resampled)), 1 - 1 / len(resampled)))

    def corrected(probability: float) -> float:
        shifted = bias + normal.inv_cdf(probability)
        return normal.cdf(bias + shifted / (1 - acceleration * shifted))

    low, high = np.quantile(resampled, [corrected((1 - level) / 2), corrected((1 + level) / 2)])
    return Interval(mean, float(low), float(high), len(array))


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))
