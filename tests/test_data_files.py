"""Files below a folder are found by one walker: links, loops, hidden files, and what is passed over is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark import UsageError
from benchmark.data.volumes.files import count_by_ending, leads_out, walk


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def names(folder: Path, **how: bool) -> list[str]:
    tree = walk(folder, **how)
    return [tree.name(path) for path in tree.files]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for name in ("p1/ct.nii.gz", "p1/deep/er/mr.nii", "p2/ct.nii.gz", "notes.txt"):
        touch(tmp_path / "scans" / name)
    return tmp_path / "scans"


def test_everything_below_a_folder_in_order(scans):
    assert names(scans) == ["notes.txt", "p1/ct.nii.gz", "p1/deep/er/mr.nii", "p2/ct.nii.gz"]


def test_links_inside_are_followed(scans):
    (scans / "p3").symlink_to(scans / "p1")
    (scans / "p2/mr.nii").symlink_to("../p1/deep/er/mr.nii")
    assert {"p3/ct.nii.gz", "p3/deep/er/mr.nii", "p2/mr.nii"} <= set(names(scans))


def test_a_folder_may_itself_be_a_link(scans, tmp_path):
    (tmp_path / "alias").symlink_to(scans)
    assert names(tmp_path / "alias") == names(scans)


@pytest.mark.parametrize("kind", ["file", "folder", "through another link"])
def test_links_that_lead_out_are_followed_only_when_asked(scans, tmp_path, kind):
    outside = touch(tmp_path / "store/p9/ct.nii.gz")
    link = scans / "p9"
    if kind == "file":
        link = scans / "p2/other.nii.gz"
        link.symlink_to(outside)
    elif kind == "folder":
        link.symlink_to(outside.parent)
    else:
        (tmp_path / "hop").symlink_to(outside.parent)
        link.symlink_to(tmp_path / "hop")
    (passed,) = walk(scans).passed
    assert passed.what == link.relative_to(scans).as_posix()
    assert "leads out" in passed.why
    assert len(names(scans, outside=True)) == len(names(scans)) + 1


def test_loops_end_and_are_told(scans):
    (scans / "p1/again").symlink_to(scans)
    (scans / "p2/self").symlink_to(".")
    assert names(scans) == ["notes.txt", "p1/ct.nii.gz", "p1/deep/er/mr.nii", "p2/ct.nii.gz"]
    assert sorted(one.what for one in walk(scans).passed) == ["p1/again", "p2/self"]


def test_hidden_files_of_any_system_are_passed_over_and_counted(scans):
    for name in ("p1/._ct.nii.gz", ".DS_Store", ".git/config", "p2/Thumbs.db", "__MACOSX/p1/ct.nii.gz"):
        touch(scans / name)
    assert len(names(scans)) == 4
    assert walk(scans).hidden == 5


def test_what_is_no_file_is_told(scans):
    os.mkfifo(scans / "pipe.nii")
    (scans / "gone.nii").symlink_to(scans / "nowhere.nii")
    assert {one.what: one.why for one in walk(scans).passed} == {
        "gone.nii": "a broken link",
        "pipe.nii": "no regular file",
    }


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*/ct.nii.gz", ["p1/ct.nii.gz", "p2/ct.nii.gz"]),
        ("**/*.nii*", ["p1/ct.nii.gz", "p1/deep/er/mr.nii", "p2/ct.nii.gz"]),
        ("p[!1]/c?.nii.gz", ["p2/ct.nii.gz"]),
        ("p[1-2]/ct.nii.gz", ["p1/ct.nii.gz", "p2/ct.nii.gz"]),
        ("ct.nii.gz", []),
        ("p1/ct+nii.gz", []),
    ],
)
def test_patterns_are_those_of_a_shell(scans, pattern, found):
    tree = walk(scans)
    assert [tree.name(path) for path in tree.matching(pattern)] == found


def test_files_of_a_folder_whatever_the_case_of_their_ending(scans):
    touch(scans / "p1/B.NII")
    tree = walk(scans)
    assert [tree.name(path) for path in tree.below("p1", ending=(".nii",))] == ["p1/B.NII", "p1/deep/er/mr.nii"]


def test_unused_files_are_counted_by_kind(scans):
    tree = walk(scans)
    unused = tree.unused({scans / "p1/ct.nii.gz"})
    assert count_by_ending(unused) == "1 .txt, 1 .nii, 1 .nii.gz"


def test_no_folder(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        walk(tmp_path / "nothing")


def test_a_path_that_leaves_its_folder(scans, tmp_path):
    touch(tmp_path / "secret")
    (scans / "a.raw").symlink_to(tmp_path / "secret")
    assert leads_out(scans / "a.raw", scans)
    assert leads_out(scans / "../secret", scans)
    assert not leads_out(scans / "notes.txt", scans)
