"""Paired comparisons on the same patients: exact signed-rank tests over one or several metrics, Holm over pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmark.statistics.ranks import middle_ranks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

EXACT_UP_TO = 50
"""Non-zero differences up to which the null distribution is counted out; more take the normal approximation."""


@dataclass(frozen=True)
class SignedRank:
    """Outcome of a Wilcoxon signed-rank test; ``n`` counts the differences that are not zero."""

    w_plus: float
    p: float
    n: int


def differences(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """``first - second`` along the last axis, rounded to twelve digits of the largest value there.

    Without it ``0.49 - 0.45`` and ``0.58 - 0.54`` differ in binary, and ties are split by rounding error. A
    value that is missing (NaN) on one side only counts as worse than any: the difference is infinite (Lachin
    1999, worst-rank scores). Missing or infinite on both sides: no difference. Higher values must be better for
    that.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"paired differences of shapes {a.shape} and {b.shape}")
    a, b = (np.where(np.isnan(side), -np.inf, side) for side in (a, b))
    with np.errstate(invalid="ignore"):
        raw = np.where(a == b, 0.0, a - b)
    sizes = np.maximum(np.where(np.isfinite(a), np.abs(a), 0.0), np.where(np.isfinite(b), np.abs(b), 0.0))
    return rounded(raw, sizes.max(axis=-1, initial=0.0, keepdims=True))


def rounded(values: NDArray[np.float64], largest: ArrayLike) -> NDArray[np.float64]:
    """Values rounded to twelve digits of ``largest``, the size of what they were computed from."""
    size = np.asarray(largest, np.float64)
    digits = 11 - np.floor(np.log10(np.where(size > 0, size, 1.0)))
    factor = 10.0 ** np.clip(digits, -290, 290)
    known = np.isfinite(values)
    # divided, not multiplied: whole steps that are equal stay equal, and print as the decimals they stand for
    return np.where(known, np.rint(np.where(known, values, 0.0) * factor) / factor, values)


def signed_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each difference by size along the last axis, with its sign; zeros dropped (0), ties in the middle."""
    zeros = np.count_nonzero(values == 0.0, axis=-1, keepdims=True)
    ranks = np.maximum(middle_ranks(np.abs(values)) - zeros, 0.0)
    return np.asarray(np.sign(values) * ranks)


def signed_rank(values: ArrayLike, zeros: Literal["drop", "rank"] = "drop") -> SignedRank:
    """Two-sided Wilcoxon signed-rank test of differences; ties share the middle rank.

    Zeros are dropped (Wilcoxon), or ranked with the others and then left out of the sum (``rank``, Pratt 1959).
    The p value is exact (all sign patterns counted, ties included) up to :data:`EXACT_UP_TO` differences,
    beyond that from the normal approximation with its correction for ties. Without differences it is 1.
    """
    array = np.asarray(values, np.float64)
    signed = signed_ranks(array) if zeros == "drop" else np.sign(array) * middle_ranks(np.abs(array))
    (p,) = _p_values(signed[None])
    return SignedRank(float(signed[signed > 0].sum()), p, int(np.count_nonzero(signed)))


def signed_rank_p(values: NDArray[np.float64]) -> list[float]:
    """The p values of :func:`signed_rank` for every row of differences."""
    return _p_values(signed_ranks(values))


def combined_differences(metrics: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One difference per patient from the differences under several metrics: the sum of their signed ranks.

    Signed ranks have no unit, so metrics weigh the same (as O'Brien 1984 did with rank sums). If two models are
    exchangeable the result is symmetric about 0, however the metrics depend on each other, and the signed-rank
    test of it is exact; for a single metric it is that metric's own test.
    """
    return np.sum([signed_ranks(values) for values in metrics], axis=0)  # type: ignore[no-any-return]


def _p_values(signed: NDArray[np.float64]) -> list[float]:
    """Two-sided p of rows of signed ranks; zeros are no ranks."""
    p = np.ones(len(signed))
    counts = np.count_nonzero(signed, axis=1)
    for row in np.flatnonzero(counts > EXACT_UP_TO):
        variance = float(np.sum(signed[row] ** 2)) / 4
        p[row] = math.erfc(abs(float(np.sum(signed[row]))) / 2 / math.sqrt(2 * variance))
    exact = np.flatnonzero((counts > 0) & (counts <= EXACT_UP_TO))
    if not len(exact):
        return p.tolist()
    doubled = np.rint(2 * signed[exact]).astype(np.int64)  # middle ranks are halves
    sums = np.maximum(doubled, 0).sum(axis=1)
    # rows with the same ranks, and without ties that is all of them, have the same null distribution
    patterns, which = np.unique(np.sort(np.abs(doubled), axis=1), axis=0, return_inverse=True)
    for place, pattern in enumerate(patterns):
        tails = _tails(tuple(pattern[pattern > 0].tolist()))
        rows = which.ravel() == place
        p[exact[rows]] = tails[np.minimum(sums[rows], len(tails) - 1 - sums[rows])]
    return np.minimum(p, 1.0).tolist()  # type: ignore[no-any-return]


@lru_cache(maxsize=512)
def _tails(doubled: tuple[int, ...]) -> NDArray[np.float64]:
    """Twice the share of the 2^n sign patterns whose positive ranks sum to at most each value."""
    total = sum(doubled)
    patterns = np.zeros(total + 1)
    patterns[0] = 1.0
    for rank in doubled:
        patterns[rank:] = patterns[rank:] + patterns[: total + 1 - rank]
    return np.asarray(np.cumsum(patterns) / 2.0 ** (len(doubled) - 1))


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
