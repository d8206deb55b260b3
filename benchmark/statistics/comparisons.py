"""Every pair of models of a table: how far apart, how sure, and how sure after looking at all pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.statistics.effects import Effect, effect_size
from benchmark.statistics.intervals import BCA_FROM, Interval, bca_interval, t_interval
from benchmark.statistics.paired import combined_differences, differences, holm, signed_rank

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
    test over all metrics that rank, ``adjusted_p`` the same after Holm over all pairs of the table.

    ``ahead`` is positive where the test leans to ``first``, negative where to ``second``.
    """

    first: str
    second: str
    patients: int
    difference: Difference
    ahead: float
    p: float
    adjusted_p: float


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
    values = sign * better[np.isfinite(first) & np.isfinite(second)]
    return _described(values, signed_rank(better).p, resamples)


def _described(values: NDArray[np.float64], p: float, resamples: Resamples | None = None) -> Difference:
    if resamples is not None and len(values) == resamples.n >= BCA_FROM:
        interval = bca_interval(values, resamples.means(values[:, None])[:, 0])
    else:
        interval = t_interval(values)
    sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return Difference(interval, sd, effect_size(interval.mean, sd, len(values)), p)


def compare_all(
    names: Sequence[str], metrics: Mapping[str, NDArray[np.float64]], higher: Mapping[str, bool], primary: str
) -> list[Comparison]:
    """Compare every pair of models, with Holm over all pairs.

    ``metrics`` holds patient values ``(models, patients)`` of each metric that ranks, NaN where missing.
    """
    pairs = list(itertools.combinations(range(len(names)), 2))
    if not pairs:
        return []
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    signs = {name: 1.0 if higher[name] else -1.0 for name in metrics}
    found = [differences(signs[name] * values[a], signs[name] * values[b]) for name, values in metrics.items()]
    combined = combined_differences(found)
    tests = [signed_rank(row).p for row in combined]
    in_unit = signs[primary] * found[list(metrics).index(primary)]
    alone = tests if len(metrics) == 1 else [signed_rank(row).p for row in in_unit]
    comparisons = []
    for place, (p, adjusted) in enumerate(zip(tests, holm(tests), strict=True)):
        values = in_unit[place][np.isfinite(metrics[primary][list(pairs[place])]).all(axis=0)]
        comparisons.append(
            Comparison(
                names[pairs[place][0]],
                names[pairs[place][1]],
                patients=len(values),
                difference=_described(values, alone[place]),
                ahead=float(combined[place].sum()),
                p=p,
                adjusted_p=adjusted,
            )
        )
    return comparisons


def tied_with_best(values: NDArray[np.float64], best: int, *, higher_is_better: bool, alpha: float = 0.05) -> list[int]:
    """Models (rows of ``(models, patients)``) that a signed-rank test does not separate from the best, itself
    included; Holm over its comparisons with all others.
    """
    sign = 1.0 if higher_is_better else -1.0
    others = [row for row in range(len(values)) if row != best]
    if not others:
        return [best]
    adjusted = holm(
        [signed_rank(row).p for row in differences(sign * values[[best] * len(others)], sign * values[others])]
    )
    return sorted([best, *(row for row, p in zip(others, adjusted, strict=True) if p > alpha)])
