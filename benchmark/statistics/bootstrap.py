"""One bootstrap shared by all models and metrics: resampled patients, and seeds within each model.

A resample draws n - 1 of the n patients with replacement, and S - 1 of a model's S seeds: so the variance of a
resampled mean has the expectation of the variance that it stands for, which n of n misses by 1/n, a third at
three seeds (McCarthy and Snowden 1985; Rao and Wu 1988). All models and metrics share a resample's patients, so
that differences between them stay paired; seeds of different models have nothing in common and are drawn apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 10_000
_AT_ONCE = 1_000


class Resamples:
    """Resampled weights of ``n`` patients, the same for everything that is computed from them.

    ``name`` seeds the generator (the data set's hash, say): the same patients are resampled alike wherever they
    occur, other patients independently.
    """

    def __init__(self, n: int, name: str = "", count: int = RESAMPLES) -> None:
        self.n, self.count, self._name = n, count, name
        self._draws = _counts(n, count, _generator("patients", name))

    def means(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Resampled means of columns ``(n, c)``: ``(count, c)``."""
        found = np.empty((self.count, columns.shape[1]))
        for part in self._parts():
            found[part] = self._draws[part].astype(np.float64) @ columns
        found /= max(self.n - 1, 1)
        return found

    def two_level_means(self, entry: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        """Resampled means of an entry under some metrics, ``(metrics, seeds, n)``: ``(count, metrics)``.

        Both patients and seeds are drawn; the patients are those of every other entry, the seeds only depend on the
        entry's ``name``. A single seed is taken as it is: what another would have changed is not in the result.
        Entries with equal scores of a single seed get exactly equal means.
        """
        metrics, seeds, n = entry.shape
        if seeds == 1:
            return self.means(entry[:, 0].T)
        found = np.empty((self.count, metrics))
        generator = _generator("seeds", self._name, name)
        by_seed, by_patient = entry.transpose(1, 0, 2).reshape(seeds, -1), entry.reshape(-1, n).T
        for part in self._parts():
            patients = self._draws[part].astype(np.float64)
            drawn = _counts(seeds, len(patients), generator).astype(np.float64)
            if seeds < n:
                means = (patients @ by_patient).reshape(len(patients), metrics, seeds)
                found[part] = np.einsum("bms,bs->bm", means, drawn)
            else:
                means = (drawn @ by_seed).reshape(len(patients), metrics, n)
                found[part] = np.einsum("bmn,bn->bm", means, patients)
        found /= max(n - 1, 1) * (seeds - 1)
        return found

    def _parts(self) -> Iterator[slice]:
        """The resamples, some at a time, so that memory does not grow with them."""
        return (slice(start, start + _AT_ONCE) for start in range(0, self.count, _AT_ONCE))


def _generator(*words: str) -> np.random.Generator:
    """Seeded by words, so that what is drawn for one entry does not depend on the others."""
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16], "big")))


def _counts(n: int, count: int, generator: np.random.Generator) -> NDArray[np.uint16]:
    """How often each of ``n`` items occurs among n - 1 drawn (one of one): ``(count, n)``."""
    drawn = max(n - 1, 1)
    counts = np.empty((count, n), np.uint16)
    for start in range(0, count, _AT_ONCE):
        rows = min(_AT_ONCE, count - start)
        picks = generator.integers(0, n, (rows, drawn), np.int32)
        picks += np.arange(rows, dtype=np.int32)[:, None] * n
        counts[start : start + rows] = np.bincount(picks.ravel(), minlength=rows * n).reshape(rows, n)
    return counts
