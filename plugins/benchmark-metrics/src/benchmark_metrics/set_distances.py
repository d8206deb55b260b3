"""Distances between two sets of feature vectors, with a standard error by leaving out one group at a time.

Slices of a patient are alike, so the groups are studies and not slices: leaving out slices one by one would make
any interval far too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
GROUPS = 20
"""Groups left out in turn for the Frechet distance, at most; studies are put together where there are more."""


@dataclass(frozen=True)
class Jackknifed:
    """A statistic of all groups, its standard error and its bias; NaN where there are fewer than two groups."""

    value: float
    error: float
    bias: float
    groups: int


def kernel_distance(first: Sequence[Vectors], second: Sequence[Vectors]) -> Jackknifed:
    """Squared maximum mean discrepancy of two sets with the kernel (x·y / d + 1)³, the unbiased estimate.

    Binkowski et al., Demystifying MMD GANs, ICLR 2018, Eq. 4 and section 4: the mean of the kernel over pairs within
    each set, a vector with itself left out, minus twice the mean over pairs across the sets. Of all vectors at once
    and not of random subsets, so that nothing depends on a seed. Negative values happen where the sets are alike.

    Args:
        first, second: for each group its vectors, ``(n, d)`` each, as many vectors and groups in both.
    """
    counts = np.array([len(group) for group in first])
    within = _block_sums(first, first) + _block_sums(second, second)
    pairs = zip(first, second, strict=True)
    diagonals = np.array([_kernel_diagonal(x).sum() + _kernel_diagonal(y).sum() for x, y in pairs])
    within[np.diag_indices_from(within)] -= diagonals
    across = _block_sums(first, second)
    total = int(counts.sum())
    value = _mmd(within.sum(), across.sum(), total)
    if len(counts) < 2 or (total - counts < 2).any():
        return Jackknifed(value, math.nan, math.nan, len(counts))
    without = [
        _mmd(
            within.sum() - within[group].sum() - within[:, group].sum() + within[group, group],
            across.sum() - across[group].sum() - across[:, group].sum() + across[group, group],
            total - int(counts[group]),
        )
        for group in range(len(counts))
    ]
    return _jackknife(value, without)


def frechet_distance(first: Sequence[Vectors], second: Sequence[Vectors]) -> Jackknifed:
    """Squared Frechet distance of the normal distributions fitted to two sets, with sample covariances.

    Dowson and Landau 1982, as in Heusel et al., NeurIPS 2017: |m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^(1/2)). The trace of
    the root is taken as the sum of the singular values of R1 R2ᵀ, with S = RᵀR: no complex numbers come up, and
    nothing is added to the diagonal of a singular covariance.

    Args:
        first, second: for each group its vectors, ``(n, d)`` each, as many vectors and groups in both.
    """
    value = _frechet(np.concatenate(first), np.concatenate(second))
    parts = [list(part) for part in np.array_split(np.arange(len(first)), min(GROUPS, len(first)))]
    total = sum(map(len, first))
    if len(parts) < 2 or any(total - sum(len(first[group]) for group in part) < 2 for part in parts):
        return Jackknifed(value, math.nan, math.nan, len(parts))
    without = []
    for part in parts:
        kept = [group for group in range(len(first)) if group not in part]
        without.append(_frechet(*(np.concatenate([each[group] for group in kept]) for each in (first, second))))
    return _jackknife(value, without)


def _mmd(within: float, across: float, count: int) -> float:
    return float(within / (count * (count - 1)) - 2 * across / count**2)


def _block_sums(first: Sequence[Vectors], second: Sequence[Vectors]) -> Vectors:
    """Sums of the kernel over all pairs of a group of the first set with one of the second, ``(groups, groups)``."""
    everything = np.concatenate(second)
    starts = np.cumsum([0, *(len(group) for group in second[:-1])])
    rows = [np.add.reduceat(_kernel(group, everything).sum(axis=0), starts) for group in first]
    return np.array(rows)


def _kernel(first: Vectors, second: Vectors) -> Vectors:
    kernel: Vectors = (first @ second.T / first.shape[1] + 1.0) ** 3
    return kernel


def _kernel_diagonal(vectors: Vectors) -> Vectors:
    diagonal: Vectors = (np.einsum("nd,nd->n", vectors, vectors) / vectors.shape[1] + 1.0) ** 3
    return diagonal


def _frechet(first: Vectors, second: Vectors) -> float:
    roots = _covariance_root(first), _covariance_root(second)
    shift = float(np.square(first.mean(axis=0) - second.mean(axis=0)).sum())
    variances = sum(float(np.square(root).sum()) for root in roots)
    overlap = float(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())
    return max(0.0, shift + variances - 2 * overlap)


def _covariance_root(vectors: Vectors) -> Vectors:
    """R with RᵀR the sample covariance."""
    centred = (vectors - vectors.mean(axis=0)) / math.sqrt(len(vectors) - 1)
    root: Vectors = np.linalg.qr(centred).R
    return root


def _jackknife(value: float, without: Sequence[float]) -> Jackknifed:
    """Efron and Tibshirani 1993, chapter 11: standard error and bias from the values without each group in turn."""
    count = len(without)
    values = np.array(without)
    error = math.sqrt((count - 1) / count * float(np.square(values - values.mean()).sum()))
    return Jackknifed(value, error, (count - 1) * (float(values.mean()) - value), count)
