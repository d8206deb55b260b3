"""What ``benchmark data inspect`` and ``check`` show of a file."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import CommandLine
from small_datasets import SOURCE, Arrays, anatomy, write

from benchmark import atomic
from benchmark.contracts.intensity import Window
from benchmark.data.contact_sheet import contact_sheet, draw
from benchmark.data.format import croissant
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.data.summary import summary
from benchmark.errors import DatasetError


def size_of_png(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_the_summary_says_what_was_written_and_fits_into_json(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    target = Side("CT", "HU", Window(-1024, 2000))
    with DatasetWriter(
        path, task="t", name="n", source=SOURCE, target=target, simulated=False, provenance={"licence": "CC0-1.0"}
    ) as writer:
        for patient, study, thick in (("a", "s1", 3.0), ("b", "s1", 2.0), ("b", "s2", 5.0), ("c", "s1", 3.0)):
            writer.add_case(patient, study, **anatomy(patient + study), spacing=(thick, 1.5, 1.0))
        writer.set_splits({"train": ["b"], "test": ["c", "a"]})
    facts = json.loads(json.dumps(summary(path), allow_nan=False))
    assert (facts["path"], facts["schema"], facts["task"], facts["name"]) == (str(path), "mi2i/1", "t", "n")
    assert facts["simulated"] is False
    assert facts["target"] == {
        "modality": "CT",
        "unit": "HU",
        "window": [-1024.0, 2000.0],
        "rule": {"kind": "fixed", "low": -1024.0, "high": 2000.0},
    }
    assert facts["source"]["rule"] == {"kind": "percentile", "low": 0.5, "high": 99.5}
    assert facts["source"]["window"][0] < facts["source"]["window"][1]
    assert facts["image_size"] == [8, 8]
    assert facts["splits"] == {
        "train": {"patients": 1, "names": ["b"], "studies": 2, "slices": 4},
        "val": {"patients": 0, "names": [], "studies": 0, "slices": 0},
        "test": {"patients": 2, "names": ["a", "c"], "studies": 2, "slices": 4},
    }
    assert facts["spacing_mm"] == {"smallest": [2.0, 1.5, 1.0], "largest": [5.0, 1.5, 1.0]}
    assert facts["provenance"] == {"licence": "CC0-1.0"}
    with h5py.File(path) as file:
        assert facts["content_sha256"] == file.attrs["content_sha256"].decode()


def test_the_contact_sheet_is_a_picture_that_grows_with_the_splits(tmp_path: Path) -> None:
    contact_sheet(write(tmp_path / "d.h5"), tmp_path / "d.png")
    wide, high = size_of_png(tmp_path / "d.png")
    assert min(wide, high) > 300
    contact_sheet(write(tmp_path / "small.h5", splits={"train": 1, "test": 1}), tmp_path / "small.png")
    small_wide, small_high = size_of_png(tmp_path / "small.png")
    assert small_wide < wide
    assert small_high < high


def test_the_sheet_shows_middle_slices_in_common_windows(tmp_path: Path) -> None:
    def crop(patient: str, arrays: Arrays) -> None:
        arrays["mask"][:2] = False

    with Dataset(write(tmp_path / "d.h5", splits={"train": 2, "test": 1}, slices=5, change=crop)) as dataset:
        figure = draw(dataset)
        window = dataset.info.source_map
    images = [axis.images[0] for axis in figure.axes if axis.images and not axis.get_xlabel()]
    roles = ("source", "target", "mask")
    expected = [anatomy(p, slices=5)[role][3] for p in ("train0", "train1", "test0") for role in roles]
    assert len(images) == len(expected)
    for image, pixels in zip(images, expected, strict=True):
        np.testing.assert_array_equal(image.get_array(), pixels)
    assert {image.get_clim() for image in images[0::3]} == {(window.low, window.high)}
    assert {image.get_clim() for image in images[1::3]} == {(-1024.0, 2000.0)}
    outlines = [len(image.axes.collections) for image in images]
    assert outlines == [0, 1, 0] * 3
    titles = [image.axes.get_title(loc="left") for image in images]
    assert titles[::3] == ["train0/s1", "train1/s1", "test0/s1"]
    assert titles[2::3] == ["region"] * 3


def test_labels_are_shown_in_colours_of_their_own(tmp_path: Path) -> None:
    def label(patient: str, arrays: Arrays) -> None:
        arrays["labels"] = np.where(arrays["mask"], np.arange(8) + 250, 9).astype(np.uint8)

    with Dataset(write(tmp_path / "d.h5", splits={"train": 1, "test": 1}, change=label)) as dataset:
        figure = draw(dataset)
    ((axis,), *_) = [[axis] for axis in figure.axes if axis.get_title(loc="left") == "labels in region"]
    shown = axis.images[0].get_array()
    mask = anatomy("train0")["mask"][1]
    assert (shown[~mask] == 0).all()
    assert len(np.unique(shown[mask])) == len(np.unique((np.arange(8) + 250)[mask.any(0)]))
    colours = axis.images[0].cmap.colors
    assert len({tuple(colour) for colour in colours}) == len(colours)


def test_the_sheet_counts_the_voxels_of_the_region_of_all_patients(tmp_path: Path) -> None:
    with Dataset(write(tmp_path / "d.h5")) as dataset:
        figure = draw(dataset)
    histograms = [axis for axis in figure.axes if axis.get_xlabel() == "MR T1 [a.u.]" and axis.images]
    assert [axis.get_ylabel() for axis in histograms] == ["CT [HU]"] * 3
    region = int(anatomy("train0")["mask"].sum())
    assert [axis.images[0].get_array().sum() for axis in histograms] == [region * n for n in (3, 1, 10)]
    bars = [axis.get_xlabel() for axis in figure.axes if not axis.images]
    assert bars[-2:] == ["MR T1 [a.u.]", "CT [HU]"]


@pytest.mark.parametrize("simulated", [True, False])
def test_the_sheet_says_whether_data_are_simulated(tmp_path: Path, simulated: bool) -> None:
    with Dataset(write(tmp_path / "d.h5", simulated=simulated)) as dataset:
        title = draw(dataset).get_suptitle()
    assert title.startswith("discs (mr-ct): MR T1 [a.u.] to CT [HU]")
    assert ("simulated" in title) is simulated


@pytest.mark.parametrize("name", ["$\\frac{$", "a $b$ c", "\x1b[31m", "漢字"])
def test_text_from_the_file_is_never_a_formula(tmp_path: Path, name: str) -> None:
    side = Side(name, name, Window(-1024, 2000))
    contact_sheet(write(tmp_path / "d.h5", splits={"train": 1, "test": 1}, target=side), tmp_path / "d.png")
    assert (tmp_path / "d.png").stat().st_size > 0


def test_faulty_pixels_are_still_drawn(tmp_path: Path) -> None:
    """The picture is for looking at faults: NaN, an empty region and a constant slice must not stop it."""
    path = write(tmp_path / "d.h5")
    with h5py.File(path, "a") as file:
        file["cases/train0/s1/source"][0] = np.nan
        file["cases/test0/s1/mask"][...] = 0
        file["cases/test1/s1/target"][...] = 5
        file["cases/val0/s1/mask"][...] = 0
    contact_sheet(path, tmp_path / "d.png")
    assert (tmp_path / "d.png").stat().st_size > 0


def test_neither_answers_a_file_that_breaks_the_schema(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    with h5py.File(path, "a") as file:
        del file.attrs["task"]
    with pytest.raises(DatasetError, match="'task' is missing"):
        summary(path)
    with pytest.raises(DatasetError, match="'task' is missing"):
        contact_sheet(path, tmp_path / "d.png")
    assert not (tmp_path / "d.png").exists()


def test_inspect_prints_facts_problems_and_draws(tmp_path: Path, toy: CommandLine) -> None:
    path = write(tmp_path / "d.h5", splits={"train": 2, "val": 1, "test": 3})
    ended = toy("data", "inspect", str(path))
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    lines = {line.split("  ")[0]: line for line in ended.stdout.splitlines()}
    assert "discs, simulated data for mr-ct" in lines["data set"]
    assert "window -1024 to 2000 HU (declared)" in lines["target"]
    assert "8 x 8 pixels; spacing z, y, x 3 x 2 x 1 mm" in lines["slices"]
    assert "1 patient, 1 study, 2 slices" in lines["val"]
    assert lines["val"].endswith(": val0")
    assert "warning: splits: test patients: 3" in ended.stdout
    assert croissant.beside(path).is_file()
    assert path.with_suffix(".png").stat().st_size > 0
    machine = toy("data", "inspect", str(path), "--json")
    assert json.loads(machine.stdout) == summary(path)
    croissant.beside(path).write_text("{}")
    assert f"metadata: {croissant.beside(path)}" in toy("data", "inspect", str(path)).stdout
    assert croissant.stated_sha256(path) == atomic.sha256_file(path)
    unwritable = toy("data", "inspect", str(path), "--picture", str(tmp_path / "nowhere" / "d.png"))
    assert unwritable.returncode == 2
    assert "--picture" in unwritable.stderr
    assert "Traceback" not in unwritable.stderr


def test_check_prints_every_problem_and_ends_with_1_on_errors(tmp_path: Path, toy: CommandLine) -> None:
    path = write(tmp_path / "d.h5")
    good = toy("data", "check", str(path))
    assert (good.returncode, good.stdout) == (0, f"{path}: 0 errors, 0 warnings\n")
    with h5py.File(path, "a") as file:
        file["cases/train0/s1/target"][0, 0, 0] = 1
    bad = toy("data", "check", str(path))
    assert bad.returncode == 1
    assert "error: train0/s1: target is not what was written" in bad.stdout
    assert "warning: file: d.croissant.json describes another file" in bad.stdout
    assert bad.stdout.endswith(": 1 error, 1 warning\n")
    machine = toy("data", "check", str(path), "--json")
    assert machine.returncode == 1
    problem, _ = json.loads(machine.stdout)
    assert sorted(problem) == ["advice", "cases", "severity", "what", "where"]


def test_run_refuses_a_file_with_errors_before_anything_is_trained(tmp_path: Path, toy: CommandLine) -> None:
    side = Side("B", "a.u.", Window(0, 400))
    path = write(tmp_path / "d.h5", target=side, task="toy-shift")
    with h5py.File(path, "a") as file:
        file["cases/test0/s1/target"][0, 0, 0] = 1
    ended = toy("run", "--grid", "toy", "--preset", "smoke", "--data", f"toy-shift={path}")
    assert ended.returncode == 2
    assert "test0/s1: target is not what was written" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
