"""The grid of studies that ``coverage.py`` prints, each with the binomial interval of what it found.

A rate above :data:`ALLOWED` is drawn anew, five times as often, since among so many studies some lie there by chance.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
from null_studies import Study, claims, power

ALLOWED = 0.06
AGAIN = 5
PATIENTS = (4, 8, 12, 20, 60)
MODELS = (2, 5, 13)
SEEDS = (3, 5, 1)
SEED_SDS = (0.0, 1 / 3, 1.0)


def nulls() -> Iterator[Study]:
    """Equal models: every number of patients, models and seeds with every seed effect; then other noise and gaps."""
    for seeds, seed_sd, models, patients in itertools.product(SEEDS, SEED_SDS, MODELS, PATIENTS):
        yield Study(patients, models, seeds, seed_sd)
    for models, patients in itertools.product(MODELS, PATIENTS):
        usual = Study(patients, models)
        for kind in ("t2", "lognormal", "ties"):
            yield replace(usual, kind=kind)
        yield replace(usual, missing=0.05)
        yield replace(usual, fixed=models, seed_sd=0.0)
    for patients in PATIENTS:
        yield Study(patients, 5, fixed=2)


def overall_nulls() -> Iterator[Study]:
    """Models good at different tasks, and equal over all."""
    for tasks, models, apart, patients in itertools.product((2, 4), MODELS, (0.0, 0.5, 2.0), (4, 12, 60)):
        yield Study(patients, models, tasks=tasks, apart=apart)


def powers() -> Iterator[Study]:
    """The first of k models better than the others, which are equal."""
    for models, patients, seed_sd, gap in itertools.product((2, 13), (8, 12, 20), (0.0, 1 / 3), (1.0, 2.0)):
        yield Study(patients, models, 3, seed_sd, gap=gap)
    for models, seeds, gap in itertools.product((2, 13), (2, 5), (1.0, 2.0)):
        yield Study(12, models, seeds, gap=gap)


class Kept:
    """Results in a file of JSON lines, so that a long grid can be run in pieces."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None and path.is_file() else []
        self._results: dict[str, list[float]] = dict(map(json.loads, lines))

    def get(self, measure: Callable[..., Any], study: Study, studies: int, seed: int) -> list[float]:
        """Of one kind of study, measured now or before."""
        key = f"{measure.__name__} {study!r} {studies} {seed}"
        if key not in self._results:
            self._results[key] = list(astuple(measure(study, studies, seed, short=True)))
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([key, self._results[key]]) + "\n")
        return self._results[key]


def binomial(share: float, studies: int) -> tuple[float, float]:
    """The exact 95 % interval of a rate (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest

    interval = binomtest(round(share * studies), studies).proportion_ci(0.95)
    return float(interval.low), float(interval.high)


def report(studies: int, kept: Path | None = None) -> None:
    """Print all of it."""
    results = Kept(kept)
    print(f"\nequal models, {studies} studies each: share with any bracket, tier or mark that parts them")
    print(f"{'':58}brackets   tiers   marks   95 % interval of the worst")
    _rates(results, list(nulls()), studies, (0, 1, 2))
    few = max(studies // 2, 1)
    print(
        f"\noverall table of models that are good at different tasks and equal over all, {few} studies each: "
        "share with any narrow bracket"
    )
    _rates(results, list(overall_nulls()), few, (3,))
    print(f"\npower, {few} studies each: the first of k models better than the last, all others equal")
    print(f"{'':60}   table  t-test  t-tests with Holm")
    for study in powers():
        table, alone, holm = results.get(power, study, few, 1)
        print(f"{study!s:50}gap {study.gap:.1f}   {table:8.3f}{alone:8.3f}{holm:8.3f}", flush=True)


def _rates(results: Kept, grid: Sequence[Study], studies: int, columns: Sequence[int]) -> None:
    beyond = []
    for study in grid:
        worst = _printed(study, results.get(claims, study, studies, 0), studies, columns)
        if worst > ALLOWED:
            beyond.append(study)
    print("added up over numbers of patients, then over all else but patients (without single seeds)")
    for title, alike in (
        *_alike(grid, lambda study: str(study).partition(", ")[2]),
        *_alike(_several(grid), _patients),
    ):
        rates = np.mean([results.get(claims, study, studies, 0) for study in alike], axis=0).tolist()
        _row(title, rates, studies * len(alike), columns)
    print(f"{len(beyond)} of {len(grid)} above {ALLOWED}" + (", drawn anew:" if beyond else ""))
    for study in beyond:
        _printed(study, results.get(claims, study, AGAIN * studies, 1), AGAIN * studies, columns)


def _alike(grid: Sequence[Study], title: Callable[[Study], str]) -> list[tuple[str, list[Study]]]:
    groups: dict[str, list[Study]] = {}
    for study in grid:
        groups.setdefault(title(study), []).append(study)
    return list(groups.items())


def _several(grid: Sequence[Study]) -> list[Study]:
    """Without single seeds, of which nothing is ever claimed."""
    return [study for study in grid if study.seeds > 1 or study.fixed]


def _patients(study: Study) -> str:
    return f"{study.patients} patients"


def _printed(study: Study, rates: Sequence[float], studies: int, columns: Sequence[int]) -> float:
    steps = f", {study.apart:g} apart" if study.tasks > 1 else ""
    return _row(f"{study}{steps}", rates, studies, columns)


def _row(title: str, rates: Sequence[float], studies: int, columns: Sequence[int]) -> float:
    worst = max(rates[column] for column in columns)
    low, high = binomial(worst, studies)
    shown = "".join(f"{rates[column]:8.3f}" for column in columns)
    print(f"{title:58}{shown}   {low:.3f} to {high:.3f} ({studies})", flush=True)
    return worst
