"""Aligned scores: one number for each model, seed and patient, from several metrics and without their units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 5.0
"""A score counts for at most so many median deviations (3.4 standard deviations if normal) from the median of
its model and seed."""


def aligned_scores(metrics: Sequence[Sequence[NDArray[np.float64]]]) -> list[NDArray[np.float64]]:
    """Scores ``(seeds, patients)`` of each model, higher better, averaged over metrics.

    ``metrics`` holds, for each metric, a table ``(seeds, patients)`` of every model in which higher is better, NaN
    lost and infinity exact. Under each metric a patient's median over models is taken off (how hard a patient is says
    nothing about models; Hodges and Lehmann 1962), and what is left is divided by its median deviation, so that
    metrics weigh the same. Scores far from the median of their model and seed are limited (:data:`WIDEST`): exact ones
    upwards, lost ones downwards; what a seed adds to all patients is not. They are no ranks, since the ranks of three
    seeds against three cannot be beyond chance: they are in order one time in ten.
    """
    sizes = [len(table) for table in metrics[0]]
    total = np.zeros((sum(sizes), metrics[0][0].shape[1]))
    for tables in metrics:
        rows = np.concatenate([np.asarray(table, np.float64) for table in tables])
        finite = np.isfinite(rows)
        lined_up = np.where(finite, rows - _hardness(rows, finite, sizes), rows)
        centres = _medians(lined_up, finite)
        scale = _scale(np.abs(lined_up - centres)[finite])
        low, high = centres - WIDEST * scale, centres + WIDEST * scale
        total += np.clip(np.where(np.isnan(lined_up), low, lined_up), low, high) / scale
    total /= len(metrics)
    return np.split(total, np.cumsum(sizes)[:-1])


def _medians(rows: NDArray[np.float64], finite: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each row's finite values ``(rows, 1)``, 0 without any."""
    if finite.all():
        return np.asarray(np.median(rows, axis=1, keepdims=True))
    ordered = np.sort(np.where(finite, rows, np.inf), axis=1)
    known, at = finite.sum(axis=1), np.arange(len(rows))
    low, high = ordered[at, np.maximum(known - 1, 0) // 2], ordered[at, np.minimum(known // 2, rows.shape[1] - 1)]
    middle = (np.where(known > 0, low, 0.0) + np.where(known > 0, high, 0.0)) / 2
    return np.asarray(middle[:, None])


def _scale(deviations: NDArray[np.float64]) -> float:
    """Median size of deviations, of those that are not zero if most are; 1 without any."""
    for sizes in (deviations, deviations[deviations > 0]):
        if len(sizes) and (middle := float(np.median(sizes))) > 0:
            return middle
    return 1.0


def _hardness(rows: NDArray[np.float64], finite: NDArray[np.bool_], sizes: Sequence[int]) -> NDArray[np.float64]:
    """The median over models of each patient's finite values, of a model's seeds the mean; 0 where there are none."""
    starts = np.cumsum([0, *sizes[:-1]])
    counts = np.add.reduceat(finite, starts, axis=0, dtype=np.float64)
    sums = np.add.reduceat(np.where(finite, rows, 0.0), starts, axis=0)
    means = np.sort(np.divide(sums, counts, out=np.full(sums.shape, np.inf), where=counts > 0), axis=0)
    known, patients = np.isfinite(means).sum(axis=0), np.arange(means.shape[1])
    middle = (np.maximum(known - 1, 0) // 2, np.minimum(known // 2, len(means) - 1))
    low, high = (np.where(known > 0, means[place, patients], 0.0) for place in middle)
    return np.asarray((low + high) / 2)
