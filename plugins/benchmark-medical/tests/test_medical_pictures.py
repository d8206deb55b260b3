"""Pictures, arrays and fastMRI's files as their layouts have them: values, orientation, splits, pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from benchmark_medical.importing.pictures import load
from benchmark_medical.importing.records import every

from benchmark import DatasetError, UsageError
from benchmark.data.checks import check
from benchmark.data.geometry import CaseFault
from benchmark.data.reader import Dataset

pillow = pytest.importorskip("PIL.Image")

SIZE = 24


def pattern(seed: int, top: int = 255) -> np.ndarray:
    """Rows and columns that no turn or mirror leaves alone."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    wave = 0.5 + 0.3 * np.sin(rows / 3 + seed) + 0.2 * columns / SIZE
    wave[2:6, 2:4] = 1.0
    return np.rint(wave * top)


def head(seed: int) -> np.ndarray:
    """Bright tissue before dark air, in the small numbers that fastMRI has."""
    rows, columns = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    inside = rows**2 / 0.7 + columns**2 / 0.5 < 1
    noise = np.random.default_rng(seed).normal(0, 0.01, inside.shape)
    return 1e-4 * np.where(inside, 1 + 0.2 * np.sin(6 * rows + seed) + noise, 0.02 + np.abs(noise))


def picture(path: Path, array: np.ndarray, kind: str = "uint8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        pillow.fromarray(array.astype(kind)).save(path)


Run = Callable[..., tuple[Dataset, list[str]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def go(layout: str, **options: Any) -> tuple[Dataset, list[str]]:
        spec = {each.name: each for each in every()}[layout]
        lines: list[str] = []
        spec.load()(spec.options(**{"size": SIZE, "task": "t", **options}), tmp_path / "out.h5", lines.append)
        assert [problem for problem in check(tmp_path / "out.h5") if problem.severity == "error"] == []
        return Dataset(tmp_path / "out.h5"), lines

    return go


def targets(data: Dataset) -> dict[str, np.ndarray]:
    return {str(key): data.load(key).target for key in data.info.cases}


@pytest.mark.parametrize(
    ("suffix", "kind", "top"), [(".png", "uint16", 60_000), (".tif", "uint16", 60_000), (".npy", "float32", 3)]
)
def test_pairs_by_name_keep_values_and_lie_upright(tmp_path, run, suffix, kind, top):
    for seed in range(3):
        picture(tmp_path / "in/masks" / f"Img ({seed}).png", 255 * (pattern(seed) > 128))
        picture(tmp_path / "in/photos" / f"Img ({seed}){suffix}", pattern(seed, top).astype(kind), kind)
    data, _ = run(
        "image-pairs",
        folder=tmp_path / "in",
        source="masks/{name}.png",
        target=f"photos/{{name}}{suffix}",
        source_unit="mask",
    )
    found = targets(data)
    assert len(found) == 3
    wanted = [pattern(seed, top).astype(kind) for seed in range(3)]
    for array in found.values():
        assert any(np.array_equal(array[0], each) for each in wanted)
    source = data.load(data.info.cases[0]).source
    assert set(np.unique(source)) <= {0.0, 1.0}
    assert data.load(data.info.cases[0]).mask.all()


def test_a_patients_pictures_stay_together_and_what_lacks_a_side_is_named(tmp_path, run):
    for seed, name in enumerate(("p1-left", "p1-right", "p2-left", "p3-left")):
        picture(tmp_path / "in/a" / f"{name}.png", pattern(seed))
        if name != "p3-left":
            picture(tmp_path / "in/b" / f"{name}.png", pattern(seed + 9))
    data, lines = run(
        "image-pairs",
        folder=tmp_path / "in",
        source="a/{name}.png",
        target="b/{name}.png",
        patient=r"(p\d)",
        channel="luma",
    )
    assert [str(key) for key in data.info.cases] == ["p1/p1-left", "p1/p1-right", "p2/p2-left"]
    assert "skipped p3-left: no target" in lines


def test_colour_needs_a_channel_and_grey_saved_as_colour_none(tmp_path):
    colour = np.stack([pattern(0), pattern(1), pattern(2)], axis=-1)
    picture(tmp_path / "c.png", colour)
    with pytest.raises(CaseFault, match=r"c\.png is in colour; choose one channel"):
        load(tmp_path / "c.png")
    green = load(tmp_path / "c.png", "green").data[::-1, ::-1, 0].T
    np.testing.assert_array_equal(green, pattern(1))
    luma = load(tmp_path / "c.png", "luma").data[::-1, ::-1, 0].T
    np.testing.assert_allclose(luma, colour @ [0.299, 0.587, 0.114], atol=1e-4)
    picture(tmp_path / "g.png", np.repeat(pattern(0)[..., None], 3, axis=2))
    np.testing.assert_array_equal(load(tmp_path / "g.png").data[::-1, ::-1, 0].T, pattern(0))


def test_a_pickled_array_is_not_loaded(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CaseFault, match=r"x\.npy"):
        load(tmp_path / "x.npy")


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_pix2pix_side_by_side_or_in_two_folders(tmp_path, run, apart, direction):
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        for number in range(count):
            seed = {"train": 0, "val": 10, "test": 20}[split] + number
            a, b = pattern(seed), 255 - pattern(seed)
            if apart:
                picture(tmp_path / "in/A" / split / f"{seed}.png", a)
                picture(tmp_path / "in/B" / split / f"{seed}.png", b)
            else:
                picture(tmp_path / "in" / split / f"{seed}.png", np.concatenate([a, b], axis=1))
    data, _ = run("pix2pix", folder=tmp_path / "in", direction=direction)
    assert {split: len(names) for split, names in data.info.splits.items()} == {"train": 3, "val": 1, "test": 2}
    case = data.load(next(key for key in data.info.cases if key.patient == "20"))
    source, target = (case.source, case.target) if direction == "AtoB" else (case.target, case.source)
    np.testing.assert_array_equal(source[0], pattern(20))
    np.testing.assert_array_equal(target[0], 255 - pattern(20))


def test_cyclegan_trains_without_pairs_and_tests_with_them(tmp_path, run):
    for folder, count, seed in (("trainA", 3, 0), ("trainB", 2, 10), ("testA", 2, 20), ("testB", 3, 20)):
        for number in range(count):
            picture(tmp_path / "in" / folder / f"{number}.png", pattern(seed + number + 5 * (folder == "testB")))
    data, lines = run("cyclegan", folder=tmp_path / "in")
    assert not data.info.paired
    assert len(data.info.in_split("train")) == 5
    assert [key.patient for key in data.info.in_split("test")] == ["test-0", "test-1"]
    assert any("test/2" in line and "could not be scored" in line for line in lines)
    with pytest.raises(UsageError, match="no testB"):
        run("cyclegan", folder=_without(tmp_path / "in", "testB"))


def _without(folder: Path, name: str) -> Path:
    (folder / name).rename(folder / "elsewhere")
    return folder


def test_fastmri_is_clean_images_and_a_patients_volumes_stay_together(tmp_path, run):
    (tmp_path / "in").mkdir()
    for number, (patient, kind) in enumerate((("a", "AXT2"), ("a", "AXT1"), ("b", "AXT2"), ("c", "AXT2"))):
        with h5py.File(tmp_path / "in" / f"file{number}.h5", "w") as file:
            file["reconstruction_rss"] = np.stack([head(10 * number + z) for z in range(3)]).astype(np.float32)
            file.attrs.update(patient_id=patient, acquisition=kind)
    (tmp_path / "in/file9.h5").write_bytes(b"not HDF5")
    data, lines = run("fastmri", folder=tmp_path / "in")
    assert [str(key) for key in data.info.cases] == ["a/file0", "a/file1", "b/file2", "c/file3"]
    assert any(line.startswith("skipped file9.h5: cannot be read") for line in lines)
    case = data.load(data.info.cases[0])
    np.testing.assert_array_equal(case.source, case.target)
    chosen, _ = run("fastmri", folder=tmp_path / "in", acquisition="AXT2")
    assert [key.study for key in chosen.info.cases] == ["file0", "file2", "file3"]
    with pytest.raises(DatasetError, match="no study could be imported"):
        run("fastmri", folder=tmp_path / "in", key="kspace2")
