"""What the statistics claim and what they keep, on simulated scores: coverage of intervals, type-I error of the
ranking test, coverage of rank intervals, and what whole tables claim of equal models. Prints the tables of
docs/leaderboards.md and docs/design/seeds-and-claims.md.

    python tests/performance/coverage.py [--studies 4000] [--tables 400] [--only-tables] [--kept FILE]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.statistics.bootstrap import Resamples
from benchmark.statistics.comparisons import compare_all
from benchmark.statistics.effects import effect_size
from benchmark.statistics.intervals import bca_interval, t_interval
from benchmark.statistics.ranks import metric_ranks, rank_intervals

PATIENTS = (4, 8, 20, 60)
SLICES = 20
SKEWED = math.exp(0.5)
"""Mean of a standard lognormal score."""

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
SHAPES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.normal(0.0, 1.0, n), 0.0),
    "half skewed": (lambda rng, n: rng.lognormal(0.0, 0.5, n), math.exp(0.125)),
    "lognormal": (lambda rng, n: rng.lognormal(0.0, 1.0, n), SKEWED),
    "one in ten fails": (lambda rng, n: rng.normal(0.0, 1.0, n) - 5.0 * (rng.random(n) < 0.1), -0.5),
}


def null_scores(rng: np.random.Generator, models: int, patients: int) -> NDArray[np.float64]:
    """Patient means of equal models, ``(models, patients)``: half of a slice's variance is the patient's (ICC 0.5)."""
    level = rng.normal(0.0, 3.0, patients)
    own = rng.normal(0.0, 1.0, (models, patients))
    slices = rng.normal(0.0, 1.0, (models, patients, SLICES))
    return np.asarray(level + own + slices.mean(axis=-1))


def interval_coverage(studies: int, n: int, draw: Draw, truth: float) -> tuple[float, float]:
    """Share of studies whose 95 % interval holds the true mean: Student's t, and BCa."""
    rng = np.random.default_rng(0)
    held = np.zeros(2)
    resamples = Resamples(n, "coverage", 2_000)
    for _ in range(studies):
        values = draw(rng, n)
        found = (t_interval(values), bca_interval(values, resamples.means(values[:, None])[:, 0]))
        held += [interval.low <= truth <= interval.high for interval in found]
    return float(held[0] / studies), float(held[1] / studies)


def type_one(studies: int, n: int, models: int, metrics: int = 1) -> float:
    """Share of studies of equal models in which any pair is called different."""
    rng = np.random.default_rng(1)
    names = [f"m{index}" for index in range(models)]
    claims = 0
    for _ in range(studies):
        base = null_scores(rng, models, n)
        tables = {f"x{at}": base + rng.normal(0.0, 0.5, base.shape) for at in range(metrics)}
        found = compare_all(names, tables, dict.fromkeys(tables, True), "x0")
        claims += any(each.adjusted_p <= 0.05 for each in found)
    return claims / studies


def type_one_of_slices(studies: int, n: int) -> float:
    """The same for two models when slices are taken for patients, as a warning."""
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(2)
    claims = 0
    for _ in range(studies):
        difference = rng.normal(0.0, 1.0, (n, 1)) + rng.normal(0.0, 1.0, (n, SLICES))
        claims += wilcoxon(difference.ravel(), method="approx").pvalue <= 0.05
    return claims / studies


def two_level(resamples: Resamples, scores: NDArray[np.float64], names: list[str]) -> NDArray[np.float64]:
    """Resampled means of models ``(models, seeds, patients)`` under one metric: ``(count, models)``."""
    found = [resamples.two_level_means(entry[None], name) for entry, name in zip(scores, names, strict=True)]
    return np.concatenate(found, axis=1)


def rank_coverage(studies: int, n: int, seeds: int, spacing: float = 0.5) -> float:
    """Mean share of six models whose true rank lies in their 95 % rank interval, by resampling alone."""
    rng = np.random.default_rng(3)
    models = 6
    names = [f"m{index}" for index in range(models)]
    held = 0
    for study in range(studies):
        true = -spacing * np.arange(models)
        by_seed = rng.normal(0.0, 0.3 if seeds > 1 else 0.0, (models, seeds, 1))
        scores = (
            true[:, None, None] + by_seed + rng.normal(0, 1, (models, 1, n)) + rng.normal(0, 0.5, (models, seeds, n))
        )
        means = two_level(Resamples(n, str(study), 2_000), scores, names)
        limits = rank_intervals(metric_ranks(means, np.zeros(models)))
        held += sum(low <= place <= high for place, (low, high) in enumerate(limits.tolist(), 1))
    return held / (studies * models)


def effect_coverage(studies: int, n: int, true: float = 0.5) -> float:
    """Share of studies whose 95 % interval of d_z holds the true one, normal differences."""
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(studies):
        values = rng.normal(true, 1.0, n)
        effect = effect_size(float(values.mean()), float(values.std(ddof=1)), n)
        held += effect.low <= true <= effect.high
    return held / studies


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=4_000)
    parser.add_argument("--tables", type=int, default=400, help="studies through the whole leaderboard, each")
    parser.add_argument("--kept", type=Path, help="JSON lines of tables' studies: a grid run in pieces goes on there")
    parser.add_argument("--only-tables", action="store_true", help="nothing but the studies of whole tables")
    values = parser.parse_args()
    studies = values.studies
    import null_grid  # beside this script, not where a test loads it

    null_grid.report(values.tables, values.kept)
    if values.only_tables:
        return
    print(f"{studies} simulated studies each; Monte Carlo error of 0.95 is {math.sqrt(0.95 * 0.05 / studies):.4f}")
    print("\n95 % interval of the mean, share that holds it (Student's t / BCa)")
    print("patients " + "".join(f"{name:>20}" for name in SHAPES))
    for n in (*PATIENTS[:3], 25, 40, PATIENTS[3]):
        cells = [interval_coverage(studies, n, draw, truth) for draw, truth in SHAPES.values()]
        print(f"{n:8} " + "".join(f"{f'{t:.3f} / {bca:.3f}':>20}" for t, bca in cells))
    print("\ntype-I error of the ranking test (any pair of equal models called different), patient ICC 0.5")
    print("patients   2 models   5 models   2 models, 3 metrics   2 models, slices taken for patients")
    for n in PATIENTS:
        few = type_one(studies, n, 2), type_one(studies // 4, n, 5), type_one(studies, n, 2, metrics=3)
        print(f"{n:8} {few[0]:10.3f} {few[1]:10.3f} {few[2]:21.3f} {type_one_of_slices(studies // 4, n):37.3f}")
    print("\n95 % rank interval by resampling alone, share of six models (0.5 sd apart) whose true rank it holds")
    print("patients   1 seed (no seed effect)   3 seeds   5 seeds (seed sd 0.3)")
    for n in (*PATIENTS[:2], 12, *PATIENTS[2:]):
        one, three, five = (rank_coverage(studies // 20, n, seeds) for seeds in (1, 3, 5))
        print(f"{n:8} {one:25.3f} {three:9.3f} {five:9.3f}")
    print("\n95 % interval of the effect size d_z = 0.5, normal differences")
    print(", ".join(f"{n} patients {effect_coverage(studies // 4, n):.3f}" for n in PATIENTS))


if __name__ == "__main__":
    main()
