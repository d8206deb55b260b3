"""Pictures and arrays as they are, pairs by name, pix2pix and CycleGAN folders, fastMRI's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scanner_files as made
from benchmark_medical.importing import pictures
from benchmark_medical.importing.records import every

from benchmark import DatasetError, UsageError
from benchmark.data.checks.file import check
from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.geometry import CaseFault

SIDE = 16
Run = Callable[..., tuple[Dataset, list[str]]]


def grey(seed: int, dtype: type = np.uint8) -> np.ndarray:
    """Every pixel its own value as far as the type goes."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max, (SIDE, SIDE), endpoint=True).astype(dtype)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Import a folder by a layout's name, as the command line does."""

    def go(layout: str, **options: Any) -> tuple[Dataset, list[str]]:
        spec = {each.name: each for each in every()}[layout]
        lines: list[str] = []
        chosen = {"folder": tmp_path / "in", "task": "a-b", "size": SIDE, **options}
        spec.load()(spec.options(**chosen), tmp_path / "out.h5", lines.append)
        assert [problem for problem in check(tmp_path / "out.h5") if problem.severity == "error"] == []
        return Dataset(tmp_path / "out.h5"), lines

    return go


def shown(path: Path, channel: str = "") -> np.ndarray:
    """The picture as a viewer shows it: rows from the top, columns from the left."""
    return pictures.load(path, channel).data[::-1, ::-1, 0].T


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.npy"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_values_come_as_they_are(tmp_path, name, dtype):
    if name == "a.bmp" and dtype is np.uint16:
        pytest.skip("no such format")
    path = made.picture(tmp_path / name, grey(0, dtype))
    np.testing.assert_array_equal(shown(path), grey(0, dtype))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_of_any_usual_compression(tmp_path, compression):
    path = made.picture(tmp_path / "a.tif", grey(1), compression=compression)
    np.testing.assert_array_equal(shown(path), grey(1))


def test_tiff_that_pillow_would_misread(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    values = grey(2, np.uint16)
    for name, array, how in (
        ("float", values.astype(np.float32) / 7, {}),
        ("double", values.astype(np.float64), {}),
        ("signed", values.astype(np.int32) - 1024, {}),
        ("unsigned", values.astype(np.uint32) * 65535, {}),
        ("big", values, {"byteorder": ">"}),
        ("colour", np.stack([values] * 3, -1), {"photometric": "rgb"}),
    ):
        tifffile.imwrite(tmp_path / f"{name}.tif", array, **how)
        np.testing.assert_array_equal(
            shown(tmp_path / f"{name}.tif"), (array if array.ndim == 2 else values).astype("f4")
        )
    for dtype in (np.uint8, np.uint16):
        tifffile.imwrite(tmp_path / "white.tif", grey(3, dtype), photometric="miniswhite")
        np.testing.assert_array_equal(shown(tmp_path / "white.tif"), np.iinfo(dtype).max - grey(3, dtype))
    stack = np.stack([grey(seed, np.uint16) for seed in range(5)])
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    np.testing.assert_array_equal(pictures.load(tmp_path / "stack.tif").data[::-1, ::-1].T, stack)


def test_tiff_of_which_a_part_is_missing_is_a_fault(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).random((64, 64)), rowsperstrip=4)
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(CaseFault, match=r"a\.tif: cannot be read"):
        pictures.load(path)


def test_colour_needs_a_choice_and_grey_saved_as_colour_does_not(tmp_path):
    colour = np.stack([grey(seed) for seed in range(3)], -1)
    path = made.picture(tmp_path / "c.png", colour)
    with pytest.raises(CaseFault, match="--channel"):
        pictures.load(path)
    np.testing.assert_array_equal(shown(path, "green"), colour[..., 1])
    np.testing.assert_allclose(shown(path, "luma"), colour @ [0.299, 0.587, 0.114], rtol=1e-5)
    np.testing.assert_array_equal(shown(made.picture(tmp_path / "g.png", np.stack([grey(0)] * 3, -1))), grey(0))
    see_through = np.dstack([grey(0), grey(0), grey(0), grey(9)])
    np.testing.assert_array_equal(shown(made.picture(tmp_path / "t.png", see_through)), grey(0))


def test_pickles_archives_and_strange_arrays_are_refused(tmp_path):
    np.save(tmp_path / "pickle.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "archive.npz", a=grey(0))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    np.save(tmp_path / "empty.npy", np.zeros((0, 4)))
    np.save(tmp_path / "complex.npy", np.zeros((4, 4), complex))
    np.save(tmp_path / "nan.npy", np.full((4, 4), np.nan))
    for path in sorted(tmp_path.glob("*.npy")):
        with pytest.raises(CaseFault, match=path.name):
            pictures.load(path)


def test_pairs_by_name_with_regions_and_patients(tmp_path, run):
    for number in range(4):
        name = f"p{number // 2}_{number}"
        made.picture(tmp_path / "in" / "masks" / f"{name}.png", (grey(number) > 128).astype(np.uint8) * 255)
        made.picture(tmp_path / "in" / "photos" / f"{name}.tif", grey(10 + number, np.uint16))
        region = np.ones((SIDE, SIDE), np.uint8)
        region[:4] = 0
        made.picture(tmp_path / "in" / "regions" / f"{name}_fov.png", region)
    made.picture(tmp_path / "in" / "photos" / "lonely.tif", grey(9, np.uint16))
    data, lines = run(
        "image-pairs",
        source="masks/{name}.png",
        target="photos/{name}.tif",
        mask="regions/{name}_fov.png",
        source_unit="mask",
        patient=r"(p\d)_",
        split="0.5:0:0.5",
    )
    assert [str(key) for key in data.info.cases] == ["p0/p0_0", "p0/p0_1", "p1/p1_2", "p1/p1_3"]
    assert "skipped lonely: no source" in lines
    case = data.load(data.info.cases[0])
    np.testing.assert_array_equal(case.target[0], grey(10, np.uint16))
    np.testing.assert_array_equal(case.source[0], grey(0) > 128)
    assert case.mask[0].mean() == pytest.approx(0.75)
    assert not case.mask[0, :4].any()
    with pytest.raises(UsageError, match=r"without '\.\.'"):
        run("image-pairs", source="../{name}.png", target="photos/{name}.tif")


def test_pictures_that_differ_in_size_are_no_pair(tmp_path, run):
    for number in range(3):
        made.picture(tmp_path / "in" / f"{number}_a.png", grey(number))
        made.picture(tmp_path / "in" / f"{number}_b.png", grey(9 - number)[: SIDE - (number == 2)])
    data, lines = run("image-pairs", source="{name}_a.png", target="{name}_b.png", split="0.5:0:0.5")
    assert len(data.info.cases) == 2
    assert any(line.startswith("skipped 2/s1: source and target differ in grid") for line in lines)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("combined", [True, False])
def test_pix2pix(tmp_path, run, direction, combined):
    seed = 0
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        for number in range(count):
            a, b = grey(seed), grey(seed + 1)
            seed += 2
            if combined:
                made.picture(tmp_path / "in" / split / f"{number}.png", np.hstack([a, b]))
            else:
                made.picture(tmp_path / "in" / "A" / split / f"{number}.png", a)
                made.picture(tmp_path / "in" / "B" / split / f"{number}.png", b)
    data, lines = run("pix2pix", direction=direction)
    assert {split: len(data.info.in_split(split)) for split in ("train", "val", "test")} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    case = data.load(data.info.in_split("test")[0])
    first, second = (case.source, case.target) if direction == "AtoB" else (case.target, case.source)
    np.testing.assert_array_equal(first[0], grey(6))
    np.testing.assert_array_equal(second[0], grey(7))
    assert lines[-1].endswith("0 skipped")


def test_pix2pix_of_odd_width_is_a_fault_and_an_empty_folder_an_error(tmp_path, run):
    for number, split in enumerate(("train", "test")):
        made.picture(tmp_path / "in" / split / "1.png", np.hstack([grey(number), grey(number + 5)]))
    made.picture(tmp_path / "in" / "train" / "odd.png", np.hstack([grey(8), grey(9)])[:, 1:])
    _, lines = run("pix2pix")
    assert any("odd.png: 31 columns" in line for line in lines)
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="nothing of this layout was found"):
        run("pix2pix", folder=tmp_path / "none")


def test_pix2pix_without_a_test_folder_and_with_patients(tmp_path, run):
    for number, (split, name) in enumerate((("train", "p1_1"), ("train", "p2_1"), ("val", "p3_1"), ("val", "p3_2"))):
        made.picture(tmp_path / "in" / split / f"{name}.png", np.hstack([grey(number), grey(number + 9)]))
    data, lines = run("pix2pix", patient=r"(p\d)_")
    assert data.info.splits == {"train": ("p1", "p2"), "val": (), "test": ("p3",)}
    assert "there is no folder test: val is the test set" in lines
    made.picture(tmp_path / "in" / "train" / "p3_7.png", np.hstack([grey(20), grey(21)]))
    with pytest.raises(DatasetError, match="belongs to one split"):
        run("pix2pix", patient=r"(p\d)_")


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_cyclegan_trains_unpaired_and_tests_on_pairs(tmp_path, run, direction):
    for domain, count in (("A", 3), ("B", 2)):
        for number in range(count):
            made.picture(tmp_path / "in" / f"train{domain}" / f"{number}.png", grey(number + 20 * (domain == "B")))
        for number in range(2):
            made.picture(tmp_path / "in" / f"test{domain}" / f"{number}.png", grey(40 + number + 20 * (domain == "B")))
    made.picture(tmp_path / "in" / "testA" / "alone.png", grey(99))
    data, lines = run("cyclegan", direction=direction)
    assert not data.info.paired
    training = [data.load_sides(key) for key in data.info.in_split("train")]
    numbers = [sum(getattr(case, side) is not None for case in training) for side in ("source", "target")]
    assert numbers == ([3, 2] if direction == "AtoB" else [2, 3])
    assert all((case.source is None) != (case.target is None) for case in training)
    test = [data.load(key) for key in data.info.in_split("test")]
    assert len(test) == 2
    first = test[0].source if direction == "AtoB" else test[0].target
    np.testing.assert_array_equal(first[0], grey(40))
    assert any("alone" in line and "skipped" in line for line in lines)
    with pytest.raises(UsageError, match="no trainA"):
        run("cyclegan", folder=tmp_path)


def test_fastmri_contrasts_and_patients(tmp_path, run):
    for number, (patient, contrast) in enumerate((("x", "AXT1"), ("x", "AXT2"), ("y", "AXT1"), ("", "AXT1"))):
        made.fastmri(tmp_path / "in" / f"file{number}.h5", number, patient, contrast)
    (tmp_path / "in" / "file9.h5").write_bytes(b"")
    data, lines = run("fastmri", size=24, split="0.5:0:0.5")
    assert sorted({key.patient for key in data.info.cases}) == ["file3", "x", "y"]
    assert [key.study for key in data.info.cases if key.patient == "x"] == ["file0", "file1"]
    case = data.load(data.info.cases[0])
    np.testing.assert_array_equal(case.source, case.target)
    assert case.target.max() == pytest.approx(1e-3, rel=0.2)  # as stored: no scale is lost
    assert any(line.startswith("skipped file9.h5: cannot be read") for line in lines)
    one, _ = run("fastmri", size=24, split="0:0:1", target_window="0:1e-3", acquisition="AXT2")
    assert [str(key) for key in one.info.cases] == ["x/file1"]
