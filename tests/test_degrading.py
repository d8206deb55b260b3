"""Clean images become pairs: which side, what is kept, what is said of them, and what cannot be done."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine
from small_datasets import SOURCE, TARGET, write

from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import nature
from benchmark.data.format.writer import DatasetWriter

SPLITS = {"train": 3, "val": 1, "test": 2}


@pytest.fixture
def scans(toy: CommandLine) -> Path:
    """Real pairs of which the source is in arbitrary units."""
    return write(toy.folder / "scans.h5", splits=SPLITS, simulated=False)


def degrade(toy: CommandLine, file: Path, *more: str, out: str = "noisy.h5") -> Any:
    return toy("data", "degrade", "toy-noise", str(file), "--out", out, *more)


def test_the_image_is_the_target_and_everything_says_what_was_done(toy: CommandLine, scans: Path) -> None:
    ended = degrade(toy, scans, "-p", "noise=5", "--seed", "3")
    assert ended.returncode == 0, ended.stderr
    assert "wrote noisy.h5 for toy-shift: 6 patients" in ended.stdout
    with Dataset(scans) as clean, Dataset(toy.folder / "noisy.h5") as made:
        info = made.info
        assert (info.task, info.name, info.simulated, info.degraded) == ("toy-shift", "noisy", True, True)
        assert info.nature == "simulated degradation of real images"
        assert (info.source.modality, info.target.modality) == ("MR T1 with noise", "MR T1")
        assert (info.source.unit, info.target.unit) == ("a.u.", "a.u.")
        assert info.splits == clean.info.splits
        assert info.provenance["licence"] == "CC0"
        assert info.provenance["degradation"] == {
            "by": "toy-noise",
            "of_real_images": True,
            "clean_images": f"source of discs {clean.info.content_sha256[:8]}",
            "options": {"noise": 5.0, "darkest": 0.0},
            "seed": 3,
        }
        for key in info.cases:
            before, after = clean.load(key), made.load(key)
            np.testing.assert_array_equal(after.target, before.source)
            assert 3 < (after.source - after.target).std() < 7
            np.testing.assert_array_equal(after.mask, before.mask)
            assert after.spacing == before.spacing
            physics = made.physics(key)
            assert physics["degradation"] == "simulated: toy-noise"
            assert physics["pair"] is True
    assert "simulated degradation of real images for toy-shift" in toy("data", "inspect", "noisy.h5").stdout


def test_a_study_s_noise_depends_on_the_seed_and_on_nothing_else(toy: CommandLine, scans: Path) -> None:
    fewer = write(toy.folder / "fewer.h5", splits={**SPLITS, "train": 1}, simulated=False)
    for file, out, seed in ((scans, "a.h5", "0"), (scans, "b.h5", "0"), (scans, "c.h5", "1"), (fewer, "d.h5", "0")):
        assert degrade(toy, file, "--seed", seed, out=out).returncode == 0
    loaded = [Dataset(toy.folder / f"{name}.h5") for name in "abcd"]
    key = next(key for key in loaded[3].info.cases if key.patient == "test1")
    a, b, c, d = (dataset.load(key).source for dataset in loaded)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, d)
    assert not np.array_equal(a, c)


def test_of_simulated_images_it_is_simulated_data_and_of_degraded_ones_still_real(toy: CommandLine) -> None:
    phantoms = write(toy.folder / "phantoms.h5", splits=SPLITS, simulated=True)
    assert degrade(toy, phantoms).returncode == 0
    assert Dataset(toy.folder / "noisy.h5").info.nature == "simulated data"
    scans = write(toy.folder / "scans.h5", splits=SPLITS, simulated=False)
    assert degrade(toy, scans, out="once.h5").returncode == 0
    assert degrade(toy, toy.folder / "once.h5", out="twice.h5").returncode == 0
    assert Dataset(toy.folder / "twice.h5").info.degraded
    assert nature(False, False) == "real data"


def test_a_clean_import_has_no_other_side(toy: CommandLine) -> None:
    path = toy.folder / "clean.h5"
    image = np.random.default_rng(0).uniform(0, 300, (2, 8, 8)).astype(np.float32)
    with DatasetWriter(path, task="any", name="clean", source=SOURCE, target=SOURCE, simulated=False) as writer:
        for patient in ("a", "b"):
            writer.add_case(patient, "s1", source=image + 1, target=image + 1, spacing=(1, 1, 1))
        writer.set_splits({"train": ["a"], "test": ["b"]})
    assert degrade(toy, path).returncode == 0
    with Dataset(toy.folder / "noisy.h5") as made:
        assert {made.physics(key)["pair"] for key in made.info.cases} == {False}
        assert made.info.provenance["degradation"]["clean_images"].startswith("target of clean ")


def test_studies_that_cannot_be_degraded_are_left_out_with_the_reason(toy: CommandLine, scans: Path) -> None:
    with Dataset(scans) as clean:
        means = sorted(clean.load(key).source.mean() for key in clean.info.cases)
    ended = degrade(toy, scans, "-p", f"darkest={(means[0] + means[1]) / 2}")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("too dark") == 1
    assert len(Dataset(toy.folder / "noisy.h5").info.cases) == 5
    ended = degrade(toy, scans, "-p", "darkest=1e9", out="none.h5")
    assert ended.returncode == 2
    assert "not one study could be degraded; nothing was written" in ended.stderr
    assert not (toy.folder / "none.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("{scans}", "--out", "x.nii"), "name a .h5 file"),
        (("{scans}", "--out", "{scans}"), "that is the file with the clean images"),
        (("{scans}", "--out", "x.h5", "--side", "target"), "degrades images in a.u."),
        (("{scans}", "--out", "x.h5", "--side", "left"), "use source or target"),
        (("{scans}", "--out", "x.h5", "-p", "noize=3"), "noize"),
        (("{scans}", "--out", "x.h5", "-p", "noise"), "write OPTION=VALUE"),
        (("nowhere.h5", "--out", "x.h5"), "no such file"),
        (("{unpaired}", "--out", "x.h5"), "not paired"),
    ],
)
def test_what_makes_no_sense_is_an_error_in_a_line(
    toy: CommandLine, scans: Path, arguments: tuple[str, ...], said: str
) -> None:
    unpaired = toy.folder / "unpaired.h5"
    image = np.random.default_rng(0).uniform(-900, 900, (2, 8, 8))
    with DatasetWriter(
        unpaired, task="any", name="u", source=TARGET, target=TARGET, simulated=False, paired=False
    ) as writer:
        writer.add_case("a", "s1", source=image, spacing=(1, 1, 1))
        writer.add_case("b", "s1", target=image, spacing=(1, 1, 1))
        writer.add_case("c", "s1", source=image, target=image, spacing=(1, 1, 1))
        writer.set_splits({"train": ["a", "b"], "test": ["c"]})
    before = scans.read_bytes()
    ended = toy("data", "degrade", "toy-noise", *(a.format(scans=scans, unpaired=unpaired) for a in arguments))
    assert ended.returncode == 2
    assert said in ended.stderr
    assert not (toy.folder / "x.h5").exists()
    assert scans.read_bytes() == before


def test_records_and_tables_say_it_too(toy: CommandLine, scans: Path) -> None:
    assert degrade(toy, scans).returncode == 0
    ended = toy("run", "--grid", "toy", "--preset", "smoke", "--data", "toy-shift=noisy.h5", "--name", "x",
                "--models", "toy-copy")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for shown in (ended.stdout, toy("leaderboard", "results/x").stdout):
        assert "SIMULATED DEGRADATION OF REAL IMAGES, " in shown
        assert "SIMULATED DATA" not in shown
    record = toy.records("results/x")["toy-copy"]
    assert (record["dataset"]["simulated"], record["dataset"]["degraded"]) == (True, True)
    run = toy.folder / "results/x"
    assert "SIMULATED DEGRADATION OF REAL IMAGES" in (run / "leaderboard.md").read_text()
    rows = list(csv.DictReader((run / "leaderboard.csv").read_text().splitlines()))
    assert {row["degraded"] for row in rows} == {"true"}
    assert json.loads((run / "leaderboard.json").read_text())["tables"][0]["degraded"] is True
    assert toy("verify", "results/x").returncode == 0


def test_degraders_are_listed_and_shown(toy: CommandLine) -> None:
    assert "toy-noise" in toy("list", "degraders").stdout
    assert "standard deviation" in toy("show", "degrader", "toy-noise").stdout
