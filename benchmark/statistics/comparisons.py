"""Every pair of models of a table: how far apart, how sure, and how sure after looking at all pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmark.statistics.effects import Effect, effect_sizes
from benchmark.statistics.intervals import BCA_FROM, Interval, bca_interval, t_quantile
from benchmark.statistics.paired import combined_differences, differences, holm, signed_rank, signed_rank_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.statistics.bootstrap import Resamples


@dataclass(frozen=True)
class Difference:
    """One metric, two models on the patients both were scored on: first minus second, in the metric's unit.

    ``p`` is of the signed-rank test under this metric alone; a patient that only one of them was scored on counts
    there as won by that one. ``sd`` is of the differences. Positive is better for ``first`` only where higher is.
    """

    interval: Interval
    sd: float
    effect: Effect
    p: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same patients. ``difference`` is under the primary metric; ``p`` is of the signed-rank
    test over all metrics that rank, ``adjusted_p`` the same after Holm over all pairs of the table. Both know patients
    only; ``claim_p`` is what may be claimed, with seeds (:mod:`benchmark.statistics.claims`).

    ``ahead`` is positive where the test leans to ``first``, negative where to ``second``.
    """

    first: str
    second: str
    patients: int
    difference: Difference
    ahead: float
    p: float
    adjusted_p: float
    claim_p: float = 1.0


def difference_of(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    higher_is_better: bool,
    resamples: Resamples | None = None,
) -> Difference:
    """Paired difference of patient values ``(n,)``, NaN where missing.

    The interval of the mean is Student's t below :data:`BCA_FROM` patients or without ``resamples``, else BCa.
    """
    sign = 1.0 if higher_is_better else -1.0
    better = differences(sign * first, sign * second)
    both = np.isfinite(first) & np.isfinite(second)
    (found,) = _described(np.where(both, sign * better, math.nan)[None], [signed_rank(better).p])
    values = sign * better[both]
    if resamples is not None and len(values) == resamples.n >= BCA_FROM:
        return replace(found, interval=bca_interval(values, resamples.means(values[:, None])[:, 0]))
    return found


def _described(values: NDArray[np.float64], p_values: Sequence[float]) -> list[Difference]:
    """Rows of differences ``(pairs, patients)``, NaN where a side is missing, with Student's intervals."""
    known = ~np.isnan(values)
    n = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=1) / n
        sd = np.sqrt((np.where(known, values - mean[:, None], 0.0) ** 2).sum(axis=1) / (n - 1))
    sd[n < 2] = math.nan
    quantiles = {count: t_quantile(0.975, count - 1) if count > 1 else math.nan for count in set(n.tolist())}
    margin = [quantiles[count] * s / math.sqrt(count or 1) for count, s in zip(n.tolist(), sd.tolist(), strict=True)]
    return [
        Difference(Interval(m, m - half, m + half, count), s, effect, p)
        for m, half, count, s, effect, p in zip(
            mean.tolist(), margin, n.tolist(), sd.tolist(), effect_sizes(mean, sd, n), p_values, strict=True
        )
    ]


def compare_all(
    names: Sequence[str], metrics: Mapping[str, NDArray[np.float64]], higher: Mapping[str, bool], primary: str
) -> list[Comparison]:
    """Compare every pair of models, with Holm over all pairs.

    ``metrics`` holds patient values ``(models, patients)`` of each metric that ranks, NaN where missing.
    """
    if len(names) < 2:
        return []
    first, second = (list(side) for side in zip(*itertools.combinations(range(len(names)), 2), strict=True))
    signs = {name: 1.0 if higher[name] else -1.0 for name in metrics}
    found = {name: differences(signs[name] * v[first], signs[name] * v[second]) for name, v in metrics.items()}
    combined = combined_differences(list(found.values()))
    tests = signed_rank_p(combined)
    alone = tests if len(metrics) == 1 else signed_rank_p(found[primary])
    return describe_pairs(names, metrics[primary], signs[primary], found[primary], alone, combined, tests)


def describe_pairs(
    names: Sequence[str],
    primary: NDArray[np.float64],
    sign: float,
    better: NDArray[np.float64],
    alone: Sequence[float],
    combined: NDArray[np.float64],
    tests: Sequence[float],
) -> list[Comparison]:
    """:func:`compare_all` where differences and tests of all pairs are known already.

    ``primary`` ``(models, patients)`` under the primary metric, ``sign`` 1 where higher is better there, else -1;
    ``better`` ``(pairs, patients)`` its differences, positive where the first is better, ``alone`` their tests;
    ``combined`` and ``tests`` the same over all metrics.
    """
    pairs = list(itertools.combinations(range(len(names)), 2))
    first, second = (list(side) for side in zip(*pairs, strict=True))
    both = np.isfinite(primary[first]) & np.isfinite(primary[second])
    described = _described(np.where(both, sign * better, math.nan), alone)
    return [
        Comparison(names[one], names[other], difference.interval.n, difference, ahead, p, adjusted)
        for (one, other), difference, ahead, p, adjusted in zip(
            pairs, described, combined.sum(axis=1).tolist(), tests, holm(tests), strict=True
        )
    ]
