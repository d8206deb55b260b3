"""Studies of equal models through the real leaderboard: how often a table claims a difference that is not there.

Scores are made up, everything from the record on is the product. ``coverage.py`` prints the tables; a short version is
a test. Power is that of finding two models that do differ, beside a plain paired t-test.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import leaderboard
from benchmark.contracts.specs import MetricSpec
from benchmark.store.record import Record

sys.path.insert(0, str(Path(__file__).parents[1]))
from made_records import made

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


def records(study: Study, rng: np.random.Generator) -> Iterator[Record]:
    """The records of one study."""
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
                scores[metric] = _scored(100 - values if metric == "mae" else values)
            yield _record(f"m{model:02}", seed, task, scores, kind="fixed" if fixed else "trained")


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


def _record(name: str, seed: int, task: int, scores: Mapping[str, Any], *, kind: str) -> Record:
    data = hashlib.sha256(str(task).encode()).hexdigest()
    metrics = [{"metric": metric} for metric in METRICS]
    return made({
        "state": "done", "task": f"task{task}", "model": name, "kind": kind, "seed": seed,
        "profile_definition": {"id": "p/1", "unit": "HU", "primary": "psnr", "ranked_by": list(METRICS),
                               "metrics": metrics},
        "dataset": {"content_sha256": data}, "scores": scores,
    })  # fmt: skip


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


def claims(study: Study, studies: int, seed: int = 0) -> Claims:
    """What tables of such studies claim, over ``studies`` of them."""
    rng = np.random.default_rng([seed, studies])
    wrong = np.zeros(4)
    for _ in range(studies):
        board = built(records(study, rng))
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


def power(study: Study, studies: int, seed: int = 1) -> Power:
    """How often the best is told from the last model."""
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng([seed, studies])
    told = np.zeros(3)
    last = f"m{study.models - 1:02}"
    for _ in range(studies):
        drawn = list(records(study, rng))
        (table,) = built(drawn).tables
        pair = next(each for each in table.comparisons if {each.first, each.second} == {"m00", last})
        values: dict[str, list[list[float]]] = {}
        for record in drawn:
            values.setdefault(record.name, []).append(list(record.scores["psnr"].patients.values()))
        means = {name: np.mean(seeds, axis=0) for name, seeds in values.items()}
        first, second = zip(*itertools.combinations(sorted(means), 2), strict=True)
        differences = np.array([means[a] - means[b] for a, b in zip(first, second, strict=True)])
        p = ttest_1samp(differences, 0.0, axis=1).pvalue
        mine = next(at for at, names in enumerate(zip(first, second, strict=True)) if set(names) == {"m00", last})
        smaller = np.sort(p).searchsorted(p[mine])
        told += [pair.claim_p <= 0.05 and pair.ahead > 0, p[mine] <= 0.05, p[mine] * (len(p) - smaller) <= 0.05]
    return Power(*(told / studies).tolist())


def nulls() -> Iterator[Study]:
    """The studies that are printed: one thing varied at a time about 12 patients, 5 models and 3 seeds."""
    usual = Study(12, 5)
    for patients, models in itertools.product((4, 8, 12, 20, 60), (2, 5, 13)):
        yield replace(usual, patients=patients, models=models)
    for models, seeds, seed_sd in itertools.product((2, 5, 13), (1, 3, 5), (0.0, 1 / 3, 1.0)):
        if (seeds, seed_sd) != (3, 1 / 3):
            yield replace(usual, models=models, seeds=seeds, seed_sd=seed_sd)
    for kind, patients, models in itertools.product(("t2", "lognormal", "ties"), (8, 20), (2, 13)):
        yield replace(usual, kind=kind, patients=patients, models=models)
    for patients, models in itertools.product((8, 20), (2, 13)):
        yield replace(usual, missing=0.05, patients=patients, models=models)
    for models in (2, 5, 13):
        yield replace(usual, models=models, fixed=models, seed_sd=0.0)
    yield replace(usual, fixed=2)


def overall_nulls() -> Iterator[Study]:
    """Models good at different tasks, and equal over all."""
    for patients, tasks, models, apart in itertools.product((4, 12, 60), (2, 4), (2, 5, 13), (0.0, 0.5, 2.0)):
        yield Study(patients, models, tasks=tasks, apart=apart)


def report(studies: int) -> None:
    """Print all of it."""
    print(f"\nequal models, {studies} studies each: share with any bracket, tier or mark that parts them")
    print(f"{'':58}brackets   tiers   marks")
    for study in nulls():
        found = claims(study, studies)
        print(f"{study!s:58}{found.brackets:8.3f}{found.tiers:8.3f}{found.marks:8.3f}", flush=True)
    print(
        "\noverall table of models that are good at different tasks and equal over all: share with any narrow bracket"
    )
    for study in overall_nulls():
        print(f"{study!s:58}{study.apart:4.1f} apart{claims(study, studies // 2).overall:8.3f}", flush=True)
    print("\npower: the first of k models better than the last; the table, a t-test of these two, t-tests with Holm")
    for models, patients, seeds, seed_sd, gap in (
        *itertools.product((2, 13), (8, 12, 20), (3,), (0.0, 1 / 3), (1.0, 2.0)),
        *itertools.product((2, 13), (12,), (2, 5), (1 / 3,), (1.0, 2.0)),
    ):
        study = Study(patients, models, seeds, seed_sd, gap=gap)
        found_power = power(study, studies)
        print(
            f"{study!s:50}gap {gap:.1f}{found_power.table:8.3f}{found_power.t_test:8.3f}{found_power.t_holm:8.3f}",
            flush=True,
        )
