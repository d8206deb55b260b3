"""Each fault is planted into a good file and has to be found, with where it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_datasets import Arrays, write

from benchmark.contracts.intensity import Window
from benchmark.data.checks.file import Problem, check, require
from benchmark.data.checks.identity import _of_value
from benchmark.data.format import croissant
from benchmark.data.format.schema import Side, array_sha256
from benchmark.data.format.writer import content_sha256
from benchmark.errors import DatasetError

CASE = "cases/test3/s1"
TEST = [f"test{number}" for number in range(10)]
Plant = Callable[[h5py.File], object]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a file without a fault."""
    return write(tmp_path_factory.mktemp("good") / "d.h5").read_bytes()


@pytest.fixture
def good(tmp_path: Path, content: bytes) -> Path:
    """A file without a fault, to be broken."""
    path = tmp_path / "d.h5"
    path.write_bytes(content)
    return path


def errors(path: Path) -> list[Problem]:
    return [problem for problem in check(path) if problem.severity == "error"]


def warnings(path: Path) -> list[Problem]:
    return [problem for problem in check(path) if problem.severity == "warning"]


def rewrite(file: h5py.File, role: str, change: Callable[[Any], object], case: str = CASE) -> None:
    """Change an array and make all hashes fit, as a faulty importer would have done."""
    array = file[case][role][()]
    change(array)
    file[case][role][...] = array
    file[case][role].attrs["sha256"] = array_sha256(array)
    file.attrs["content_sha256"] = content_sha256(file)


def set_patients(file: h5py.File, split: str, names: list[str]) -> None:
    del file["splits"][split]
    file["splits"].create_dataset(split, data=np.array(names, "S64"))
    file.attrs["content_sha256"] = content_sha256(file)


def store(place: Any, index: Any, value: Any) -> None:
    place[index] = value


def copy_slice(file: h5py.File, role: str, origin: str, target: str) -> None:
    pixels = file[origin][role][0]
    rewrite(file, role, lambda array: store(array, 1, pixels), target)


def test_a_good_file_has_no_problem(good: Path) -> None:
    assert check(good) == []
    require(good)


def describe(file: h5py.File, **physics: object) -> None:
    """Say something of a case, as an importer does of a scan."""
    del file[CASE].attrs["physics"]
    file[CASE].attrs["physics"] = json.dumps(physics)


def fit_on_everybody(file: h5py.File) -> None:
    """The percentile window of the source as somebody fits it who forgets that test patients are unseen."""
    fit(file, list(file["cases"]))


def fit_on_training(file: h5py.File) -> None:
    fit(file, [name.decode() for name in file["splits/train"]])


def fit(file: h5py.File, patients: list[str]) -> None:
    groups = [file[f"cases/{patient}/s1"] for patient in patients]
    voxels = np.concatenate([group["source"][()][group["mask"][()] != 0] for group in groups])
    side = json.loads(file.attrs["source"])
    side["window"] = np.percentile(voxels, [side["rule"]["low"], side["rule"]["high"]]).tolist()
    file.attrs["source"] = json.dumps(side)
    file.attrs["content_sha256"] = content_sha256(file)


ERRORS: dict[str, tuple[Plant, str, str]] = {
    "other pixels": (lambda f: store(f[CASE]["target"], (0, 4, 4), 9), "test3/s1", "target is not what was written"),
    "other mask": (lambda f: store(f[CASE]["mask"], (0, 0, 0), 1), "test3/s1", "mask is not what was written"),
    "no hash": (lambda f: f[CASE]["source"].attrs.pop("sha256"), "test3/s1", "source has no sha256"),
    "other hash": (lambda f: store(f[CASE]["source"].attrs, "sha256", "0" * 64), "file", "content_sha256 differs"),
    "other spacing": (lambda f: store(f[CASE].attrs, "spacing", [9.0, 9.0, 9.0]), "file", "content_sha256 differs"),
    "other window": (
        lambda f: store(f.attrs, "target", f.attrs["target"].replace(b"2000.0", b"3000.0")),
        "file",
        "content_sha256 differs",
    ),
    "nan": (
        lambda f: rewrite(f, "source", lambda a: store(a, (0, 1, 1), np.nan)),
        "test3/s1",
        "source holds 1 NaN or infinite values",
    ),
    "infinite": (
        lambda f: rewrite(f, "source", lambda a: store(a, (0, 1), -np.inf)),
        "test3/s1",
        "source holds 8 NaN or infinite values",
    ),
    "constant case": (
        lambda f: rewrite(f, "target", lambda a: a.fill(40)),
        "test3/s1",
        "target is constant in 2 of 2 slices",
    ),
    "empty mask": (lambda f: rewrite(f, "mask", lambda a: a.fill(0)), "test3/s1", "the mask is empty"),
    "bad spacing": (
        lambda f: store(f[CASE].attrs, "spacing", [1.0, 0.0, 1.0]),
        "test3/s1",
        "spacing is [1.0, 0.0, 1.0]",
    ),
    "bad affine": (lambda f: store(f[CASE].attrs, "affine", np.eye(3)), "test3/s1", "affine"),
    "spacing of another grid": (
        lambda f: store(f[CASE].attrs, "affine", np.diag([1.0, 1.0, 3.0, 1.0])),
        "test3/s1",
        "spacing z, y, x is 3 x 2 x 1 mm, by the affine it is 3 x 1 x 1 mm",
    ),
    "window of all patients": (fit_on_everybody, "source", "on the training patients"),
    "name under a DICOM keyword": (
        lambda f: describe(f, header={"PatientName": "DOE"}),
        "test3/s1",
        "physics.header.PatientName tells who a patient is",
    ),
    "name as DICOM writes it": (
        lambda f: describe(f, comment=["by", "DOE^JOHN"]),
        "test3/s1",
        "physics.comment holds a name as DICOM writes it",
    ),
    "birth date as an attribute of its own": (
        lambda f: store(f[CASE]["source"].attrs, "Patient's Birth Date", "19700101"),
        "test3/s1 source",
        "Patient's Birth Date tells who a patient is",
    ),
    "no affine": (lambda f: f[CASE].attrs.pop("affine"), "test3/s1", "'affine' is missing"),
    "no target": (lambda f: f[CASE].pop("target"), "test3/s1", "has no target"),
    "no number": (
        lambda f: (f[CASE].pop("mask"), store(f[CASE], "mask", np.full((2, 8, 8), b"x"))),
        "test3/s1",
        "mask holds |S1, not numbers",
    ),
    "other shape": (
        lambda f: (f[CASE].pop("mask"), store(f[CASE], "mask", np.ones((2, 8, 7), np.uint8))),
        "test3/s1",
        "all must be the same",
    ),
    "other size": (
        lambda f: (f.pop(CASE), f.move("cases/val0/s1", CASE), _one_large_case(f)),
        "file",
        "different sizes",
    ),
    "patient in two splits": (
        lambda f: set_patients(f, "val", ["val0", "test3"]),
        "splits",
        "patient 'test3' is in both 'val' and 'test'",
    ),
    "unknown patient": (lambda f: set_patients(f, "val", ["ghost"]), "file", "'ghost' of split 'val' has no case"),
    "no training": (lambda f: set_patients(f, "train", []), "file", "fitted to training patients, and there are none"),
    "no test": (lambda f: set_patients(f, "test", []), "file", "test split is empty"),
    "no split": (lambda f: f["splits"].pop("val"), "file", "split 'val' is missing"),
    "no splits": (lambda f: f.pop("splits"), "splits", "damaged"),
    "no cases": (lambda f: f.pop("cases"), "cases", "damaged"),
    "other schema": (lambda f: store(f.attrs, "schema", "mi2i/9"), "file", "schema is 'mi2i/9'"),
    "no task": (lambda f: f.attrs.pop("task"), "file", "'task' is missing"),
    "broken side": (lambda f: store(f.attrs, "source", "{"), "source", "broken description"),
    "endless window": (
        lambda f: store(f.attrs, "target", f.attrs["target"].replace(b"2000.0", b"Infinity")),
        "target",
        "finite",
    ),
    "broken provenance": (lambda f: store(f.attrs, "provenance", "[]"), "file", "provenance: not a JSON object"),
    "hostile name": (lambda f: f.move("cases/test3", "cases/\x1b[31m"), "file", "'\\x1b[31m': use 1 to 64 letters"),
    "source leaks": (
        lambda f: copy_slice(f, "source", "cases/train1/s1", CASE),
        "train1/s1 (train)",
        "leakage: source slices with the pixels of slices of test3/s1 (test): 1, first slice 0 = slice 1",
    ),
    "target leaks": (
        lambda f: copy_slice(f, "target", "cases/train1/s1", "cases/val0/s1"),
        "val0/s1 (val)",
        "leakage: target slices with the pixels of slices of train1/s1 (train): 1, first slice 1 = slice 0",
    ),
}


def _one_large_case(file: h5py.File) -> None:
    set_patients(file, "val", [])
    group = file["cases/val0"].create_group("s1")
    for role in ("source", "target", "mask"):
        group[role] = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
        group[role].attrs["sha256"] = array_sha256(group[role][()])
    group.attrs.update(spacing=[1.0, 1.0, 1.0], affine=np.eye(4))


@pytest.mark.parametrize("fault", ERRORS)
def test_an_error_is_found_and_refused(good: Path, fault: str) -> None:
    plant, where, what = ERRORS[fault]
    with h5py.File(good, "a") as file:
        plant(file)
    found = errors(good)
    assert [problem for problem in found if problem.where == where and what in problem.what], found
    assert all(problem.advice and problem.what.isprintable() for problem in found)
    with pytest.raises(DatasetError, match="benchmark data check") as caught:
        require(good)
    assert str(good) in str(caught.value)
    assert what in str(caught.value)


WARNINGS: dict[str, tuple[Plant, str, str]] = {
    "constant slice": (
        lambda f: rewrite(f, "source", lambda a: store(a, 0, 5)),
        "test3/s1",
        "source is constant in 1 of 2 slices",
    ),
    "slice twice": (
        lambda f: copy_slice(f, "target", "cases/test1/s1", CASE),
        "test3/s1 (test)",
        "target slices with the pixels of slices of test1/s1 (test): 1, first slice 1 = slice 0",
    ),
    "slice twice in a case": (
        lambda f: copy_slice(f, "target", CASE, CASE),
        "test3/s1 (test)",
        "target slices with the pixels of slices of test3/s1 (test): 1",
    ),
    "no validation": (lambda f: set_patients(f, "val", []), "splits", "no validation patients"),
    "patient in no split": (lambda f: set_patients(f, "val", []), "splits", "'val0' is in no split"),
    "five": (
        lambda f: set_patients(f, "test", [f"test{n}" for n in range(5)]),
        "splits",
        "test patients: 5; no paired",
    ),
    "six": (lambda f: set_patients(f, "test", [f"test{n}" for n in range(6)]), "splits", "test patients: 6; too few"),
    "nine": (lambda f: set_patients(f, "test", [f"test{n}" for n in range(9)]), "splits", "test patients: 9; too few"),
    "study date": (lambda f: describe(f, StudyDate="20110304"), "test3/s1", "physics.StudyDate tells when"),
    "patient's number": (lambda f: describe(f, PatientID="4711"), "test3/s1", "physics.PatientID may lead to who"),
    "date in a file name": (
        lambda f: describe(f, source_file="scan_2011-03-04.nii.gz"),
        "test3/s1",
        "physics.source_file holds what looks like a date in 2011",
    ),
    "series UID": (
        lambda f: describe(f, series="1.2.840.113619.2.55.3.604688119.969"),
        "test3/s1",
        "physics.series holds a DICOM UID",
    ),
    "date in a patient's name": (
        lambda f: (f.move("cases/val0", "cases/val-20110304"), set_patients(f, "val", ["val-20110304"])),
        "val-20110304/s1",
        "the patient's name holds what looks like a date in 2011",
    ),
    "patient twice under two spellings": (
        lambda f: (f.move("cases/val0", "cases/Test-03"), set_patients(f, "val", ["Test-03"])),
        "splits",
        "patients 'Test-03' (val) and 'test3' (test) may be one",
    ),
    "one CT as stored, without its intercept": (
        lambda f: rewrite(f, "target", lambda a: np.add(a, 1024, out=a)),
        "target",
        "values in 1 of 14 cases (first test3/s1) span 24 to",
    ),
    "one MR of another scale": (
        lambda f: rewrite(f, "source", lambda a: np.divide(a, 4095, out=a)),
        "source",
        "and spread 50 times less or more than in other cases",
    ),
    "far below air": (
        lambda f: rewrite(f, "target", lambda a: store(a, (0, 0, 0), -3024)),
        "target",
        "outside what CT can hold",
    ),
}


@pytest.mark.parametrize("fault", WARNINGS)
def test_a_warning_is_given_but_refuses_nothing(good: Path, fault: str) -> None:
    plant, where, what = WARNINGS[fault]
    with h5py.File(good, "a") as file:
        plant(file)
    found = warnings(good)
    assert [problem for problem in found if problem.where == where and what in problem.what], found
    assert all(problem.advice for problem in found)
    assert errors(good) == []
    require(good)


def test_a_wrong_factor_of_suv_in_one_patient_stops_a_run(good: Path) -> None:
    with h5py.File(good, "a") as f:
        store(f.attrs, "source", f.attrs["source"].replace(b"a.u.", b"SUV ").replace(b'SUV "', b'SUV" '))
        for patient in f["cases"]:
            rewrite(f, "source", lambda a: np.divide(a, 100, out=a), f"cases/{patient}/s1")
        rewrite(f, "source", lambda a: np.multiply(a, 1e4, out=a))
        fit_on_training(f)
    assert any("no uptake is like that" in problem.what for problem in errors(good))
    with pytest.raises(DatasetError, match="no uptake is like that"):
        require(good)


@pytest.mark.parametrize(
    ("side", "values", "what"),
    [
        (Side("CT", "HU", Window(0, 1)), (0.0, 1.0), "without air or without bone"),
        (Side("CT", "HU", Window(-1000, 150)), (-1000.0, 150.0), "without air or without bone"),
        (Side("CT", "HU", Window(-1000, 4e4)), (-1000.0, 4e4), "outside what CT can hold"),
        (Side("PET", "SUV", Window(0, 5e4)), (0.0, 5e4), "no uptake is like that"),
        (Side("PET", "SUV", Window(-5, 10)), (-5.0, 10.0), "an uptake is not negative"),
        (Side("PET", "SUV", Window(0, 200)), (0.0, 200.0), "no uptake is like that"),
    ],
)
def test_values_that_do_not_fit_their_unit(tmp_path: Path, side: Side, values: tuple[float, float], what: str) -> None:
    def scale(patient: str, arrays: Arrays) -> None:
        low, high = values
        image = arrays["source"]
        arrays["source"] = low + (high - low) * (image - image.min()) / np.ptp(image)

    found = check(write(tmp_path / "d.h5", source=side, change=scale))
    severity = "error" if "no uptake" in what else "warning"  # every score would be wrong by the factor
    assert {(problem.severity, problem.where) for problem in found} == {(severity, "source")}
    assert what in found[0].what


def test_metadata_of_another_file_are_noticed(good: Path) -> None:
    croissant.write(good)
    assert check(good) == []
    with h5py.File(good, "a") as file:
        file.attrs["remark"] = "changed"
    (found,) = check(good)
    assert (found.severity, found.where) == ("warning", "file")
    assert "d.croissant.json describes another file" in found.what


def test_a_window_that_clips_much_says_how_much(tmp_path: Path) -> None:
    def plant(patient: str, arrays: Arrays) -> None:
        arrays["mask"][:] = True
        arrays["target"][:, :2] = 2500

    (found,) = check(write(tmp_path / "d.h5", change=plant))
    assert (found.severity, found.where) == ("warning", "target")
    assert "the window -1024..2000 HU clips 25.0 % of the region's voxels" in found.what


def test_constant_slices_are_no_leak_and_matter_only_inside_the_region(tmp_path: Path) -> None:
    def blank_last(patient: str, arrays: Arrays) -> None:
        for role, value in (("source", 0), ("target", -1000), ("mask", 0)):
            arrays[role][-1] = value

    assert check(write(tmp_path / "d.h5", change=blank_last, slices=3)) == []


def test_a_leak_is_found_whatever_the_number_type(tmp_path: Path) -> None:
    """The same HU as int16 in one split and as float32, with a negative zero, in the other."""
    shared = np.arange(128).reshape(2, 8, 8) - 64

    def plant(patient: str, arrays: Arrays) -> None:
        if patient == "train0":
            arrays["target"] = shared.astype(np.int16)
        if patient == "test0":
            arrays["target"] = np.where(shared == 0, -0.0, shared).astype(np.float32)

    (found,) = errors(write(tmp_path / "d.h5", change=plant))
    assert (found.severity, found.where) == ("error", "train0/s1 (train)")
    assert "leakage: target slices with the pixels of slices of test0/s1 (test): 2" in found.what


def test_all_faults_come_at_once_errors_first_and_require_lists_five(good: Path) -> None:
    with h5py.File(good, "a") as file:
        for number in range(6):
            file[f"cases/test{number}/s1/target"][0, 0, 0] = 77
        file["cases/test7/s1"].pop("mask")
        file["cases/test8/s1"].pop("mask")
        set_patients(file, "val", [])
    found = check(good)
    assert [problem.severity for problem in found] == ["error"] * 8 + ["warning"] * 2
    assert len(set(found)) == len(found)
    with pytest.raises(DatasetError) as caught:
        require(good)
    assert "8 errors" in str(caught.value)
    assert "test4/s1" in str(caught.value)
    assert "test5/s1" not in str(caught.value)


@pytest.mark.parametrize("written", [None, b"", b"no HDF5 at all"])
def test_a_file_that_cannot_be_opened_is_one_error(tmp_path: Path, written: bytes | None) -> None:
    path = tmp_path / "d.h5"
    if written is not None:
        path.write_bytes(written)
    (found,) = check(path)
    assert (found.severity, found.where) == ("error", "file")
    with pytest.raises(DatasetError, match="1 error"):
        require(path)


def test_a_shape_larger_than_its_bytes_does_not_fill_the_memory(good: Path) -> None:
    with h5py.File(good, "a") as file:
        del file["splits/val"]
        file["splits"].create_dataset("val", data=np.array([b"val0"]))
        for role in ("source", "target", "mask"):
            del file["cases/val0/s1"][role]
            file["cases/val0/s1"].create_dataset(role, (10**6, 8, 8 * 10**4), np.float32, chunks=(1, 8, 8))
    assert any("incomplete" in problem.what for problem in errors(good))


def test_a_case_with_few_slices_of_region_is_named(tmp_path: Path) -> None:
    def plant(patient: str, arrays: Arrays) -> None:
        if patient == "test3":
            arrays["mask"][1:] = False

    (found,) = check(write(tmp_path / "d.h5", change=plant, slices=4))
    assert (found.severity, found.where) == ("warning", "test3/s1")
    assert "the region is empty in 3 of 4 slices" in found.what


PUBLISHED = {
    "licence": "CC BY 4.0, 2013-05-06",
    "citation": "Doe^Roe 20110304",
    "citations": {"url": "https://x.org/2011/03/04"},
    "patient_age": "042Y",
    "PatientSex": "F",
    "modality": "MR",
    "seed": 20110304,
    "sha256": "20110304ab" * 6,
    "names": ["skin", "bone"],
    "PatientName": "",
}


def test_what_a_pseudonymised_set_may_say_passes(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5")
    with h5py.File(path, "a") as file:
        describe(file, **PUBLISHED)
    croissant.write(path)
    assert check(path) == []


@settings(max_examples=40, deadline=None)
@given(words=st.text(max_size=40))
def test_any_text_is_looked_at_without_a_fault(words: str) -> None:
    found = list(_of_value("here", words, [words, {"PatientName": words}]))
    assert all(mark.where == "here" for mark in found)
    assert bool(words) == any(mark.certain for mark in found)
