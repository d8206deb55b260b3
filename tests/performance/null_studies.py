"""Studies of equal models through the real leaderboard: how often a table claims a difference that is not there.

Scores are made up, everything from the record on is the product. ``null_grid.py`` has the studies that ``coverage.py``
prints; a short version is a test. Power is that of finding two models that do differ, beside a plain paired t-test.
"""

from __future__ import annotations

import importlib
import itertools
import math
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import leaderboard
from benchmark.contracts.specs import MetricSpec
from benchmark.store.record import Record

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from made_records import made
from short_boards import Trained, content_of, shortened

building = importlib.import_module("benchmark.leaderboard.build")

METRICS = {
    name: MetricSpec(name, "x:y", label=name, higher_is_better=name != "mae") for name in ("psnr", "mae", "ssim")
}
PAIRED_SD = math.sqrt(2 * (1 + 0.25 + 0.25))
"""Standard deviation of the difference of two models on one patient, one seed each."""
RESAMPLES = 200
"""Resamples describe a table and decide nothing, so a study takes few."""


@dataclass(frozen=True)
class Study:
    """How scores are made: a patient's level, a model's own part on it (``kind``), a seed's part, a metric's part.

    ``seed_sd``: of what a training seed adds to all patients alike, in units of :data:`PAIRED_SD`. ``gap``: how much
    better, in the same units, the first model is than all others. ``fixed``: so many of the models have no seed.
    ``tasks``: models are good at different ones, so that over all of them they are equal.
    """

    patients: int
    models: int
    seeds: int = 3
    seed_sd: float = 1 / 3
    kind: str = "normal"
    missing: float = 0.0
    gap: float = 0.0
    fixed: int = 0
    tasks: int = 1
    apart: float = 1.0
    """Steps between models within a task of several, in :data:`PAIRED_SD`."""

    def __str__(self) -> str:
        more = [f"{self.missing:.0%} missing"] if self.missing else []
        more += [f"{self.tasks} tasks"] if self.tasks > 1 else []
        more += [f"{self.fixed} without seed"] if self.fixed else []
        return ", ".join(
            [
                f"{self.patients} patients",
                f"{self.models} models",
                f"{self.seeds} seed{'s' if self.seeds > 1 else ''}",
                f"sd {self.seed_sd:.2g}",
                self.kind,
                *more,
            ]
        )


def noise(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> NDArray[np.float64]:
    """Independent parts of scores; ``ties`` are rounded later."""
    if kind == "t2":
        return rng.standard_t(2, shape)
    return rng.lognormal(0.0, 1.0, shape) if kind == "lognormal" else rng.normal(0.0, 1.0, shape)


def trainings(study: Study, rng: np.random.Generator) -> Iterator[Trained]:
    """The scores of one study."""
    n, k = study.patients, study.models
    for task in range(study.tasks):
        shift = np.zeros(k)
        shift[0] = study.gap * PAIRED_SD
        if study.tasks > 1:
            # each task the other way round than the one before: over two tasks the ranks of all are equal
            steps = np.arange(k) * study.apart * PAIRED_SD
            shift = steps if task % 2 == 0 else steps[::-1]
        level, own = rng.normal(0.0, 3.0, n), noise(rng, (k, n), study.kind)
        for model, seed in itertools.product(range(k), range(study.seeds)):
            fixed = model >= k - study.fixed
            if fixed and seed:
                continue
            trained = 0.0 if fixed else rng.normal(0.0, study.seed_sd * PAIRED_SD)
            base = level + own[model] + 0.5 * noise(rng, (n,), study.kind) + shift[model] + trained
            scores = {}
            for metric in METRICS:
                values = base + 0.5 * rng.normal(0.0, 1.0, n)
                values = np.round(values) if study.kind == "ties" else values
                values = np.where(rng.random(n) < study.missing, math.nan, 30 + values)
                scores[metric] = 100 - values if metric == "mae" else values
            yield Trained(task, model, seed, fixed, scores)


def record(training: Trained) -> Record:
    """What a cell of it would have left."""
    return made({
        "state": "done", "task": f"task{training.task}", "model": training.name, "seed": training.seed,
        "kind": "fixed" if training.fixed else "trained",
        "profile_definition": {"id": "p/1", "unit": "HU", "primary": "psnr", "ranked_by": list(METRICS),
                               "metrics": [{"metric": metric} for metric in METRICS]},
        "dataset": {"content_sha256": content_of(training.task)},
        "scores": {metric: _scored(values) for metric, values in training.values.items()},
    })  # fmt: skip


def _scored(values: NDArray[np.float64]) -> dict[str, Any]:
    given = [None if math.isnan(value) else value for value in values.tolist()]
    known = [value for value in given if value is not None]
    return {
        "state": "scored",
        "mean": sum(known) / len(known) if known else None,
        "patients": {f"p{index:03}": value for index, value in enumerate(given)},
        "n_expected": len(given),
        "n_scored": len(known),
    }


def built(drawn: Iterable[Record]) -> leaderboard.Leaderboard:
    """The leaderboard of one study's records."""
    kept = building.RESAMPLES, building.FEWEST_RESAMPLES
    building.RESAMPLES = building.FEWEST_RESAMPLES = RESAMPLES
    try:
        return leaderboard.build(drawn, METRICS)
    finally:
        building.RESAMPLES, building.FEWEST_RESAMPLES = kept


@dataclass(frozen=True)
class Claims:
    """Shares of studies of equal models in which a table is wrong."""

    brackets: float
    """Any bracket that does not hold every rank."""
    tiers: float
    """Any model outside the leading tier."""
    marks: float
    """Any model without a mark under the first metric."""
    overall: float
    """Any bracket of the overall table that does not hold every rank."""


def _board(drawn: Iterable[Trained], *, short: bool) -> leaderboard.Leaderboard:
    return shortened(drawn, METRICS, "psnr") if short else built(map(record, drawn))


def _generator(study: Study, seed: int) -> np.random.Generator:
    """Draws of their own for every kind of study."""
    return np.random.default_rng([seed, zlib.crc32(repr(study).encode())])


def claims(study: Study, studies: int, seed: int = 0, *, short: bool = False) -> Claims:
    """What tables of such studies claim, over ``studies`` of them; ``short`` leaves out what decides no claim."""
    rng = _generator(study, seed)
    wrong = np.zeros(4)
    for _ in range(studies):
        board = _board(trainings(study, rng), short=short)
        rows = board.tables[0].rows
        complete = [row for row in rows if row.scores and not row.scores["psnr"].missing]
        overall = board.overall.rows if board.overall else ()
        wrong += [
            any(row.rank_range not in (None, (1, study.models)) for row in rows),
            any(row.tier not in ("", "a") for row in rows),
            any("psnr" not in row.best for row in complete) and len(complete) > 1,
            any(row.rank_interval not in (None, (1, study.models)) for row in overall),
        ]
    return Claims(*(wrong / studies).tolist())


@dataclass(frozen=True)
class Power:
    """Shares of studies in which the first model, better than the last by a gap, is called so."""

    table: float
    t_test: float
    """A paired t-test of these two alone at 5 %, blind to seeds and to the other models."""
    t_holm: float
    """The same after Holm over all pairs."""


def power(study: Study, studies: int, seed: int = 1, *, short: bool = False) -> Power:
    """How often the best is told from the last model; ``short`` as in :func:`claims`."""
    from scipy.stats import ttest_1samp

    rng = _generator(study, seed)
    told = np.zeros(3)
    last = f"m{study.models - 1:02}"
    for _ in range(studies):
        drawn = list(trainings(study, rng))
        (table,) = _board(drawn, short=short).tables
        pair = next(found for found in table.comparisons if {found.first, found.second} == {"m00", last})
        values: dict[str, list[list[float]]] = {}
        for training in drawn:
            values.setdefault(training.name, []).append(training.values["psnr"].tolist())
        means = {name: np.mean(seeds, axis=0) for name, seeds in values.items()}
        first, second = zip(*itertools.combinations(sorted(means), 2), strict=True)
        differences = np.array([means[a] - means[b] for a, b in zip(first, second, strict=True)])
        p = ttest_1samp(differences, 0.0, axis=1).pvalue
        mine = next(at for at, names in enumerate(zip(first, second, strict=True)) if set(names) == {"m00", last})
        smaller = np.sort(p).searchsorted(p[mine])
        told += [pair.claim_p <= 0.05 and pair.ahead > 0, p[mine] <= 0.05, p[mine] * (len(p) - smaller) <= 0.05]
    return Power(*(told / studies).tolist())
