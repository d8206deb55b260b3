"""Predictions of real scans, as NIfTI files in HU on the scanner's own grid, under every profile for CT."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from benchmark_metrics import profiles

from benchmark.evaluation.evaluate import Request, evaluate
from benchmark.registry.plugins import registry

pytestmark = pytest.mark.real_data
PATIENTS = ("STS_014", "STS_025", "STS_035")
CT = [profile.name for profile in profiles.every() if profile.units in ((), ("HU",))]


@pytest.fixture(scope="module")
def sts() -> Path:
    default = Path(__file__).parents[3].parent / "shared" / "data"
    folder = Path(os.environ.get("BENCHMARK_REAL_DATA", default)) / "sts"
    if not folder.is_dir():
        pytest.skip("real scans are not beside the project: set BENCHMARK_REAL_DATA")
    return folder


@pytest.fixture(scope="module")
def data(sts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients imported at 64 pixels a side, two of them for testing."""
    pairs = pytest.importorskip("benchmark_medical.importing.options")
    folder = tmp_path_factory.mktemp("sts")
    for name in PATIENTS:
        (folder / "in" / name).mkdir(parents=True)
        for image in ("PET", "CT"):
            (folder / "in" / name / f"{image}_image.nii.gz").symlink_to(sts / name / f"{image}_image.nii.gz")
    split = folder / "split.csv"
    split.write_text("patient,split\nSTS_025,train\nSTS_014,test\nSTS_035,test\n")
    options = pairs.NiftiPairsOptions(
        folder=folder / "in", source="PET_image.nii.gz", target="CT_image.nii.gz", task="pet-ct", source_unit="SUV",
        size=64, split_file=split, follow_links=True,
    )  # fmt: skip
    registry().all("importer")["nifti-pairs"].spec.load()(options, folder / "sts.h5", lambda _: None)
    return folder / "sts.h5"


@pytest.fixture(scope="module")
def blurred(sts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    nib = pytest.importorskip("nibabel")
    from scipy.ndimage import gaussian_filter

    folder = tmp_path_factory.mktemp("blurred")
    for name in PATIENTS[::2]:
        scan = nib.load(sts / name / "CT_image.nii.gz")
        smooth = gaussian_filter(np.asarray(scan.dataobj, np.float32), 1.5)
        nib.save(nib.Nifti1Image(np.rint(smooth).astype(np.int16), scan.affine), folder / f"{name}.nii.gz")
    return folder


@pytest.mark.parametrize("profile", CT)
def test_every_ct_profile_scores_a_folder_of_nifti_predictions(
    profile: str, data: Path, blurred: Path, tmp_path: Path
) -> None:
    done = evaluate(registry(), Request("pet-ct", blurred, tmp_path / "run", "blurred", profile, data))
    assert (len(done.scored), done.missing, done.failed) == (2, (), {})
    scores = {name: score.to_json() for name, score in done.record.scores.items()}
    optional = ("lpips", "dice", "hd95-synthrad2025")
    for name, result in scores.items():
        if name not in optional:
            assert result["n_scored"] == 2, (name, result)
    if "psnr" in scores:
        assert 20 < scores["psnr"]["mean"] < 50


def test_the_scan_itself_is_found_where_the_import_put_it(data: Path, sts: Path, tmp_path: Path) -> None:
    """The target's own file, resampled from its own grid, is the stored target to within rounding and edges."""
    folder = tmp_path / "original"
    folder.mkdir()
    for name in PATIENTS[::2]:
        shutil.copyfile(sts / name / "CT_image.nii.gz", folder / f"{name}.nii.gz")
    done = evaluate(registry(), Request("pet-ct", folder, tmp_path / "run", "original", "synthrad2025-eval", data))
    assert done.record.scores["mae"].mean < 1.0
    assert done.record.scores["psnr"].mean > 60.0
