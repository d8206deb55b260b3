"""Damaged files of every format that importers read: a fault that names the file, or a finite volume.

A few dozen files of each kind in the default suite, 400 in the tests marked ``slow`` (2,000 before a release); each is
read in a process of its own, so that a hang or a crash is found and said to be one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import scanner_files as made
from benchmark_medical.importing import dicom_series, formats, pairing
from benchmark_medical.importing.options import FastMriOptions, NiftiPairsOptions
from benchmark_medical.importing.picture_layouts import fastmri
from benchmark_medical.importing.splits import splits_from_file
from fuzzing import TEXT, counts, mutated, outcomes

from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.geometry import CaseFault, Volume

COUNTS = counts(60)
AFFINE = np.diag([-2.0, -2.5, 4.0, 1.0])


def finite(volume: Volume) -> None:
    assert volume.data.ndim == 3
    assert np.isfinite(volume.data).all()
    assert np.isfinite(volume.affine).all()


def nifti(path: Path) -> Path:
    nib.save(nib.Nifti1Image(made.ct().T, AFFINE), path)
    return path


def itk(path: Path) -> Path:
    module = pytest.importorskip("SimpleITK")
    module.WriteImage(module.GetImageFromArray(made.ct()), str(path), path.suffix == ".nrrd")
    return path


def picture(path: Path) -> Path:
    grey = (made.ct()[0] + 1024).astype(np.uint16)
    return made.picture(path, (grey // 16).astype(np.uint8) if path.suffix in (".jpg", ".bmp") else grey)


@COUNTS
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("ct.nii", nifti),
        ("ct.nii.gz", nifti),
        ("ct.mha", itk),
        ("ct.nrrd", itk),
        ("a.png", picture),
        ("a.tif", picture),
        ("a.jpg", picture),
        ("a.bmp", picture),
        ("a.npy", picture),
    ],
)
def test_volumes_and_pictures(tmp_path: Path, count: int, name: str, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path / name)
    original = path.read_bytes()
    finite(formats.load(path))
    found = outcomes(lambda damaged: finite(formats.load(damaged)), path, lambda seed: mutated(original, seed), count)
    assert found["refused"] > count / 10


@COUNTS
@pytest.mark.parametrize("modality", ["CT", "PT"])
def test_dicom(tmp_path: Path, count: int, modality: str) -> None:
    series = made.ct_series if modality == "CT" else made.pet_series
    path = series(tmp_path / "in")[2]
    original = path.read_bytes()

    def read(damaged: Path) -> None:
        found, skipped = dicom_series.find_series(damaged.parent)
        assert all(damaged.name in entry.what for entry in skipped)
        for one in found:
            try:
                finite(dicom_series.read_series(one))
            except CaseFault as fault:
                raise CaseFault(f"{damaged.name}: {fault}") from None

    read(path)
    outcomes(read, path, lambda seed: mutated(original, seed), count)


@COUNTS
def test_a_damaged_file_among_others_costs_only_its_own_study(tmp_path: Path, count: int) -> None:
    for number in range(3):
        made.fastmri(tmp_path / "in" / f"file{number}.h5", number, patient=f"p{number}")
    path = tmp_path / "in" / "file1.h5"
    original = path.read_bytes()

    def read(damaged: Path) -> None:
        lines: list[str] = []
        options = FastMriOptions(folder=damaged.parent, size=24, target_window="0:1e-3", source_window="0:1e-3")
        fastmri(options, tmp_path / "out" / "d.h5", lines.append)
        with Dataset(tmp_path / "out" / "d.h5") as data:
            files = {data.physics(key)["target_file"] for key in data.info.cases}
        assert files >= {"file0.h5", "file2.h5"}
        assert [entry.name for entry in (tmp_path / "out").glob("*.part")] == []
        if "file1.h5" not in files:
            raise CaseFault(next(line for line in lines if line.startswith("skipped")))

    read(path)
    found = outcomes(read, path, lambda seed: mutated(original, seed), count)
    assert found["refused"] > count / 20


@COUNTS
def test_manifests_and_lists_of_splits(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in" / "all.csv"
    path.parent.mkdir()
    rows = [f"p{n},s1,p{n}/mr.nii.gz,p{n}/ct.nii.gz,,{split}" for n, split in enumerate(("train", "val", "test"))]
    original = "\n".join(["patient,study,source,target,mask,split", *rows, ""]).encode()

    def read(damaged: Path) -> None:
        studies = pairing.find(NiftiPairsOptions(manifest=damaged, task="mr-ct")).studies
        for study in studies:
            for image in (study.source, study.target, study.mask):
                if image is not None:
                    image.read()
        splits_from_file(damaged, ["p0", "p1", "p2"], str)

    def inside(wanted: Path, channel: str) -> None:
        assert wanted.is_relative_to(path.parent)
        assert ".." not in wanted.parts

    monkeypatch.setattr("benchmark_medical.importing.studies.load", inside)
    path.write_bytes(original)
    read(path)
    found = outcomes(read, path, lambda seed: mutated(original, seed, TEXT), count)
    assert min(found["read"], found["refused"]) > count / 50
