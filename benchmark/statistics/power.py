"""What so few patients can show: the smallest p, how many it takes, and the smallest difference found."""

from __future__ import annotations

import itertools
import math

from benchmark.statistics.intervals import t_quantile


def smallest_p(n: int, tests: int = 1) -> float:
    """The smallest p that a two-sided signed-rank test of ``n`` patients can reach, times ``tests`` (Holm)."""
    return min(1.0, tests * float(2.0 ** (1 - n))) if n > 0 else 1.0


def patients_needed(tests: int, alpha: float = 0.05) -> int:
    """Fewest patients with which the strictest step of Holm over ``tests`` pairs can reject at all."""
    return next(n for n in itertools.count(1) if smallest_p(n, tests) <= alpha)


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
