"""Orders of models: ranks by mean, mean ranks over patients or tasks, and what the tests let one claim."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from benchmark.statistics.paired import Comparison, middle_ranks


def competition_ranks(values: Mapping[str, float], *, higher_is_better: bool) -> dict[str, int]:
    """Rank 1 is best; equal values share a rank and the next one is skipped (1, 2, 2, 4)."""
    sign = -1.0 if higher_is_better else 1.0
    keys = {model: sign * value for model, value in values.items()}
    return {model: 1 + sum(other < key for other in keys.values()) for model, key in keys.items()}


def mean_ranks(scores: Sequence[Mapping[str, float]], *, higher_is_better: bool) -> dict[str, float]:
    """Rank models within each block (a patient, a task), ties sharing the middle rank, and average.

    A model that is missing from a block is not ranked there and its average is over the others; callers
    print in how many blocks it was.
    """
    sign = -1.0 if higher_is_better else 1.0
    ranks: dict[str, list[float]] = {}
    for block in scores:
        values = [sign * value for value in block.values()]
        for model, rank in zip(block, middle_ranks(values), strict=True):
            ranks.setdefault(model, []).append(rank)
    return {model: fmean(values) for model, values in ranks.items()}


def separated(comparisons: Collection[Comparison], alpha: float = 0.05) -> set[frozenset[str]]:
    """Pairs of models that differ after Holm's adjustment."""
    return {frozenset((c.first, c.second)) for c in comparisons if c.adjusted_p <= alpha}


def tiers(best_first: Sequence[str], apart: Collection[frozenset[str]]) -> dict[str, str]:
    """Letters for groups of models: ``a`` holds the best and everything not separated from it, ``b`` the
    best of the rest and everything left that is not separated from that one, and so on.
    """
    remaining = list(best_first)
    letters: dict[str, str] = {}
    for group in range(len(best_first)):
        if not remaining:
            break
        leader = remaining[0]
        members = [model for model in remaining if frozenset((leader, model)) not in apart]
        letters |= dict.fromkeys(members, _letters(group))
        remaining = [model for model in remaining if model not in members]
    return letters


def _letters(number: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    first, last = divmod(number, 26)
    return (_letters(first - 1) if first else "") + string.ascii_lowercase[last]


def rank_ranges(
    means: Mapping[str, float], apart: Collection[frozenset[str]], *, higher_is_better: bool
) -> dict[str, tuple[int, int]]:
    """The ranks that the tests leave open for each model: below all that are separated and better, above all
    that are separated and worse.
    """
    sign = 1.0 if higher_is_better else -1.0
    ranges = {}
    for model, mean in means.items():
        rivals = [other for other in means if frozenset((model, other)) in apart]
        better = sum(sign * means[other] > sign * mean for other in rivals)
        ranges[model] = (1 + better, len(means) - (len(rivals) - better))
    return ranges
