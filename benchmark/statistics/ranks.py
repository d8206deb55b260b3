"""Orders of models: ranks under a metric, mean ranks over metrics and tasks, and what may be claimed of them."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PERFECT = 1e9
"""Stands for an infinite score (PSNR of identical images) in means that are ranked: better than any real one."""


def middle_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1 along the last axis, smallest first; ties share the mean of the ranks they cover."""
    array = np.asarray(values, np.float64)
    size = array.shape[-1]
    if size == 0:
        return np.empty_like(array)
    order = np.argsort(array, axis=-1)
    ordered = np.take_along_axis(array, order, axis=-1)
    places = np.broadcast_to(np.arange(size, dtype=np.float64), array.shape)
    new = np.ones(array.shape, bool)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    middle: NDArray[np.float64] = places + 1.0
    if not new.all():
        last = np.ones(array.shape, bool)
        last[..., :-1] = new[..., 1:]
        first_of = np.maximum.accumulate(np.where(new, places, 0.0), axis=-1)
        reverse = np.where(last, places, float(size))[..., ::-1]
        last_of = np.minimum.accumulate(reverse, axis=-1)[..., ::-1]
        middle = (first_of + last_of) / 2 + 1.0
    ranks = np.empty(array.shape)
    np.put_along_axis(ranks, order, middle, axis=-1)
    return ranks


def metric_ranks(means: NDArray[np.float64], missing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of entries (last axis) by their means, 1 best, ties in the middle; higher means must be better.

    Entries with missing patients come after all that have none, the more missing the later, whatever their mean
    over the easier rest is. ``missing`` ``(entries,)`` counts them.
    """
    ranks = np.empty(means.shape)
    before = 0
    for count in np.unique(missing):
        group = missing == count
        ranks[..., group] = before + middle_ranks(-means[..., group])
        before += int(group.sum())
    return ranks


def competition_ranks(values: Mapping[str, float], *, higher_is_better: bool) -> dict[str, int]:
    """Rank 1 is best; equal values share a rank and the next one is skipped (1, 2, 2, 4)."""
    sign = -1.0 if higher_is_better else 1.0
    keys = {model: sign * value for model, value in values.items()}
    ordered = np.sort(list(keys.values()))
    return {model: 1 + int(np.searchsorted(ordered, key)) for model, key in keys.items()}


def mean_ranks(scores: Sequence[Mapping[str, float]], *, higher_is_better: bool) -> dict[str, float]:
    """Rank models within each block (a metric, a task, a patient), ties sharing the middle rank, and average.

    A model that is missing from a block is not ranked there and its average is over the others; callers
    print in how many blocks it was.
    """
    sign = -1.0 if higher_is_better else 1.0
    ranks: dict[str, list[float]] = {}
    for block in scores:
        found = middle_ranks([sign * value for value in block.values()])
        for model, rank in zip(block, found.tolist(), strict=True):
            ranks.setdefault(model, []).append(rank)
    return {model: sum(values) / len(values) for model, values in ranks.items()}


def rank_intervals(mean_ranks: NDArray[np.float64], level: float = 0.95) -> NDArray[np.int64]:
    """Limits ``(entries, 2)`` of the ranks that entries take over resamples ``(resamples, entries)``.

    Inside a resample entries of equal mean rank share the middle rank; limits are rounded outwards.
    """
    ranks = middle_ranks(mean_ranks)
    ranks.sort(axis=0)
    tail = (1 - level) / 2
    last = len(ranks) - 1
    low, high = ranks[int(np.floor(tail * last))], ranks[int(np.ceil((1 - tail) * last))]
    return np.stack([np.floor(low), np.ceil(high)], axis=1).astype(np.int64)


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
        members = {model for model in remaining if frozenset((leader, model)) not in apart}
        letters |= dict.fromkeys((model for model in remaining if model in members), _letters(group))
        remaining = [model for model in remaining if model not in members]
    return letters


def _letters(number: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    first, last = divmod(number, 26)
    return (_letters(first - 1) if first else "") + string.ascii_lowercase[last]


def open_ranks(best_first: Sequence[str], apart: Collection[frozenset[str]]) -> dict[str, tuple[int, int]]:
    """The ranks that separated pairs leave open for each model: below all that are separated and stand before
    it, above all that are separated and stand after it.
    """
    ranges = {}
    for place, model in enumerate(best_first):
        better = sum(frozenset((model, other)) in apart for other in best_first[:place])
        worse = sum(frozenset((model, other)) in apart for other in best_first[place + 1 :])
        ranges[model] = (1 + better, len(best_first) - worse)
    return ranges
