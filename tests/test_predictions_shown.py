"""Predictions as files of their own: looked at and brought back to NIfTI by the commands that do so with data sets."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import in_process
import nibabel as nib
import numpy as np
import pytest
from made_runs import MadeRun

from benchmark.data.format.reader import Dataset
from benchmark.evaluation import stored
from benchmark.runs.read import Run
from benchmark.store.predictions import write_predictions


@pytest.fixture
def run(tmp_path: Path) -> MadeRun:
    made = MadeRun(tmp_path / "r", slices=4, side=16)
    made.add("ours", 20.0)
    return made


def ask(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process.run(arguments, folder, dict(os.environ))


def of(run: MadeRun) -> Path:
    return next(iter(Run(run.path))).path / "predictions.h5"


def test_inspect_tells_each_study_with_its_error_and_draws_it(run: MadeRun) -> None:
    file = of(run)
    shown = ask(run.path, "data", "inspect", str(file), "--json")
    assert shown.returncode == 0, shown.stderr
    facts = json.loads(shown.stdout)
    assert (facts["unit"], facts["split"], facts["lost"]) == ("HU", "test", {})
    assert [study["mae"] for study in facts["studies"]] == pytest.approx([20.0] * 3)
    assert all(study["least"] <= study["mean"] <= study["greatest"] for study in facts["studies"])
    read = ask(run.path, "data", "inspect", str(file), "--picture", "sheet.png")
    assert read.returncode == 0, read.stderr
    assert sum(line.split()[-1:] == ["20"] for line in read.stdout.splitlines()) == 3
    assert (run.path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_without_its_data_set_a_file_is_shown_and_exported_nowhere(run: MadeRun, tmp_path: Path) -> None:
    alone = tmp_path / "alone.h5"
    alone.write_bytes(of(run).read_bytes())
    shown = ask(tmp_path, "data", "inspect", "alone.h5")
    assert shown.returncode == 0
    assert "--data FILE.h5" in shown.stdout
    refused = ask(tmp_path, "data", "export", "alone.h5", "out")
    assert refused.returncode == 2
    assert "--data FILE.h5" in refused.stderr


def test_what_is_exported_is_what_evaluate_reads(run: MadeRun, tmp_path: Path) -> None:
    done = ask(tmp_path, "data", "export", str(of(run)), "out")
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "out").rglob("*.nii.gz"))
    assert [file.relative_to(tmp_path / "out").as_posix() for file in files] == [
        f"{key.patient}/{key.study}.nii.gz" for key in run.targets
    ]
    for file, (key, target) in zip(files, run.targets.items(), strict=True):
        image = nib.load(file)
        with Dataset(run.data) as data:
            np.testing.assert_allclose(image.affine, data.place(key)[1], atol=1e-5)
        np.testing.assert_allclose(np.asarray(image.dataobj).T, target + 20, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("inspect", "data.h5", "--data", "data.h5"), "goes with predictions"),
        (("export", "data.h5", "out", "--data", "data.h5"), "goes with predictions"),
        (("export", "PREDICTIONS", "out", "--role", "target"), "exported whole"),
        (("export", "PREDICTIONS", "."), "holds something already"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: MadeRun, arguments: tuple[str, ...], said: str) -> None:
    words = [str(of(run)) if word == "PREDICTIONS" else word for word in arguments]
    done = ask(run.path, "data", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_predictions_of_another_data_set_are_refused_and_lost_ones_named(run: MadeRun, tmp_path: Path) -> None:
    other = MadeRun(tmp_path / "other", patients=2)
    done = ask(tmp_path, "data", "inspect", str(of(run)), "--data", str(other.data))
    assert done.returncode == 1
    assert "made from another data set" in done.stderr
    lacking = tmp_path / "lacking.h5"
    with write_predictions(lacking, run.info) as file:
        first, second, third = run.targets
        file.add(first, run.targets[first])
        file.lose(second, "missing")
        file.lose(third, "failed: it was NaN")
    assert stored.facts(lacking, run.data)["lost"] == {str(second): "missing", str(third): "failed: it was NaN"}
    shown = ask(tmp_path, "data", "inspect", "lacking.h5")
    assert f"{third}: failed: it was NaN" in shown.stdout
