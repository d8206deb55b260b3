"""Sources of several contrasts through the importers: by name, onto one grid, and none of them missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from benchmark_medical.importing.records import every

from benchmark import DatasetError, UsageError
from benchmark.data.checks.file import check
from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.export import export

SHAPE = (24, 20, 6)
AFFINE = np.array([[2.0, 0, 0, -20], [0, 2.5, 0, -30], [0, 0, 4, 100], [0, 0, 0, 1]])
Run = Callable[..., tuple[Dataset, list[str]]]
ANY = {"task": "any-task", "split": "0.4:0.2:0.4"}


def ct(seed: int) -> np.ndarray:
    """A lopsided body with bone, in HU."""
    rng = np.random.default_rng(seed)
    x, y, _ = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    hu = np.where((x + 0.1) ** 2 / 0.6 + (y - 0.1) ** 2 / 0.55 < 1, 40 + rng.normal(0, 10, SHAPE), -1000)
    hu[14:18, 12:15] = 900
    return np.rint(hu).astype(np.int16)


def body(seed: int) -> np.ndarray:
    return (ct(seed) > -500).astype(np.uint8)


def mr(seed: int) -> np.ndarray:
    return np.where(body(seed), 500 - ct(seed) / 4, 3).astype(np.float32)


def nifti(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Import a folder by a layout's name, as the command line does."""

    def go(layout: str, **options: Any) -> tuple[Dataset, list[str]]:
        spec = {each.name: each for each in every()}[layout]
        lines: list[str] = []
        spec.load()(spec.options(**{"size": 24, **options}), tmp_path / "out.h5", lines.append)
        assert [problem for problem in check(tmp_path / "out.h5") if problem.severity == "error"] == []
        return Dataset(tmp_path / "out.h5"), lines

    return go


def pair(folder: Path, patient: int, *, second: bool = True, affine: np.ndarray = AFFINE) -> None:
    where = folder / f"P{patient}"
    nifti(where / "t1.nii.gz", mr(patient))
    if second:
        nifti(where / "t2.nii.gz", mr(patient) * 2 + 7, affine)
    nifti(where / "ct.nii.gz", ct(patient))


def several(**more: object) -> dict[str, object]:
    return {
        **ANY, "source": ("T1=t1.nii.gz", "T2=t2.nii.gz"), "target": "ct.nii.gz", "source_modality": ("MR T1", "MR T2"),
        "target_unit": "HU", **more,
    }  # fmt: skip


def channels(data: Dataset) -> list[tuple[str, str, str]]:
    return [(channel.name, channel.modality, channel.map.unit) for channel in data.info.channels]


def test_contrasts_are_imported_side_by_side(tmp_path: Path, run: Run) -> None:
    for patient in range(5):
        pair(tmp_path / "in", patient)
    data, _ = run("nifti-pairs", folder=tmp_path / "in", **several(source_window=("0:500", "auto")))
    assert channels(data) == [("T1", "MR T1", "a.u."), ("T2", "MR T2", "a.u.")]
    assert [side.window.kind for side in data.info.sources] == ["fixed", "percentile"]
    case = data.load(data.info.cases[0])
    np.testing.assert_allclose(case.channels[1][case.mask], case.channels[0][case.mask] * 2 + 7, rtol=1e-4)
    assert data.physics(case.key)["source_T2_file"] == "t2.nii.gz"


def test_what_is_exported_is_imported_again(tmp_path: Path, run: Run) -> None:
    for patient in range(5):
        pair(tmp_path / "in", patient)
    data, _ = run("nifti-pairs", folder=tmp_path / "in", **several(own_pixels=False, size=24))
    before = {key: data.load(key) for key in data.info.cases}
    roles, splits = ("source", "target", "mask"), ("train", "val", "test")
    export(data.path, tmp_path / "out", roles=roles, splits=splits, grid="stored", say=str)
    data.close()
    manifest = {"manifest": tmp_path / "out/manifest.csv", "source_modality": ("MR T1", "MR T2"), "target_unit": "HU"}
    again, _ = run("nifti-pairs", **{**ANY, **manifest, "min_body": 0.0})
    assert channels(again) == [("T1", "MR T1", "a.u."), ("T2", "MR T2", "a.u.")]
    for key, case in before.items():
        np.testing.assert_allclose(again.load(key).source, case.source, atol=1e-3)


def test_a_patient_without_a_contrast_is_an_error_until_it_is_left_out_by_name(tmp_path: Path, run: Run) -> None:
    for patient in range(6):
        pair(tmp_path / "in", patient, second=patient != 3)
    with pytest.raises(
        DatasetError, match=r"1 patient lacks a channel of the source: P3.*no source T2 file.*exclude P3"
    ):
        run("nifti-pairs", folder=tmp_path / "in", **several())
    assert not (tmp_path / "out.h5").exists()
    data, _ = run("nifti-pairs", folder=tmp_path / "in", **several(exclude=("P3",)))
    assert sorted(key.patient for key in data.info.cases) == ["P0", "P1", "P2", "P4", "P5"]


def test_contrasts_on_different_grids_are_refused_unless_coordinates_are_to_be_trusted(
    tmp_path: Path, run: Run
) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 1.0
    for patient in range(5):
        pair(tmp_path / "in", patient, affine=moved)
    with pytest.raises(DatasetError, match=r"channels lie on different grids: source T1 24x20x6 .* source T2 24x20x6"):
        run("nifti-pairs", folder=tmp_path / "in", **several())
    data, _ = run("nifti-pairs", folder=tmp_path / "in", **several(any_grid=True))
    assert len(data.info.cases) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": ("t1.nii.gz", "t2.nii.gz"), "source_modality": ""}, "with several sources give each a name"),
        ({"source": ("T1=t1.nii.gz", "T1=t2.nii.gz")}, "two sources are called 'T1'"),
        ({"source": ("T 1=t1.nii.gz", "T2=t2.nii.gz")}, "give each a name"),
        ({"source_modality": ("MR T1", "MR T2", "MR PD")}, "--source-modality is given 3 times, for a source of 2"),
        ({"source_unit": ("HU", "a.u.")}, "'MR T1' is said to be in HU"),
        ({"source": "t1.nii.gz", "source_modality": ("MR T1", "MR T2")}, "--source-modality is given 2 times"),
    ],
)
def test_channels_that_cannot_be_told_apart_are_refused(options, message, tmp_path: Path, run: Run) -> None:
    pair(tmp_path / "in", 0)
    with pytest.raises(UsageError, match=message):
        run("nifti-pairs", folder=tmp_path / "in", **several(**options))


def test_sources_are_called_by_their_modality_where_they_have_no_name(tmp_path: Path, run: Run) -> None:
    for patient in range(5):
        pair(tmp_path / "in", patient)
    data, _ = run("nifti-pairs", folder=tmp_path / "in", **several(source=("t1.nii.gz", "t2.nii.gz")))
    assert [channel.name for channel in data.info.channels] == ["MR-T1", "MR-T2"]


def test_brats_with_three_contrasts(tmp_path: Path, run: Run) -> None:
    for patient in range(5):
        name = f"BraTS-GLI-{patient:05}-000"
        for number, contrast in enumerate(("t1n", "t1c", "t2f", "t2w")):
            nifti(
                tmp_path / "in" / name / f"{name}-{contrast}.nii.gz",
                np.where(body(patient), mr(patient) + 10.0 * number, 0).astype(np.float32),
            )
    data, _ = run("brats", folder=tmp_path / "in", source=("t1n", "t1c", "t2f"), target="t2w", **ANY)
    assert channels(data) == [(name, f"MR {name}", "a.u.") for name in ("t1n", "t1c", "t2f")]
    with pytest.raises(UsageError, match="--target t2w is among the sources"):
        run("brats", folder=tmp_path / "in", source=("t1n", "t2w"), target="t2w", **ANY)
    next((tmp_path / "in").glob("*-00002-000/*t1c.nii.gz")).unlink()
    with pytest.raises(DatasetError, match=r"BraTS-GLI-00002-000: no .*t1c.nii.gz"):
        run("brats", folder=tmp_path / "in", source=("t1n", "t1c"), target="t2w", **ANY)


def test_ixi_brings_contrasts_of_other_grids_onto_the_targets(tmp_path: Path, run: Run) -> None:
    finer = AFFINE @ np.diag([0.5, 0.5, 1, 1])
    for patient in range(5):
        for contrast in ("T1", "PD", "T2"):
            data = mr(patient) if contrast != "T1" else mr(patient).repeat(2, 0).repeat(2, 1)
            affine = finer if contrast == "T1" else AFFINE
            nifti(
                tmp_path / "in" / f"IXI-{contrast}" / f"IXI{patient:03}-Guys-{patient:04}-{contrast}.nii.gz",
                data,
                affine,
            )
    data, _ = run("ixi", folder=tmp_path / "in", source=("T1", "PD"), target="T2", **ANY)
    assert channels(data) == [("T1", "MR T1", "a.u."), ("PD", "MR PD", "a.u.")]
    next((tmp_path / "in/IXI-PD").glob("IXI002*")).unlink()
    with pytest.raises(DatasetError, match="IXI002-Guys-0002: no PD"):
        run("ixi", folder=tmp_path / "in", source=("T1", "PD"), target="T2", **ANY)


def test_nnunet_with_all_channels(tmp_path: Path, run: Run) -> None:
    for patient in range(5):
        for channel in range(3):
            nifti(tmp_path / "in/imagesTr" / f"case{patient}_000{channel}.nii.gz", mr(patient) + channel)
    data, _ = run("nnunet", folder=tmp_path / "in", source="all", target="0002", **ANY)
    assert [channel.name for channel in data.info.channels] == ["0000", "0001"]


def test_synthrad_with_mr_and_cbct(tmp_path: Path, run: Run) -> None:
    for patient in range(5):
        where = tmp_path / "in" / "brain" / f"1BA00{patient}"
        for name, image in (("mr", mr(patient)), ("cbct", ct(patient)), ("ct", ct(patient)), ("mask", body(patient))):
            nifti(where / f"{name}.nii.gz", image)
    data, _ = run("synthrad2023", folder=tmp_path / "in", source=("mr", "cbct"), task="mr-cbct-ct", split="0.4:0.2:0.4")
    assert channels(data) == [("mr", "MR", "a.u."), ("cbct", "CBCT", "a.u.")]


@pytest.mark.real_data
def test_t1_and_t2_to_flair_of_real_heads(tmp_path: Path, run: Run) -> None:
    """Registered by the transforms that lie there; the checks find no channel beside the target."""
    itk = pytest.importorskip("SimpleITK")
    shared = Path(os.environ.get("BENCHMARK_REAL_DATA", Path(__file__).parents[4] / "shared" / "data")) / "ms-heads"
    if not shared.is_dir():
        pytest.skip("real scans are not beside the project: set BENCHMARK_REAL_DATA")
    for patient in ("patient01", "patient04"):
        flair = itk.ReadImage(str(shared / patient / "study1_FLAIR.nii.gz"), itk.sitkFloat32)
        (tmp_path / "in" / patient).mkdir(parents=True)
        itk.WriteImage(flair, str(tmp_path / "in" / patient / "FLAIR.nii.gz"))
        for name in ("T1W", "T2W"):
            scan = itk.ReadImage(str(shared / patient / f"study1_{name}.nii.gz"), itk.sitkFloat32)
            way = itk.ReadTransform(str(shared / patient / f"study1_{name}_intrastudy_to_FLAIR.txt"))
            itk.WriteImage(itk.Resample(scan, flair, way), str(tmp_path / "in" / patient / f"{name}.nii.gz"))
    data, lines = run(
        "nifti-pairs", folder=tmp_path / "in", task="t1t2-flair", source=("T1=T1W.nii.gz", "T2=T2W.nii.gz"),
        target="FLAIR.nii.gz", source_modality=("MR T1", "MR T2"), target_modality="MR FLAIR", size=128,
        split="0.5:0:0.5",
    )  # fmt: skip
    assert channels(data) == [("T1", "MR T1", "a.u."), ("T2", "MR T2", "a.u.")]
    assert sum(data.info.slices.values()) > 60
    assert nib.load(tmp_path / "in/patient01/FLAIR.nii.gz").shape == (320, 320, 36)
    assert lines[-1] == "2 studies of 2 patients imported, 0 skipped"
