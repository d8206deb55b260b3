"""The main job, with the first-party plugins: every cell of the full grid, a leaderboard for each task."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

TASKS = {"pet-ct", "pet-denoise", "mr-motion", "mr-ct"}


@pytest.fixture(autouse=True)
def installed() -> None:
    for name in ("benchmark-gans", "benchmark-medical", "benchmark-metrics"):
        try:
            distribution(name)
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed")


@pytest.mark.slow
def test_the_full_grid_runs_and_ranks_every_model_on_every_task(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmark", "run", "--grid", "full", "--preset", "smoke", "--steps", "4"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (run,) = (tmp_path / "results").iterdir()
    records = [json.loads(path.read_text()) for path in run.glob("cells/*/record.json")]
    assert {record["state"] for record in records} == {"done"}
    assert len(records) == 47 + (len(TASKS) if find_spec("benchmark_monai") else 0)
    assert {record["task"] for record in records} == TASKS
    assert {record["task"] for record in records if record["name"] == "two-stage"} == {"mr-ct"}
    medgan = next(record for record in records if record["name"] == "medgan")
    assert medgan["provenance"], "which feature extractor was used must be on record"
    for record in records:
        assert record["scores"]["psnr"]["n_scored"] == 3
        assert record["profile_definition"]["unit"] == {"pet-denoise": "SUV", "mr-motion": "a.u."}.get(
            record["task"], "HU"
        )
    text = (run / "leaderboard.md").read_text()
    assert all(task in text for task in TASKS)
    assert "simulated" in text.lower()
