"""What so few patients can show: the smallest p, how many it takes, and the smallest difference found."""

from __future__ import annotations

import itertools
import math

from benchmark.statistics.claims import scheduled
from benchmark.statistics.intervals import t_quantile


def smallest_p(n: int, tests: int = 1) -> float:
    """The smallest p that a two-sided signed-rank test of ``n`` patients can reach, times ``tests`` (Holm)."""
    return min(1.0, tests * float(2.0 ** (1 - n))) if n > 0 else 1.0


def smallest_claim(n: int, models: int) -> float:
    """The smallest adjusted p that a pair of a table can reach (:mod:`benchmark.statistics.claims`)."""
    return scheduled(smallest_p(n), 2, models)


def patients_needed(models: int, alpha: float = 0.05) -> int:
    """Fewest patients with which any pair of a table of so many models can be told apart at all."""
    return next(n for n in itertools.count(1) if smallest_claim(n, models) <= alpha)


def detectable_over_seeds(sd: float, seeds: int, freedom: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference of two models of so many seeds each that is found beyond what seeds change.

    ``sd`` is that of single seeds, known to ``freedom`` degrees. NaN where it is not known.
    """
    if freedom < 1 or not math.isfinite(sd):
        return math.nan
    return (t_quantile(1 - alpha / 2, freedom) + t_quantile(power, freedom)) * sd * math.sqrt(2 / seeds)


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
