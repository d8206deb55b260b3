"""Dates and sites in the place of patients, and one scan under two names."""

from __future__ import annotations

import numpy as np
import pytest
import small_datasets

from benchmark.data.checks.file import check
from benchmark.data.checks.persons import copies, doubts, fingerprint
from benchmark.data.format.schema import CaseKey


def scan(seed: int, shape: tuple[int, int, int] = (40, 48, 10)) -> np.ndarray:
    """Tissue with noise in a frame of constant air."""
    values = np.full(shape, -1000, np.int16)
    values[4:-4, 4:-4] = np.random.default_rng(seed).normal(40, 20, (shape[0] - 8, shape[1] - 8, shape[2]))
    return values


def keys(text: str) -> list[CaseKey]:
    return [CaseKey(*name.split("/")) for name in text.split()]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("20190203/s1 20190204/s1 P3/s1", "2 of 3 patients are called by what looks like a date"),
        ("2021-03-04/Anna 2021-03-05/Anna", "looks like a date"),
        ("site_A/P1 site_B/P2", "called as a site or scanner is"),
        ("centre1/P1 centre2/P2", "called as a site or scanner is"),
        ("exam0/Anna exam0/Bert exam1/Anna exam1/Bert", "'Anna' under 'exam0' and 1 more"),
        ("a/P1 a/P2 a/P3 a/P4 b/P5 b/P6 b/P7 b/P8", "2 patients have 8 studies, each with a name of its own"),
    ],
)
def test_folders_that_are_no_patients(names, said):
    assert any(said in what for what, _ in doubts(keys(names)))
    assert all("{patient}" in advice for _, advice in doubts(keys(names)))


@pytest.mark.parametrize(
    "names",
    [
        "P1/s1 P2/s1",
        "P1/baseline P1/followup P2/baseline",
        "P1/visit-1 P2/visit-1",
        "P1/20190203 P2/20190203",
        "P1/t0 P2/t0",
    ],
)
def test_patients_with_studies_as_they_are_usually_called(names):
    assert list(doubts(keys(names))) == []


@pytest.mark.parametrize(
    "cut",
    [np.s_[:, :, :], np.s_[9:30, 5:40, 2:7], np.s_[:, :, 4:5], np.s_[3:, :-7, :]],
)
def test_a_scan_is_known_again_after_a_crop(cut):
    prints = {
        CaseKey("a", "s1"): fingerprint(scan(0)),
        CaseKey("b", "s1"): fingerprint(scan(0)[cut].astype(np.float32)),
    }
    assert [(first.patient, second.patient) for first, second, _ in copies(prints)] == [("a", "b")]


def test_other_scans_are_not_the_same_because_of_their_air():
    prints = {CaseKey(f"p{seed}", "s1"): fingerprint(scan(seed)) for seed in range(6)}
    assert all(prints.values())
    assert list(copies(prints)) == []


def test_studies_of_one_patient_may_show_the_same():
    assert list(copies({CaseKey("a", "s1"): fingerprint(scan(0)), CaseKey("a", "s2"): fingerprint(scan(0))})) == []


def test_what_is_constant_has_no_fingerprint():
    assert fingerprint(np.zeros((32, 32, 3))) == []
    assert fingerprint(np.ones((3, 32, 3))) == []


def test_the_same_remark_about_many_cases_is_one_line(tmp_path):
    def patchy(patient: str, arrays: small_datasets.Arrays) -> None:
        arrays["source"][0] = 5.0

    path = small_datasets.write(tmp_path / "d.h5", change=patchy, slices=3)
    constant = [problem for problem in check(path) if "source is constant in 1 of 3 slices" in problem.what]
    assert [problem.where for problem in constant] == ["test0/s1 and 13 more"]
