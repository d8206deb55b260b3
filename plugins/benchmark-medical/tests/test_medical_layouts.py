"""Layouts of public data sets, each as a tiny copy of its folders: found, paired, grouped by patient, and faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from benchmark_medical.importing.formats import load
from benchmark_medical.importing.records import every

from benchmark import DatasetError, UsageError
from benchmark.data.checks.file import check
from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.geometry import CaseFault

SHAPE = (24, 20, 6)
AFFINE = np.array([[2.0, 0, 0, -20], [0, 2.5, 0, -30], [0, 0, 4, 100], [0, 0, 0, 1]])


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


def stripped(seed: int, more: float = 0.0) -> np.ndarray:
    return (np.where(body(seed), 500 + more - ct(seed) / 4, 0)).astype(np.float32)


def lesion(seed: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:12, 8:12] = 1 + seed % 3
    return labels


def nifti(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)


def mha(path: Path, data: np.ndarray) -> None:
    itk = pytest.importorskip("SimpleITK")
    path.parent.mkdir(parents=True, exist_ok=True)
    image = itk.GetImageFromArray(data.transpose(2, 1, 0))
    image.SetSpacing((2.0, 2.5, 4.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # the voxels of AFFINE, said in LPS
    image.SetOrigin((20.0, 30.0, 100.0))
    itk.WriteImage(image, str(path), True)


Run = Callable[..., tuple[Dataset, list[str]]]


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


def patients(data: Dataset) -> list[str]:
    return [str(key) for key in data.info.cases]


def test_synthrad2023_brain_and_pelvis_with_their_masks(tmp_path, run):
    for seed, name in enumerate(("brain/1BA001", "brain/1BB012", "pelvis/1PA004")):
        for file, made in (("mr", mr), ("ct", ct), ("mask", body)):
            nifti(tmp_path / "Task1" / name / f"{file}.nii.gz", made(seed))
    (tmp_path / "Task1/brain/overview").mkdir()
    data, lines = run("synthrad2023", folder=tmp_path / "Task1")
    assert patients(data) == ["1BA001/s1", "1BB012/s1", "1PA004/s1"]
    assert data.load(data.info.cases[0]).mask.sum() > 500
    assert lines[-1] == "3 studies of 3 patients imported, 0 skipped"
    brain, _ = run("synthrad2023", folder=tmp_path / "Task1", region="brain")
    assert patients(brain) == ["1BA001/s1", "1BB012/s1"]
    (tmp_path / "Task1/brain/1BA001/mask.nii.gz").unlink()
    _, lines = run("synthrad2023", folder=tmp_path / "Task1")
    assert "skipped brain/1BA001: no mask.nii.gz" in lines
    with pytest.raises(UsageError, match="brain, pelvis"):
        run("synthrad2023", folder=tmp_path / "Task1", region="neck")


def test_synthrad2023_cbct_is_called_so(tmp_path, run):
    for seed, name in enumerate(("2BA001", "2BA002")):
        for file, made in (("cbct", mr), ("ct", ct), ("mask", body)):
            nifti(tmp_path / "Task2/brain" / name / f"{file}.nii.gz", made(seed))
    data, _ = run("synthrad2023", folder=tmp_path / "Task2", source="cbct")
    assert data.info.source.modality == "CBCT"


def test_synthrad2025_is_meta_images_in_lps(tmp_path, run):
    for seed, name in enumerate(("HN/1HNA001", "AB/1ABB002", "TH/1THC003")):
        for file, made in (("mr", mr), ("ct", ct), ("mask", body)):
            mha(tmp_path / "Task1" / name / f"{file}.mha", made(seed))
            nifti(tmp_path / "same" / Path(name).name / f"{file}.nii.gz", made(seed))
    same, _ = run("nifti-pairs", folder=tmp_path / "same", source="mr.*", target="ct.*", mask="mask.*", task="mr-ct")
    want = {key.patient: same.load(key) for key in same.info.cases}
    data, _ = run("synthrad2025", folder=tmp_path / "Task1")
    assert patients(data) == ["1ABB002/s1", "1HNA001/s1", "1THC003/s1"]
    for key in data.info.cases:
        got = data.load(key)
        np.testing.assert_array_equal(got.target, want[key.patient].target)
        np.testing.assert_array_equal(got.mask, want[key.patient].mask)
        np.testing.assert_allclose(got.affine, want[key.patient].affine, atol=1e-6)


def test_autopet_keeps_studies_of_a_patient_together_and_lesions_as_labels(tmp_path, run):
    for seed, name in enumerate(("PETCT_01/a", "PETCT_01/b", "PETCT_02/a", "PETCT_03/c")):
        nifti(tmp_path / "in" / name / "SUV.nii.gz", stripped(seed) / 200)
        nifti(tmp_path / "in" / name / "CTres.nii.gz", ct(seed))
        nifti(tmp_path / "in" / name / "SEG.nii.gz", lesion(0))
    data, _ = run("autopet", folder=tmp_path / "in")
    assert patients(data) == ["PETCT_01/s1", "PETCT_01/s2", "PETCT_02/s1", "PETCT_03/s1"]
    assert (data.info.source.unit, data.info.target.unit, data.info.task) == ("SUV", "HU", "pet-ct")
    labels = data.load(data.info.cases[0]).labels
    assert labels is not None
    assert set(np.unique(labels)) == {0, 1}
    nifti(tmp_path / "in/PETCT_03/c/CTres.nii.gz", ct(3)[:-1])
    _, lines = run("autopet", folder=tmp_path / "in")
    assert any(line.startswith("skipped PETCT_03/s1: source and target differ in grid") for line in lines)


@pytest.mark.parametrize(
    ("names", "join", "contrasts", "found"),
    [
        (("BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-GLI-00002-000"), "-", ("t1n", "t2w"), "00000-001"),
        (("BraTS20_Training_001", "BraTS20_Training_002", "BraTS20_Training_003"), "_", ("t1", "t2"), "002"),
    ],
)
def test_brats_old_and_new(tmp_path, run, names, join, contrasts, found):
    for seed, name in enumerate(names):
        for index, contrast in enumerate(contrasts):
            nifti(tmp_path / "in" / name / f"{name}{join}{contrast}.nii.gz", stripped(seed, 100.0 * index))
        nifti(tmp_path / "in" / name / f"{name}{join}seg.nii.gz", lesion(seed))
    source, target = contrasts
    data, lines = run("brats", folder=tmp_path / "in", task="t1-t2", source=source, target=target)
    assert len(data.info.cases) == 3
    assert len({key.patient for key in data.info.cases}) == (2 if join == "-" else 3)
    case = data.load(data.info.cases[0])
    assert case.mask.sum() == pytest.approx((case.target > 250).sum(), rel=0.05)  # half of what tissue has
    assert case.labels is not None
    assert data.info.source.modality == f"MR {source}"
    (tmp_path / "in" / names[1] / f"{names[1]}{join}{target}.nii.gz").unlink()
    _, lines = run("brats", folder=tmp_path / "in", task="t1-t2", source=source, target=target)
    assert any("skipped" in line and found in line and f"{target}.nii.gz" in line for line in lines)


def test_ixi_pairs_contrasts_by_name_and_warns_that_they_are_not_registered(tmp_path, run):
    for seed, name in enumerate(("IXI002-Guys-0828", "IXI012-HH-1211", "IXI013-HH-1212")):
        nifti(tmp_path / "IXI-T1" / f"{name}-T1.nii.gz", mr(seed))
        if seed < 2:
            nifti(tmp_path / "IXI-T2" / f"{name}-T2.nii.gz", mr(seed) * 2)
    data, lines = run("ixi", folder=tmp_path, task="t1-t2")
    assert patients(data) == ["IXI002/s1", "IXI012/s1"]
    assert "not registered" in lines[0]
    assert "skipped IXI013-HH-1212: no T2" in lines


def test_nnunet_channels_labels_and_its_own_test_set(tmp_path, run):
    for seed, name in enumerate(("imagesTr/case_001", "imagesTr/case_002", "imagesTs/case_101")):
        nifti(tmp_path / "in" / f"{name}_0000.nii.gz", mr(seed))
        nifti(tmp_path / "in" / f"{name}_0001.nii.gz", ct(seed))
        nifti(tmp_path / "in" / f"{name.replace('images', 'labels')}.nii.gz", lesion(seed))
    data, _ = run("nnunet", folder=tmp_path / "in", task="mr-ct")
    assert data.info.splits == {"train": ("case_001", "case_002"), "val": (), "test": ("case_101",)}
    assert data.load(data.info.cases[0]).labels is not None
    grouped, _ = run("nnunet", folder=tmp_path / "in", task="mr-ct", patient=r"case_(\d)\d\d")
    assert patients(grouped) == ["0/case_001", "0/case_002", "1/case_101"]
    with pytest.raises(UsageError, match="one pair of brackets"):
        run("nnunet", folder=tmp_path / "in", task="mr-ct", patient="case")
    with pytest.raises(UsageError, match="no imagesTr"):
        run("nnunet", folder=tmp_path, task="mr-ct")


def test_a_patient_on_both_sides_of_a_layouts_split_is_an_error(tmp_path, run):
    for seed, name in enumerate(("imagesTr/p1-a", "imagesTs/p1-b", "imagesTr/p2-a")):
        nifti(tmp_path / "in" / f"{name}_0000.nii.gz", mr(seed))
        nifti(tmp_path / "in" / f"{name}_0001.nii.gz", ct(seed))
    with pytest.raises(DatasetError, match="a patient belongs to one split"):
        run("nnunet", folder=tmp_path / "in", task="mr-ct", patient=r"(p\d)")
    assert not (tmp_path / "out.h5").exists()


def test_nnsyn_folders(tmp_path, run):
    for seed, name in enumerate(("a", "b", "c")):
        nifti(tmp_path / "in/INPUT_IMAGES" / f"{name}_0000.nii.gz", mr(seed))
        nifti(tmp_path / "in/MASKS" / f"{name}.nii.gz", body(seed))
        if name != "c":
            nifti(tmp_path / "in/TARGET_IMAGES" / f"{name}_0000.nii.gz", ct(seed))
    data, lines = run("nnsyn", folder=tmp_path / "in", task="mr-ct")
    assert patients(data) == ["a/s1", "b/s1"]
    assert "skipped c: not in TARGET_IMAGES" in lines


def test_clean_images_are_both_sides(tmp_path, run):
    for seed in range(3):
        nifti(tmp_path / "in" / f"p{seed}" / "study1_T1W.nii.gz", mr(seed))
    data, _ = run(
        "nifti-pairs", folder=tmp_path / "in", target="*_T1W.nii.gz", clean=True, task="mr-motion",
        target_modality="MR T1", target_unit="a.u.",
    )  # fmt: skip
    case = data.load(data.info.cases[0])
    np.testing.assert_array_equal(case.source, case.target)
    assert data.info.source.modality == "MR T1"
    with pytest.raises(UsageError, match="leave out --source"):
        run("nifti-pairs", folder=tmp_path / "in", source="x", target="y", clean=True, task="mr-motion")


def test_folds_test_every_patient_once(tmp_path, run):
    for seed in range(5):
        for file, made in (("mr", mr), ("ct", ct)):
            nifti(tmp_path / "in" / f"p{seed}" / f"{file}.nii.gz", made(seed))
    pairs = {"folder": tmp_path / "in", "source": "mr.*", "target": "ct.*", "task": "mr-ct", "split": "0.6:0.2:0.2"}
    tested: list[str] = []
    for fold in range(3):
        data, _ = run("nifti-pairs", **pairs, folds=3, fold=fold)
        tested += data.info.splits["test"]
        assert len(data.info.splits["val"]) == 1
    assert sorted(tested) == [f"p{seed}" for seed in range(5)]
    for wrong, message in (
        ({"folds": 1}, "at least 2"),
        ({"folds": 3, "fold": 3}, "from 0 to 2"),
        ({"fold": 1}, "--folds"),
    ):
        with pytest.raises(UsageError, match=message):
            run("nifti-pairs", **pairs, **wrong)
    with pytest.raises(DatasetError, match="5 patients cannot be dealt out to 9 folds"):
        run("nifti-pairs", **pairs, folds=9)


def test_a_manifest_may_say_the_split(tmp_path, run):
    rows = ["patient,source,target,split"]
    for seed, split in enumerate(("test", "train", "val")):
        for file, made in (("mr", mr), ("ct", ct)):
            nifti(tmp_path / f"p{seed}_{file}.nii.gz", made(seed))
        rows.append(f"p{seed},p{seed}_mr.nii.gz,p{seed}_ct.nii.gz,{split}")
    (tmp_path / "all.csv").write_text("\n".join([*rows, "p9,p0_mr.nii.gz,p0_ct.nii.gz,tset"]))
    data, lines = run("nifti-pairs", manifest=tmp_path / "all.csv", task="mr-ct")
    assert data.info.splits == {"train": ("p1",), "val": ("p2",), "test": ("p0",)}
    assert any("'tset'" in line for line in lines)


@pytest.mark.parametrize("named", ["../outside.raw", "/etc/passwd", "LIST", "slice%03d.raw"])
def test_a_header_reads_no_file_from_elsewhere(tmp_path, run, named):
    pytest.importorskip("SimpleITK")
    for seed in range(2):
        for file, made in (("mr", mr), ("ct", ct)):
            nifti(tmp_path / "in" / f"p{seed}" / f"{file}.nii.gz", made(seed))
    (tmp_path / "outside.raw").write_bytes(ct(0).tobytes())
    (tmp_path / "in/p9").mkdir()
    nifti(tmp_path / "in/p9/mr.nii.gz", mr(0))
    (tmp_path / "in/p9/ct.mhd").write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = 24 20 6\nElementType = MET_SHORT\nElementDataFile = {named}\n"
    )
    data, lines = run("nifti-pairs", folder=tmp_path / "in", source="mr.*", target="ct.*", task="mr-ct")
    assert patients(data) == ["p0/s1", "p1/s1"]
    assert any("only a file beside it is read" in line for line in lines)


META = "ObjectType = Image\nNDims = 3\nDimSize = 24 20 6\nElementType = MET_SHORT\n"
NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 24 20 6\nencoding: raw\nendian: little\n"


@pytest.mark.parametrize(
    ("ending", "header"),
    [
        ("mha", META + "ElementDataFile = ../outside.raw\n"),
        ("mha", META + "elementdatafile = LOCAL\nElementDataFile: ../outside.raw\n"),
        ("mhd", f"Comment = {'x' * (1 << 20)}\n{META}ElementDataFile = ../outside.raw\n"),
        ("nhdr", NRRD + "datafile: ../outside.raw\n"),
        ("nhdr", NRRD + "DATA FILE: ../outside.raw\n"),
        ("nrrd", NRRD + "data file: LIST 3\n../outside.raw\n"),
        ("nrrd", NRRD + "  \ndata file: ../outside.raw\n"),
        ("nhdr", f"{NRRD}# {'x' * 70_000}\ndata file: ../outside.raw\n"),
    ],
)
def test_no_header_of_any_kind_reads_from_elsewhere(tmp_path, capfd, ending, header):
    pytest.importorskip("SimpleITK")
    (tmp_path / "outside.raw").write_bytes(ct(0).tobytes())
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / f"a.{ending}"
    path.write_text(header)
    with pytest.raises(CaseFault, match=rf"a.{ending}: (its values are said to be|a (header|line) of more than)"):
        load(path)
    assert capfd.readouterr() == ("", "")


def test_a_detached_header_reads_its_neighbour(tmp_path):
    pytest.importorskip("SimpleITK")
    (tmp_path / "a.raw").write_bytes(np.ascontiguousarray(ct(0).T).tobytes())
    (tmp_path / "a.mhd").write_text(META + "ElementDataFile = a.raw\n")
    (tmp_path / "a.nhdr").write_text(NRRD + "data file: a.raw\n")
    for name in ("a.mhd", "a.nhdr"):
        np.testing.assert_array_equal(np.sort(load(tmp_path / name).data.ravel()), np.sort(ct(0).ravel()))


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "4d", "vector"])
def test_damaged_meta_images_are_skipped_with_their_name(tmp_path, run, damage):
    itk = pytest.importorskip("SimpleITK")
    for seed in range(3):
        for file, made in (("mr", mr), ("ct", ct)):
            mha(tmp_path / "in" / f"p{seed}" / f"{file}.mha", made(seed))
    bad = tmp_path / "in/p1/ct.mha"
    whole = bad.read_bytes()
    if damage in ("4d", "vector"):
        array = np.zeros((2, 6, 20, 24), np.int16) if damage == "4d" else np.zeros((6, 20, 24, 2), np.int16)
        itk.WriteImage(itk.GetImageFromArray(array, isVector=damage == "vector"), str(bad))
    else:
        bad.write_bytes({"empty": b"", "cut": whole[: len(whole) * 2 // 3], "text": b"not an image"}[damage])
    data, lines = run("nifti-pairs", folder=tmp_path / "in", source="mr.mha", target="ct.mha", task="mr-ct")
    assert patients(data) == ["p0/s1", "p2/s1"]
    assert any(line.startswith("skipped p1/s1: p1/ct.mha") for line in lines)
