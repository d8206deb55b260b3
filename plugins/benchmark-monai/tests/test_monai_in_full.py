"""Grid ``full`` with this distribution and without it."""

from __future__ import annotations

import json
import os

import in_process
import pytest

pytest.importorskip("benchmark_gans", reason="grid full is benchmark-gans'")
pytest.importorskip("benchmark_medical", reason="grid full needs its tasks")


@pytest.fixture
def said(tmp_path):
    """What the command line gives where some plugins are switched off."""

    def run(*arguments, without=""):
        return in_process.run(arguments, tmp_path, {**os.environ, "BENCHMARK_DISABLE_PLUGINS": without})

    return run


@pytest.mark.parametrize("without", ["", "monai", "benchmark-monai"])
def test_full_has_the_row_beside_unet_l1_or_says_that_it_does_without(said, without):
    ended = said("run", "--grid", "full", "--dry-run", "--json", without=without)
    assert ended.returncode == 0, ended.stderr
    plan = json.loads(ended.stdout)
    tasks = {
        name: {cell["task"] for cell in plan["cells"] if cell["model"] == name} for name in ("unet-l1", "resenc-unet")
    }
    assert len(tasks["unet-l1"]) == 4
    assert tasks["resenc-unet"] == (set() if without else tasks["unet-l1"])
    assert list(plan["left_out"]) == (["resenc-unet"] if without else [])


def test_the_plan_and_the_grid_say_what_is_missing_and_why(said):
    for arguments in (("run", "--grid", "full", "--dry-run"), ("show", "grid", "full")):
        ended = said(*arguments, without="monai")
        assert ended.returncode == 0, ended.stderr
        assert "resenc-unet" in ended.stdout
        assert "benchmark-monai is switched off" in ended.stdout


def test_asking_for_what_is_missing_is_an_error_that_names_it(said):
    ended = said("run", "--models", "resenc-unet", "--tasks", "mr-ct", "--dry-run", without="monai")
    assert ended.returncode == 2
    assert "model 'resenc-unet' of grid 'full': benchmark-monai is switched off" in ended.stderr
