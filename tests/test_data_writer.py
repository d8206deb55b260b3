"""Writing and reading an ``mi2i/1`` file."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_datasets import SOURCE, TARGET, Arrays, anatomy, write

from benchmark.contracts.intensity import Window
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey, Side
from benchmark.data.format.writer import DatasetWriter
from benchmark.errors import DatasetError

IDENTIFIERS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))


def open_writer(path: Path, **more: Any) -> DatasetWriter:
    arguments: dict[str, Any] = {"task": "mr-ct", "name": "n", "source": SOURCE, "target": TARGET, "simulated": True}
    return DatasetWriter(path, **{**arguments, **more})


def write_cases(path: Path, patients: str, splits: dict[str, list[str]] | None = None, **last: Any) -> None:
    """One case per letter; ``last`` replaces arguments of the last case."""
    with open_writer(path) as writer:
        for patient in patients:
            change = last if patient == patients[-1] else {}
            writer.add_case(patient, "s1", **{**anatomy(patient), "spacing": (1, 1, 1), **change})
        if splits is not None:
            writer.set_splits(splits)


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    shape = draw(SHAPES)
    target_type = draw(st.sampled_from([np.int16, np.float32]))
    numbers = st.floats(-3000, 3000, width=32)
    elements = st.integers(-3000, 3000) if target_type == np.int16 else numbers
    mask = draw(hnp.arrays(np.bool_, shape))
    mask[0, 0, 0] = True
    return {
        "source": draw(hnp.arrays(np.float32, shape, elements=numbers)),
        "target": draw(hnp.arrays(target_type, shape, elements=elements)),
        "mask": mask,
        "labels": draw(st.none() | hnp.arrays(np.uint8, shape)),
        "spacing": draw(st.tuples(*[st.floats(0.1, 20)] * 3)),
        "affine": draw(st.none() | hnp.arrays(np.float64, (4, 4), elements=st.floats(-500, 500))),
    }


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(study=studies(), patient=IDENTIFIERS, name=st.text(max_size=20), simulated=st.booleans())
def test_what_is_written_is_read(
    tmp_path: Path, study: dict[str, Any], patient: str, name: str, simulated: bool
) -> None:
    path = tmp_path / "d.h5"
    name = name.encode(errors="ignore").decode().rstrip("\0")
    fixed = Side("MR", "a.u.", Window(-5.5, 7))
    with open_writer(path, source=fixed, name=name, simulated=simulated, provenance={"seed": 3, "ä": ["ö"]}) as writer:
        writer.add_case(patient, "s.1", **study)
        other = f"x{patient[:60]}"
        writer.add_case(other, "s", source=study["source"], target=study["target"], spacing=(1, 1, 1))
        writer.set_splits({"train": [patient], "test": [other]})
    with Dataset(path) as dataset:
        info = dataset.info
        case = dataset.load(CaseKey(patient, "s.1"))
    assert (info.name, info.task, info.simulated) == (name, "mr-ct", simulated)
    assert (info.source, info.target) == (fixed, TARGET)
    assert (info.source_map.low, info.source_map.high) == (-5.5, 7)
    assert info.provenance == {"seed": 3, "ä": ["ö"]}
    assert info.splits == {"train": (patient,), "val": (), "test": (other,)}
    assert info.image_size == study["source"].shape[1:]
    for role in ("source", "target", "mask"):
        np.testing.assert_array_equal(getattr(case, role), study[role])
    assert case.source.dtype == case.target.dtype == np.float32
    if study["labels"] is None:
        assert case.labels is None
    else:
        np.testing.assert_array_equal(case.labels, study["labels"])
    assert case.spacing == study["spacing"]
    expected = np.diag([*study["spacing"][::-1], 1]) if study["affine"] is None else study["affine"]
    np.testing.assert_array_equal(case.affine, expected)


def test_whole_hu_take_two_bytes_a_voxel(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path / "d.h5")) as file:
        assert file["cases/train0/s1/target"].dtype == np.int16
        assert file["cases/train0/s1/source"].dtype == np.float32
        assert file["cases/train0/s1/target"].chunks == (1, 8, 8)


def test_a_long_provenance_is_kept(tmp_path: Path) -> None:
    """An HDF5 object header holds 64 KiB; a list of all imported scans can be longer."""
    scans = [f"sub-{number:06d}_T1w.nii.gz" for number in range(10_000)]
    with open_writer(tmp_path / "d.h5", provenance={"scans": scans}) as writer:
        for patient in "ab":
            writer.add_case(patient, "s1", **anatomy(patient), spacing=(1, 1, 1))
        writer.set_splits({"train": ["a"], "test": ["b"]})
    assert Dataset(tmp_path / "d.h5").info.provenance["scans"] == scans


def test_the_same_content_has_the_same_hash_and_any_change_another(tmp_path: Path) -> None:
    def brighter(patient: str, arrays: Arrays) -> None:
        if patient == "test0":
            arrays["target"][0, 4, 4] += 1

    first, second = (Dataset(write(tmp_path / name)).info.content_sha256 for name in ("a.h5", "b.h5"))
    changed = Dataset(write(tmp_path / "c.h5", change=brighter)).info.content_sha256
    assert first == second != changed


def test_strings_of_variable_length_are_read_too(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    before = Dataset(path).info
    with h5py.File(path, "a") as file:
        for attribute in ("schema", "task", "name", "source", "target", "provenance", "content_sha256"):
            file.attrs[attribute] = file.attrs[attribute].decode()
        names = [name.decode() for name in file["splits/test"]]
        del file["splits/test"]
        file["splits"].create_dataset("test", data=names, dtype=h5py.string_dtype())
    assert Dataset(path).info == before


def percentiles(path: Path, change: Any) -> tuple[float, float]:
    with Dataset(write(path, change=change)) as dataset:
        return dataset.info.source_map.low, dataset.info.source_map.high


def test_a_percentile_window_is_fitted_on_training_patients_alone(tmp_path: Path) -> None:
    def scale(split: str) -> Any:
        def change(patient: str, arrays: Arrays) -> None:
            if patient.startswith(split):
                arrays["source"] *= 10

        return change

    plain = percentiles(tmp_path / "plain.h5", None)
    assert percentiles(tmp_path / "test.h5", scale("test")) == plain
    assert percentiles(tmp_path / "val.h5", scale("val")) == plain
    assert percentiles(tmp_path / "train.h5", scale("train")) == pytest.approx((10 * plain[0], 10 * plain[1]))
    inside = np.concatenate([anatomy(f"train{n}")["source"][anatomy(f"train{n}")["mask"]] for n in range(3)])
    assert plain == pytest.approx(tuple(np.percentile(inside, [0.5, 99.5])))


def test_a_percentile_window_looks_inside_the_region_only(tmp_path: Path) -> None:
    def pad(patient: str, arrays: Arrays) -> None:
        arrays["source"][~arrays["mask"]] = 1e6

    assert percentiles(tmp_path / "padded.h5", pad) == percentiles(tmp_path / "plain.h5", None)


def test_a_data_set_is_pickled_without_its_handle(tmp_path: Path) -> None:
    dataset = Dataset(write(tmp_path / "d.h5"))
    key = dataset.info.cases[0]
    before = dataset.load(key)
    copy = pickle.loads(pickle.dumps(dataset))
    dataset.close()
    np.testing.assert_array_equal(copy.load(key).target, before.target)
    assert copy.info == dataset.info


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x" * 100, "\x1b[31m", ".", "..", "-x", "a b", "ä", "a\n", "a\0"])
def test_hostile_names_are_refused(tmp_path: Path, name: str) -> None:
    arrays = anatomy("a")
    for patient, study in ((name, "s1"), ("p1", name)):
        with pytest.raises(DatasetError, match="letters, digits") as caught, open_writer(tmp_path / "d.h5") as writer:
            writer.add_case(patient, study, **arrays, spacing=(1, 1, 1))
        assert str(caught.value).isprintable()
    assert os.listdir(tmp_path) == []


BAD_CASES: dict[str, tuple[dict[str, Any], str]] = {
    "other shape": ({"target": np.zeros((2, 8, 9))}, "target has shape"),
    "other mask": ({"mask": np.ones((1, 8, 8))}, "mask has shape"),
    "other labels": ({"labels": np.ones((2, 8, 7))}, "labels has shape"),
    "flat": ({"source": np.zeros((8, 8)), "target": np.zeros((8, 8)), "mask": None}, "expected"),
    "no slice": ({role: np.zeros((0, 8, 8)) for role in ("source", "target", "mask")}, "expected"),
    "nan": ({"source": np.full((2, 8, 8), np.nan)}, "source holds NaN"),
    "infinite": ({"target": np.full((2, 8, 8), np.inf)}, "target holds NaN or infinite"),
    "empty mask": ({"mask": np.zeros((2, 8, 8))}, "mask is empty"),
    "two spacings": ({"spacing": (1.0, 1.0)}, "three lengths"),
    "negative spacing": ({"spacing": (1.0, -1.0, 1.0)}, "three lengths"),
    "flat affine": ({"affine": np.eye(3)}, "4x4"),
    "nan affine": ({"affine": np.full((4, 4), np.nan)}, "4x4"),
}


@pytest.mark.parametrize("fault", BAD_CASES)
def test_a_bad_case_is_refused_and_nothing_remains(tmp_path: Path, fault: str) -> None:
    change, message = BAD_CASES[fault]
    with pytest.raises(DatasetError, match=message):
        write_cases(tmp_path / "d.h5", "ab", {"train": ["a"], "test": ["b"]}, **change)
    assert os.listdir(tmp_path) == []


def test_a_case_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"b/s1: slices of \(9, 9\) pixels, earlier cases have \(8, 8\)"):
        write_cases(tmp_path / "d.h5", "ab", {"train": ["a"], "test": ["b"]}, **anatomy("b", side=9))
    assert os.listdir(tmp_path) == []


def test_a_refused_case_leaves_the_others(tmp_path: Path) -> None:
    with open_writer(tmp_path / "d.h5") as writer:
        for patient in ("a", "b"):
            writer.add_case(patient, "s1", **anatomy(patient), spacing=(1, 1, 1))
        with pytest.raises(DatasetError, match="added before"):
            writer.add_case("a", "s1", **anatomy("a"), spacing=(1, 1, 1))
        with pytest.raises(DatasetError, match="mask is empty"):
            writer.add_case("c", "s1", **{**anatomy("c"), "mask": np.zeros((2, 8, 8))}, spacing=(1, 1, 1))
        writer.set_splits({"train": ["a"], "test": ["b"]})
    assert [str(key) for key in Dataset(tmp_path / "d.h5").info.cases] == ["a/s1", "b/s1"]


BAD_SPLITS: dict[str, tuple[dict[str, list[str]], str]] = {
    "in two": ({"train": ["a", "b"], "test": ["b", "c"]}, "'b' is in both 'train' and 'test'"),
    "twice in one": ({"train": ["a", "a", "b"], "test": ["c"]}, "'a' is in both 'train' and 'train'"),
    "in none": ({"train": ["a"], "test": ["b"]}, "in no split: c"),
    "unknown": ({"train": ["a", "b"], "test": ["c", "d"]}, "without a case: d"),
    "no training": ({"val": ["a", "b"], "test": ["c"]}, "percentile windows are fitted to training"),
    "no test": ({"train": ["a", "b"], "val": ["c"]}, "test split is empty"),
}


@pytest.mark.parametrize("fault", BAD_SPLITS)
def test_bad_splits_are_refused_and_nothing_remains(tmp_path: Path, fault: str) -> None:
    splits, message = BAD_SPLITS[fault]
    with pytest.raises(DatasetError, match=message):
        write_cases(tmp_path / "d.h5", "abc", splits)
    assert os.listdir(tmp_path) == []


def test_a_test_set_needs_no_training_patients_if_its_windows_are_declared(tmp_path: Path) -> None:
    declared = {"source": Side("MR", "a.u.", Window(0, 1000)), "target": TARGET}
    with open_writer(tmp_path / "d.h5", **declared) as writer:
        writer.add_case("a", "s1", **anatomy("a"), spacing=(1, 1, 1))
        writer.set_splits({"test": ["a"]})
    info = Dataset(tmp_path / "d.h5").info
    assert info.splits == {"train": (), "val": (), "test": ("a",)}
    assert (info.source_map.low, info.source_map.high) == (0, 1000)


def test_a_file_without_cases_or_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no case was added"), open_writer(tmp_path / "d.h5"):
        pass
    with pytest.raises(DatasetError, match="no splits were set"):
        write_cases(tmp_path / "d.h5", "a")
    assert os.listdir(tmp_path) == []


def test_constant_training_voxels_give_no_percentile_window(tmp_path: Path) -> None:
    def flatten(patient: str, arrays: Arrays) -> None:
        arrays["source"][:] = 7

    with pytest.raises(DatasetError, match="constant"):
        write(tmp_path / "d.h5", change=flatten)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_what_was_there_before(tmp_path: Path, error: type[BaseException]) -> None:
    path = write(tmp_path / "d.h5")
    before = path.read_bytes()

    def change(patient: str, arrays: Arrays) -> None:
        if patient == "test3":
            assert len(os.listdir(tmp_path)) == 3
            raise error

    with pytest.raises(error):
        write(path, change=change)
    assert sorted(os.listdir(tmp_path)) == ["d.croissant.json", "d.h5"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "more", [{"provenance": {"x": object()}}, {"provenance": {"x": float("nan")}}, {"name": "\ud800"}]
)
def test_a_writer_that_cannot_start_leaves_nothing(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        open_writer(tmp_path / "d.h5", **more)
    assert os.listdir(tmp_path) == []
