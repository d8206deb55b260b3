"""Data set files of strangers: what points elsewhere is refused; locks and full disks are said for what they are."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import small_datasets

from benchmark import DatasetError
from benchmark.data.checks.file import check
from benchmark.data.format import hdf5
from benchmark.data.format.hdf5 import CannotWrite, written
from benchmark.data.format.opening import open_file
from benchmark.data.format.reader import Dataset

CASE = "cases/test0/s1"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return small_datasets.write(tmp_path / "d.h5")


def external_storage(file: h5py.File, folder: Path) -> None:
    shape = file[f"{CASE}/source"].shape
    (folder / "secret").write_bytes(b"S" * 4 * int(np.prod(shape)))
    del file[f"{CASE}/source"]
    file.create_dataset(f"{CASE}/source", shape=shape, dtype="f4", external=[(str(folder / "secret"), 0, 1 << 20)])


def external_link(file: h5py.File, folder: Path) -> None:
    small_datasets.write(folder / "other.h5")
    del file[CASE]
    file[CASE] = h5py.ExternalLink(str(folder / "other.h5"), CASE)


def virtual(file: h5py.File, folder: Path) -> None:
    small_datasets.write(folder / "other.h5")
    shape = file[f"{CASE}/source"].shape
    layout = h5py.VirtualLayout(shape=shape, dtype="f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), f"{CASE}/source", shape=shape)
    del file[f"{CASE}/source"]
    file.create_virtual_dataset(f"{CASE}/source", layout)


def soft_link(file: h5py.File, folder: Path) -> None:
    del file[CASE]
    file[CASE] = h5py.SoftLink("/cases/train0/s1")


def two_names(file: h5py.File, folder: Path) -> None:
    del file[CASE]
    file[CASE] = file["cases/train0/s1"]


@pytest.mark.parametrize("point", [external_storage, external_link, virtual, soft_link, two_names])
def test_a_file_that_points_elsewhere_is_refused(sound, tmp_path, point: Callable[[h5py.File, Path], None]):
    with h5py.File(sound, "r+") as file:
        point(file, tmp_path)
    with pytest.raises(DatasetError, match=r"only a link|stored in other files|under another name"):
        Dataset(sound)
    assert [problem.severity for problem in check(sound)] == ["error"]


def test_a_file_that_another_reads_or_has_locked_is_read(sound):
    import fcntl

    with sound.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert len(Dataset(sound).info.cases) == 14


def test_nobody_is_told_to_build_again_what_another_program_holds(sound):
    held = sound.with_name("held.h5")
    with h5py.File(sound, "r+"):
        shutil.copy(sound, held)  # as it lies on the disk meanwhile
    with pytest.raises(DatasetError, match="locked") as told:
        open_file(held)
    assert "again" not in str(told.value)


def test_a_file_that_this_process_has_open_with_locks_is_read_too(sound):
    with h5py.File(sound, "r"):
        assert len(Dataset(sound).info.cases) == 14


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOLCK])
def test_an_error_of_the_system_is_not_the_files_fault(sound, monkeypatch, number):
    def fail(path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("benchmark.data.format.opening.open_read", fail)
    with pytest.raises(DatasetError, match="may be whole") as told:
        open_file(sound)
    assert "again" not in str(told.value)


@pytest.mark.parametrize("room", [0, 700, 5_000, 60_000])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_no_more_is_one_error_with_nothing_left(tmp_path, monkeypatch, room, number):
    real = os.pwrite

    def write(handle: int, data: memoryview, place: int) -> int:
        if place + len(data) > room:
            raise OSError(number, os.strerror(number))
        return real(handle, data, place)

    monkeypatch.setattr(hdf5.os, "pwrite", write)
    with pytest.raises(CannotWrite, match=rf"d\.h5: cannot be written \({os.strerror(number)}\)") as told:
        small_datasets.write(tmp_path / "d.h5", side=64)
    assert told.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_can_be_read_while_it_is_written_and_after(tmp_path):
    values = np.arange(4096.0).reshape(4, 32, 32)
    with written(tmp_path / "a.h5", tmp_path / "a.h5") as file:
        file.create_dataset("a/b", data=values, chunks=(1, 32, 32), compression="gzip", fletcher32=True)
        np.testing.assert_array_equal(file["a/b"][1], values[1])
        file["a/b"][2] = 7
    with h5py.File(tmp_path / "a.h5", "r") as file:
        np.testing.assert_array_equal(file["a/b"][2], np.full((32, 32), 7))
        np.testing.assert_array_equal(file["a/b"][3], values[3])
