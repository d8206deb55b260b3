"""Means over patients and how well they are known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` patients with its confidence limits; all NaN without values, limits NaN for one."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Distance from the mean to either limit."""
        return (self.high - self.low) / 2


def t_interval(values: Iterable[float], level: float = 0.95) -> Interval:
    """Student's interval of a mean: ``mean +- t((1 + level) / 2, n - 1) sd / sqrt(n)``.

    With few patients it covers better than percentile bootstraps. One patient has a mean and no interval.
    """
    finite = [float(value) for value in values]
    n = len(finite)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = fmean(finite)
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    margin = t_quantile((1 + level) / 2, n - 1) * stdev(finite) / math.sqrt(n)
    return Interval(mean, mean - margin, mean + margin, n)


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def patient_means(tables: Iterable[Mapping[str, float | None]]) -> dict[str, float]:
    """Mean by patient over repeated measurements (slices, or seeds), in the order patients first appear.

    A missing, infinite or undefined value does not count; a patient without any other is left out.
    """
    collected: dict[str, list[float]] = {}
    for table in tables:
        for patient, value in table.items():
            values = collected.setdefault(patient, [])
            if value is not None and math.isfinite(value):
                values.append(float(value))
    return {patient: fmean(values) for patient, values in collected.items() if values}


def detectable_difference(sd: float, n: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true mean difference that a paired two-sided t-test finds with this power.

    ``sd`` is the standard deviation of the paired differences over ``n`` patients. From the noncentral t
    distribution; the signed-rank test needs about 5 % more patients for the same. NaN below two patients.
    """
    from scipy.special import nctdtrinc

    if n < 2 or not math.isfinite(sd):
        return math.nan
    # the other tail, a significant difference of the wrong sign, is below 1e-4 of the power
    critical = t_quantile(1 - alpha / 2, n - 1)
    return float(nctdtrinc(n - 1, 1 - power, critical)) * sd / math.sqrt(n)
