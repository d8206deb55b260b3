"""Aligned ranks: one score for each model, seed and patient, from several metrics and without their units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmark.statistics.paired import rounded
from benchmark.statistics.ranks import middle_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray


def aligned_ranks(metrics: Sequence[Sequence[NDArray[np.float64]]]) -> list[NDArray[np.float64]]:
    """Scores ``(seeds, patients)`` of each model, between -1/2 and 1/2, higher better.

    ``metrics`` holds, for each metric, a table ``(seeds, patients)`` of every model in which higher is better, NaN
    lost and infinity exact. Under each metric a patient's median over models is taken off (how hard that patient is
    says nothing about models), all that is left is ranked together, lost values last, and the ranks are averaged
    over metrics. Models that are exchangeable keep that property, so permutations within patients are exact (Hodges
    and Lehmann 1962); of two models and one metric it is the signed-rank test. Ranks of all models together know how
    far apart two are, which ranks within patients do not, and a score of any size moves them by one place.
    """
    sizes = [len(table) for table in metrics[0]]
    total = np.zeros((sum(sizes), metrics[0][0].shape[1]))
    for tables in metrics:
        rows = np.concatenate([np.asarray(table, np.float64) for table in tables])
        values = np.where(np.isnan(rows), -np.inf, rows)
        lined_up = values - _hardness(values, sizes)
        ranks = middle_ranks(
            rounded(lined_up, np.abs(np.where(np.isfinite(values), values, 0.0)).max(initial=0.0)).ravel()
        )
        total += (ranks.reshape(rows.shape) - (ranks.size + 1) / 2) / ranks.size
    total /= len(metrics)
    return np.split(total, np.cumsum(sizes)[:-1])


def _hardness(values: NDArray[np.float64], sizes: Sequence[int]) -> NDArray[np.float64]:
    """The median over models of each patient's finite values, of a model's seeds the mean; 0 where there are none."""
    finite = np.isfinite(values)
    starts = np.cumsum([0, *sizes[:-1]])
    counts = np.add.reduceat(finite, starts, axis=0, dtype=np.float64)
    sums = np.add.reduceat(np.where(finite, values, 0.0), starts, axis=0)
    means = np.sort(np.divide(sums, counts, out=np.full(sums.shape, np.inf), where=counts > 0), axis=0)
    known = np.isfinite(means).sum(axis=0)
    patients = np.arange(means.shape[1])
    low, high = means[np.maximum(known - 1, 0) // 2, patients], means[np.minimum(known // 2, len(means) - 1), patients]
    return np.where(known > 0, (np.where(known > 0, low, 0.0) + np.where(known > 0, high, 0.0)) / 2, 0.0)
