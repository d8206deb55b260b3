"""Equal models are called different in at most 6 % of studies, and intervals cover what the documentation says.

Fixed seeds, so these cannot fail by chance; the script ``tests/performance/coverage.py`` repeats them at length.
"""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
STUDIES = 700


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    return _script("coverage")


@pytest.fixture(scope="module")
def null_studies() -> ModuleType:
    return _script("null_studies")


def _script(name: str) -> ModuleType:
    place = ROOT / "tests" / "performance" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"simulated_{name}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("patients", [4, 8, 20, 60])
def test_type_one_error_of_the_ranking_test(simulation: ModuleType, patients: int) -> None:
    assert simulation.type_one(1500, patients, 2) <= 0.06
    assert simulation.type_one(800, patients, 3, metrics=2) <= 0.06
    if patients == 4:
        assert simulation.type_one(300, patients, 2) == 0.0


def test_slices_taken_for_patients_would_fail_it(simulation: ModuleType) -> None:
    """The simulated data are hard enough to tell."""
    assert simulation.type_one_of_slices(200, 8) > 0.3


@pytest.mark.parametrize(
    ("patients", "models", "seeds", "seed_sd", "kind"),
    [
        (12, 2, 3, 1 / 3, "normal"),
        (60, 2, 3, 1.0, "normal"),
        (8, 13, 3, 0.0, "lognormal"),
        (12, 5, 5, 1 / 3, "t2"),
        (12, 13, 1, 1 / 3, "ties"),
    ],
)
def test_tables_rarely_part_equal_models(
    null_studies: ModuleType, patients: int, models: int, seeds: int, seed_sd: float, kind: str
) -> None:
    """A hundred studies each; the documentation has the long ones. Fifteen wrong would be four Monte Carlo errors."""
    wrong = null_studies.claims(null_studies.Study(patients, models, seeds, seed_sd, kind), 100, short=True)
    assert max(wrong.brackets, wrong.tiers, wrong.marks) <= (0.14 if seeds > 1 else 0.0)


@pytest.mark.parametrize(
    "facts",
    [
        {"patients": 12, "models": 5, "gap": 1.0},
        {"patients": 8, "models": 13, "kind": "lognormal", "gap": 2.0},
        {"patients": 8, "models": 5, "kind": "ties", "missing": 0.05},
        {"patients": 60, "models": 2, "kind": "t2", "seeds": 5},
        {"patients": 12, "models": 5, "fixed": 2, "gap": 2.0},
        {"patients": 12, "models": 3, "tasks": 4, "apart": 1.0},
    ],
    ids=str,
)
def test_boards_cut_down_claim_what_whole_ones_do(null_studies: ModuleType, facts: Mapping[str, Any]) -> None:
    """The long grid of null studies leaves out what decides no claim: records, resamples, costs."""
    study = null_studies.Study(**facts)
    drawn = list(null_studies.trainings(study, np.random.default_rng(0)))
    whole = null_studies.built(map(null_studies.record, drawn))
    cut = null_studies.shortened(drawn, null_studies.METRICS, "psnr")
    assert [_claimed(table) for table in cut.tables] == [_claimed(table) for table in whole.tables]
    assert (cut.overall and _ranks(cut.overall)) == (whole.overall and _ranks(whole.overall))


def _claimed(table: Any) -> list[tuple[Any, ...]]:
    pairs = [
        (pair.first, pair.second, pair.claim_p, pair.claim_p <= 0.05 and pair.ahead > 0) for pair in table.comparisons
    ]
    return [*((row.name, row.rank, row.rank_range, row.tier, row.best.get("psnr")) for row in table.rows), *pairs]


def _ranks(overall: Any) -> list[tuple[Any, ...]]:
    return [(row.name, row.rank, row.rank_interval) for row in overall.rows]


def test_models_good_at_different_tasks_are_a_tie_over_all(null_studies: ModuleType) -> None:
    assert null_studies.claims(null_studies.Study(12, 5, tasks=2, apart=0.5), 50, short=True).overall <= 0.12


def test_what_is_there_is_found(null_studies: ModuleType) -> None:
    """Thirteen models and twelve patients, where Holm over all pairs asks for unanimity."""
    told = null_studies.power(null_studies.Study(12, 13, 3, 0.0, gap=1.5), 40, short=True)
    assert told.table >= max(told.t_holm, 0.5)


def test_intervals_cover_what_the_documentation_says(simulation: ModuleType) -> None:
    documented = _documented()
    assert set(documented) == {4, 8, 20, 25, 40, 60}
    for patients in (4, 20, 60):
        for (draw, truth), claims in zip(simulation.SHAPES.values(), documented[patients], strict=True):
            found = simulation.interval_coverage(STUDIES, patients, draw, truth)
            for share, claim in zip(found, claims, strict=True):
                # four Monte Carlo errors
                assert share == pytest.approx(claim, abs=4 * math.sqrt(claim * (1 - claim) / STUDIES))


def _documented() -> dict[int, list[tuple[float, float]]]:
    """The table of docs/leaderboards.md: by patients, coverage of t and BCa for each shape of scores."""
    rows = {}
    for line in (ROOT / "docs" / "leaderboards.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0].isdigit() and all(re.fullmatch(r"[\d.]+ / [\d.]+", cell) for cell in cells[1:]):
            rows[int(cells[0])] = [tuple(map(float, cell.split(" / "))) for cell in cells[1:]]
    return rows  # type: ignore[return-value]
