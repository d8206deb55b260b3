"""Which pairs of a table may be called different, when patients and training seeds are both drawn by chance.

A closed procedure over the order of models, in the way of Ryan, Einot, Gabriel and Welsch: a pair is claimed only if
the pair's own test rejects, and so does the test of *every* stretch of the order that holds both (that all its models
are equal). A stretch of p of k models is tested at ``1 - (1 - alpha)^(p / k)``, from k - 1 on at alpha. That keeps the
chance of any false claim at alpha and asks far less of a pair than Holm over all k (k - 1) / 2 of them.

A stretch is tested by the range of its models' mean scores against permutations of models within patients; a pair by
its exact signed-rank test. Seeds enter both: what chance means is a permutation of patients *plus* a seed effect for
each model, drawn with the variance that seeds were seen to have, and with the uncertainty of that variance.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHA = 0.05
BATCH = 400
MOST_PERMUTATIONS = 2_000


@dataclass(frozen=True)
class SeedNoise:
    """What another training would change: the variance of each model's mean score, and how well it is known.

    ``variance`` is 0 for models that have no seed; infinite where it cannot be known: trained models of a table in
    which none was trained twice. ``freedom`` counts the degrees of freedom behind it.
    """

    variance: NDArray[np.float64]
    freedom: int

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which models' noise is known."""
        return np.isfinite(self.variance)


def seed_noise(scores: Sequence[NDArray[np.float64]], seeded: Sequence[bool]) -> SeedNoise:
    """Pooled over the trained models' seeds, from scores ``(seeds, patients)`` of each model."""
    squares, freedom = 0.0, 0
    for table, varies in zip(scores, seeded, strict=True):
        if varies and len(table) > 1:
            squares += float(np.sum((table.mean(axis=1) - table.mean()) ** 2))
            freedom += len(table) - 1
    single = squares / freedom if freedom else math.inf
    variance = [single / len(table) if varies else 0.0 for table, varies in zip(scores, seeded, strict=True)]
    return SeedNoise(np.array(variance), freedom)


def level_of(size: int, models: int) -> float:
    """The level at which a stretch of this size is tested in a table of so many models (Ryan; Einot, Gabriel)."""
    return ALPHA if size >= models - 1 else float(1 - (1 - ALPHA) ** (size / models))


def scheduled(p: float, size: int, models: int) -> float:
    """What the p value of a stretch of this size is worth in the whole table: at most alpha where it rejects."""
    return p if size >= models - 1 else float(1 - (1 - p) ** (models / size))


class Claims:
    """Adjusted p values of the pairs of one table.

    ``scores`` ``(patients, models)`` are averaged over seeds, higher better; ``pair_p`` gives the p values
    ``(models, models)`` of the pairs' own tests over patients, and is asked only where stretches reject; ``name`` seeds
    what is drawn. Models whose seed noise is not known take part in no test.
    """

    def __init__(
        self, scores: NDArray[np.float64], pair_p: Callable[[], NDArray[np.float64]], noise: SeedNoise, name: str = ""
    ) -> None:
        self._name = name
        tested = np.flatnonzero(noise.known)
        order = tested[np.argsort(-scores[:, tested].mean(axis=0), kind="stable")]
        self._place = {int(model): place for place, model in enumerate(order)}
        self._scores = scores[:, order]
        self._variance, self._freedom = noise.variance[order], noise.freedom
        self._order, self._pair_p = order, pair_p
        self._stretches: dict[tuple[int, int], float] = {}
        self._with_seeds: NDArray[np.float64] | None = None

    def p(self, first: int, second: int) -> float:
        """Adjusted p of two models being equal; 1 where it cannot be tested. Exact below about 0.05 only."""
        if first not in self._place or second not in self._place:
            return 1.0
        low, high = sorted((self._place[first], self._place[second]))
        around = self._stretch(low, high)
        return max(around, scheduled(self._of_pair(low, high), 2, len(self._place))) if around <= ALPHA else around

    def _stretch(self, low: int, high: int) -> float:
        """Adjusted p of the models from ``low`` to ``high`` in order being equal, and those of all wider stretches."""
        key = (low, high)
        if key not in self._stretches:
            wider = 0.0
            if low > 0:
                wider = self._stretch(low - 1, high)
            if high + 1 < self._scores.shape[1] and wider <= ALPHA:
                wider = max(wider, self._stretch(low, high + 1))
            if wider <= ALPHA:
                own = self._of_pair(low, high) if high == low + 1 else self._range_p(low, high)
                wider = max(wider, scheduled(own, high - low + 1, len(self._place)))
            self._stretches[key] = wider
        return self._stretches[key]

    def _of_pair(self, low: int, high: int) -> float:
        if self._with_seeds is None:
            alone = self._pair_p()[np.ix_(self._order, self._order)]
            self._with_seeds = np.maximum(alone, _seeded_pairs(self._scores, self._variance, self._freedom))
        return float(self._with_seeds[low, high])

    def _range_p(self, low: int, high: int) -> float:
        """P of a range of mean scores as wide as this one, if the models of a stretch were equal."""
        scores, variance = self._scores[:, low : high + 1], self._variance[low : high + 1]
        patients, models = scores.shape
        means = scores.mean(axis=0)
        observed = float(means.max() - means.min())
        spread = 2 * float(np.sum((scores - scores.mean(axis=1, keepdims=True)) ** 2)) / (models - 1) / patients**2
        level = level_of(models, len(self._place))
        alone = _tail(observed, spread, 2 * float(variance.max()), self._freedom)
        if alone > 4 * level:  # wide ranges are likelier than one pair as far apart
            return alone
        if alone * models * (models - 1) / 2 < level / 8:
            return float(4 * alone * models * (models - 1))
        return self._permuted(scores, variance, observed, level, f"{low} {high}")

    def _permuted(
        self, scores: NDArray[np.float64], variance: NDArray[np.float64], observed: float, level: float, name: str
    ) -> float:
        """The same by permutation, as many of them as it takes to tell on which side of ``level`` it lies."""
        generator = _generator("seeds", self._name, name)
        as_wide = count = 0
        most = int(min(MOST_PERMUTATIONS, max(BATCH, 60 / level)))
        while count < most:
            shuffled = _shuffled(*scores.shape, count // BATCH)
            ranges = _ranges(scores, shuffled, variance, self._freedom, generator)
            as_wide += int(np.count_nonzero(ranges >= observed * (1 - 1e-12)))
            count += len(ranges)
            if abs(as_wide - count * level) > 4 * math.sqrt(count * level) + 1:
                break
        return (as_wide + 1) / (count + 1)


def _ranges(
    scores: NDArray[np.float64],
    shuffled: NDArray[np.int32],
    variance: NDArray[np.float64],
    freedom: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Ranges of mean scores of some permutations of models within patients, each with seeds drawn anew."""
    models = scores.shape[1]
    means = scores.ravel().take(shuffled).mean(axis=1)
    if variance.any():
        scale = np.sqrt(freedom / generator.chisquare(freedom, (BATCH, 1)))
        means += scale * np.sqrt(variance) * generator.standard_normal((BATCH, models))
    return np.asarray(means.max(axis=1) - means.min(axis=1))


@lru_cache(maxsize=128)
def _shuffled(patients: int, models: int, batch: int) -> NDArray[np.int32]:
    """Where a batch of permutations within patients takes scores from, in an array ``(patients, models)`` laid flat.

    The same for all tables of a size: drawing them takes longer than using them.
    """
    drawn = _generator("permuted", f"{patients} {models} {batch}").random((BATCH, patients, models), np.float32)
    order = np.argsort(drawn, axis=2).astype(np.int32)
    return np.asarray(order + models * np.arange(patients, dtype=np.int32)[:, None])


def _tail(observed: float, spread: float, seeds: float, freedom: int) -> float:
    """Two-sided chance of one difference as large; ``spread`` and ``seeds`` are the parts of its variance."""
    total = spread + seeds
    if total == 0.0:
        return 0.0 if observed else 1.0
    size = observed / math.sqrt(total)
    if seeds == 0.0:
        return math.erfc(size / math.sqrt(2))
    from scipy.special import stdtr

    # Satterthwaite: only the part of the seeds is uncertain
    return 2 * float(stdtr(freedom * (total / seeds) ** 2, -size))


def _seeded_pairs(scores: NDArray[np.float64], variance: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    """P of every pair ``(models, models)`` by Welch's t: the variance of a mean difference over patients plus that of
    the seeds, degrees of freedom by Satterthwaite (1946). 0 where neither model has a seed.
    """
    patients, models = scores.shape
    found = np.zeros((models, models))
    seeds = variance[:, None] + variance[None, :]
    first, second = np.nonzero(np.triu(seeds > 0, 1))
    if not len(first):
        return found
    if patients < 2:
        return np.ones((models, models))
    from scipy.special import stdtr

    differences = scores[:, first] - scores[:, second]
    of_patients, of_seeds = differences.var(axis=0, ddof=1) / patients, seeds[first, second]
    total = of_patients + of_seeds
    degrees = total**2 / (of_patients**2 / (patients - 1) + of_seeds**2 / freedom)
    found[first, second] = 2 * stdtr(degrees, -np.abs(differences.mean(axis=0)) / np.sqrt(total))
    return found + found.T


def _generator(*words: str) -> np.random.Generator:
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16], "big")))
