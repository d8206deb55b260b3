"""Paired comparisons of models on the same patients: exact signed-rank tests, and Holm over all pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

EXACT_UP_TO = 50
"""Non-zero differences up to which the null distribution is counted out; more take the normal approximation."""


@dataclass(frozen=True)
class SignedRank:
    """Outcome of a Wilcoxon signed-rank test; ``n`` counts the differences that are not zero."""

    w_plus: float
    p: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """Two models on the patients both were scored on; ``mean`` and ``sd`` are of first minus second."""

    first: str
    second: str
    patients: int
    mean: float
    sd: float
    p: float
    adjusted_p: float


def differences(first: Iterable[float], second: Iterable[float]) -> list[float]:
    """Differences, rounded to twelve digits of the largest value.

    Without it ``0.49 - 0.45`` and ``0.58 - 0.54`` differ in binary, and ties are split by rounding error.
    """
    pairs = list(zip(first, second, strict=True))
    largest = max((abs(value) for pair in pairs for value in pair), default=0.0)
    if largest == 0.0:
        return [0.0] * len(pairs)
    decimals = 11 - math.floor(math.log10(largest))
    return [round(a - b, decimals) for a, b in pairs]


def signed_rank(values: Iterable[float]) -> SignedRank:
    """Two-sided Wilcoxon signed-rank test of differences: zeros dropped, ties share the middle rank.

    The p value is exact (all sign patterns counted, ties included) up to :data:`EXACT_UP_TO` differences,
    beyond that from the normal approximation with its correction for ties. Without differences it is 1.
    """
    nonzero = [float(value) for value in values if value != 0.0]
    n = len(nonzero)
    if n == 0:
        return SignedRank(0.0, 1.0, 0)
    ranks = middle_ranks([abs(value) for value in nonzero])
    w_plus = sum(rank for rank, value in zip(ranks, nonzero, strict=True) if value > 0)
    p = _exact_p(ranks, w_plus) if n <= EXACT_UP_TO else _normal_p(ranks, w_plus)
    return SignedRank(w_plus, p, n)


def middle_ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, smallest first; ties share the mean of the ranks they cover."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    for _, tied in itertools.groupby(enumerate(order, 1), key=lambda place: values[place[1]]):
        places = list(tied)
        middle = (places[0][0] + places[-1][0]) / 2
        for _, index in places:
            ranks[index] = middle
    return ranks


def _exact_p(ranks: Sequence[float], w_plus: float) -> float:
    """Share of the 2^n sign patterns whose positive ranks sum to at least as far from the middle."""
    doubled = [round(2 * rank) for rank in ranks]  # middle ranks are halves
    total = sum(doubled)
    patterns = [1] + [0] * total
    for rank in doubled:
        for reached in range(total, rank - 1, -1):
            patterns[reached] += patterns[reached - rank]
    tail = min(round(2 * w_plus), total - round(2 * w_plus))
    return min(1.0, sum(patterns[: tail + 1]) / 2.0 ** (len(ranks) - 1))


def _normal_p(ranks: Sequence[float], w_plus: float) -> float:
    mean, variance = sum(ranks) / 2, sum(rank * rank for rank in ranks) / 4
    return math.erfc(abs(w_plus - mean) / math.sqrt(2 * variance))


def smallest_p(n: int, tests: int = 1) -> float:
    """The smallest p that a two-sided signed-rank test of ``n`` patients can reach, times ``tests`` (Holm)."""
    return min(1.0, tests * float(2.0 ** (1 - n))) if n > 0 else 1.0


def patients_needed(tests: int, alpha: float = 0.05) -> int:
    """Fewest patients with which the strictest step of Holm over ``tests`` pairs can reject at all."""
    return next(n for n in itertools.count(1) if smallest_p(n, tests) <= alpha)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment; the order of the tests is kept.

    Raises:
        ValueError: a value is not a probability.
    """
    if not all(0.0 <= p <= 1.0 for p in p_values):
        raise ValueError(f"Holm: not all probabilities: {list(p_values)}")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def compare_all(scores: Mapping[str, Mapping[str, float]]) -> list[Comparison]:
    """Compare every pair of models on the patients they share, with Holm over all pairs.

    ``scores`` holds one value per patient and model.
    """
    pairs = []
    for first, second in itertools.combinations(sorted(scores), 2):
        shared = sorted(scores[first].keys() & scores[second].keys())
        values = differences(*([scores[model][patient] for patient in shared] for model in (first, second)))
        pairs.append((first, second, values))
    tests = [signed_rank(values).p for _, _, values in pairs]
    return [
        Comparison(
            first,
            second,
            patients=len(values),
            mean=fmean(values) if values else math.nan,
            sd=stdev(values) if len(values) > 1 else math.nan,
            p=p,
            adjusted_p=adjusted,
        )
        for (first, second, values), p, adjusted in zip(pairs, tests, holm(tests), strict=True)
    ]
