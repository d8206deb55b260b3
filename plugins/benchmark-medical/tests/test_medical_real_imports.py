"""Real scans in DICOM and real photographs through the importers, against values that others compute."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from benchmark_medical.importing.records import every

from benchmark.data.checks.file import check
from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.export import export

pytestmark = pytest.mark.real_data
SHARED = Path(os.environ.get("BENCHMARK_REAL_DATA", Path(__file__).parents[4] / "shared" / "data"))


def imported(tmp_path: Path, layout: str, name: str, **options: Any) -> Dataset:
    if not (SHARED / name).is_dir():
        pytest.skip("real scans are not beside the project: set BENCHMARK_REAL_DATA")
    spec = {each.name: each for each in every()}[layout]
    spec.load()(spec.options(folder=SHARED / name, **options), tmp_path / "out.h5", str)
    assert [problem for problem in check(tmp_path / "out.h5") if problem.severity == "error"] == []
    return Dataset(tmp_path / "out.h5")


def headers(name: str) -> list[Any]:
    """Slices of the series from the feet up, as pydicom has them."""
    pydicom = pytest.importorskip("pydicom")
    slices = [pydicom.dcmread(path) for path in (SHARED / name).glob("*.dcm")]
    return sorted(slices, key=lambda one: float(one.ImagePositionPatient[2]))


def test_hu_of_a_real_ct_come_back_from_export_as_pydicom_reads_them(tmp_path):
    pytest.importorskip("pydicom")
    clean = {"target": "CT", "clean": True, "split": "0:0:1", "size": 512, "own_pixels": True}
    imported(tmp_path, "dicom-pairs", "ct-abdomen", task="ldct", **clean)
    export(tmp_path / "out.h5", tmp_path / "nifti", roles=["target"], splits=["test"], grid="original", say=str)
    (path,) = (tmp_path / "nifti").glob("**/target.nii.gz")
    image = nib.load(path)
    slices = headers("ct-abdomen")
    hu = np.stack([one.pixel_array * int(one.RescaleSlope) + int(one.RescaleIntercept) for one in slices])
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), np.maximum(hu, -1024).transpose(2, 1, 0))
    x, y, z = (float(value) for value in slices[0].ImagePositionPatient)
    np.testing.assert_allclose(image.affine[:3, 3], [-x, -y, z], atol=1e-3)


def test_suv_of_a_real_pet(tmp_path):
    pytest.importorskip("pydicom")
    clean = {"target": "PT", "clean": True, "split": "0:0:1", "size": 128}
    data = imported(tmp_path, "dicom-pairs", "pet-torso", task="pet-denoise", **clean)
    case = data.load(data.info.cases[0])
    slices = headers("pet-torso")
    first = slices[0]
    tracer = first.RadiopharmaceuticalInformationSequence[0]
    times = [str(first.SeriesTime), str(tracer.RadiopharmaceuticalStartTime)]
    scan, injection = (int(t[:2]) * 3600 + int(t[2:4]) * 60 + float(t[4:]) for t in times)
    remaining = float(tracer.RadionuclideTotalDose) * 0.5 ** ((scan - injection) / float(tracer.RadionuclideHalfLife))
    becquerel = np.stack([one.pixel_array * float(one.RescaleSlope) for one in slices])
    suv = becquerel * float(first.PatientWeight) * 1000 / remaining
    np.testing.assert_allclose(case.target, suv, rtol=1e-5, atol=1e-6)
    assert 0.3 < float(np.median(case.target[case.mask])) < 2.5  # soft tissue of a torso


def test_photographs_and_their_masks(tmp_path):
    data = imported(
        tmp_path, "image-pairs", "fundus-hrf", task="filaments", source="manual1/{name}.tif",
        target="images/{name}.jpg", mask="mask/{name}_mask.tif", source_unit="mask", channel="green",
    )  # fmt: skip
    assert len(data.info.cases) == 5
    for key in data.info.cases:
        case = data.load(key)
        vessels = case.source > 0.5
        assert 0.02 < vessels[case.mask].mean() < 0.2
        # vessels are dark, and lie where the photograph was taken
        assert case.target[vessels & case.mask].mean() < case.target[~vessels & case.mask].mean()
