"""Slices are read without HDF5's own inflating, and come out the same however they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_datasets import SOURCE, TARGET, anatomy, write

from benchmark.data.format import chunks, fitting
from benchmark.data.format.chunks import read_array, read_slices
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey
from benchmark.data.format.writer import DatasetWriter

OURS = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
LAYOUTS: dict[str, dict[str, Any]] = {
    "ours": OURS,
    "no checksum": {"compression": "gzip", "shuffle": True},
    "no shuffle": {"compression": "gzip"},
    "lzf": {"compression": "lzf", "shuffle": True},
    "not compressed": {},
    "shuffled alone": {"shuffle": True},
}
VALUES = hnp.array_shapes(min_dims=3, max_dims=3, max_side=9).flatmap(
    lambda shape: st.sampled_from(["<i2", "<f4", "|u1", ">i2", "<f8", "<u4", "<f2"]).flatmap(
        lambda kind: hnp.arrays(np.dtype(kind), shape)
    )
)


def stored(path: Path, array: np.ndarray, **layout: Any) -> np.ndarray:
    with h5py.File(path, "w", libver="v110") as file:
        file.create_dataset("a", data=array, chunks=(1, *array.shape[1:]), **layout)
    with h5py.File(path) as file:
        return read_array(file["a"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=VALUES, layout=st.sampled_from(sorted(LAYOUTS)))
def test_every_array_comes_back_whatever_its_layout(tmp_path: Path, array: np.ndarray, layout: str) -> None:
    found = stored(tmp_path / "a.h5", array, **LAYOUTS[layout])
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_some_slices_are_read_as_they_are_in_the_whole(tmp_path: Path, layout: str) -> None:
    array = np.random.default_rng(0).integers(-900, 900, (3, 5, 4)).astype(np.int16)
    stored(tmp_path / "a.h5", array, **LAYOUTS[layout])
    with h5py.File(tmp_path / "a.h5") as file:
        for numbers in ([0], [2], [0, 2], [1, 2], range(3)):
            np.testing.assert_array_equal(read_slices(file["a"], numbers), array[list(numbers)])


def test_what_the_writer_stores_is_read_the_quick_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, expected = write(tmp_path / "d.h5"), anatomy("train0")
    taken: list[str] = []
    inflate = chunks._inflate
    monkeypatch.setattr(chunks, "_inflate", lambda data, *rest: (taken.append(data.name), inflate(data, *rest))[1])
    with Dataset(path) as dataset:
        case = dataset.load(CaseKey("train0", "s1"))
    assert [name.rpartition("/")[2] for name in taken] == ["source", "target", "mask"]
    for role in ("source", "target", "mask"):
        np.testing.assert_array_equal(getattr(case, role), expected[role])


@pytest.mark.parametrize("place", [4, 40, -6])
def test_a_damaged_slice_is_an_error_and_never_other_values(tmp_path: Path, place: int) -> None:
    array = np.random.default_rng(0).integers(-900, 900, (3, 16, 16)).astype(np.int16)
    path = tmp_path / "a.h5"
    stored(path, array, **OURS)
    with h5py.File(path) as file:
        start, size = file["a"].id.get_chunk_info(1).byte_offset, file["a"].id.get_chunk_info(1).size
    data = bytearray(path.read_bytes())
    data[start + place % size] ^= 0x55
    path.write_bytes(data)
    with h5py.File(path) as file, pytest.raises(OSError, match=r"filter|checksum"):
        read_array(file["a"])


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32])
def test_whole_numbers_are_stored_in_two_bytes_and_others_are_not(tmp_path: Path, kind: type) -> None:
    def case(value: float) -> dict[str, Any]:
        image = np.arange(128).reshape(2, 8, 8).astype(kind)
        image[0, 0, 0] = value
        return {"source": image, "target": anatomy("a")["target"], "spacing": (1, 1, 1)}

    values = {"low": -32768, "high": 32767, "below": -32769, "above": 32768}
    with DatasetWriter(tmp_path / "d.h5", task="t", name="n", source=TARGET, target=TARGET, simulated=True) as writer:
        for name, value in values.items():
            writer.add_case(name, "s1", **case(value))
        if kind is not np.int32:
            writer.add_case("fraction", "s1", **case(0.5))
        names = [*values, "fraction"] if kind is not np.int32 else [*values]
        writer.set_splits({"train": names[:1], "test": names[1:]})
    with h5py.File(tmp_path / "d.h5") as file:
        types = {name: file[f"cases/{name}/s1/source"].dtype for name in names}
        assert [float(file[f"cases/{name}/s1/source"][0, 0, 0]) for name in values] == list(values.values())
    small = {"low", "high"}
    assert types == {name: np.int16 if name in small else np.float32 for name in names}


@pytest.mark.parametrize("most", [4_000_000, 100, 37])
def test_percentiles_of_a_sample_are_those_of_every_nth_voxel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(fitting, "_PERCENTILE_SAMPLE", most)
    names = ["train0", "train1", "train2"]
    with Dataset(write(tmp_path / "d.h5")) as dataset:
        fitted = dataset.info.source_map
    voxels = np.concatenate([anatomy(name)["source"][anatomy(name)["mask"]] for name in names])
    sample = voxels[:: max(1, voxels.size // most)]
    assert len(sample) <= 2 * most
    low, high = np.percentile(sample, [SOURCE.window.low, SOURCE.window.high])
    assert (fitted.low, fitted.high) == (low, high)
