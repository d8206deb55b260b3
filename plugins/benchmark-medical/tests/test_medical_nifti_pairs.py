"""Import of NIfTI pairs: geometry, regions, splits, and every kind of broken input."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from benchmark_medical.importing.layouts import nifti_pairs
from benchmark_medical.importing.options import NiftiPairsOptions
from benchmark_medical.importing.pairing import find
from benchmark_medical.importing.region import air_threshold, body_mask
from benchmark_medical.importing.splits import random_splits, split_shares
from benchmark_medical.importing.studies import plain_name

from benchmark import DatasetError, UsageError
from benchmark.cell.batches import Slices
from benchmark.data.checks.file import check
from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.geometry import VIEWS, CaseFault, Volume, common_box, resample, same_grid, slicing
from benchmark.data.volumes.nifti import load
from benchmark.evaluation.predictions import PredictionFolder

SHAPE = (24, 20, 6)
AFFINE = np.array([[2.0, 0, 0, -20], [0, 2.5, 0, -30], [0, 0, 4, 100], [0, 0, 0, 1]])


def head_ct(seed: int = 0) -> np.ndarray:
    """A lopsided body of soft tissue with bone, so that every flip shows."""
    rng = np.random.default_rng(seed)
    x, y, _ = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    body = (x + 0.1) ** 2 / 0.6 + (y - 0.1) ** 2 / 0.55 < 1
    hu = np.where(body, 40 + rng.normal(0, 10, SHAPE), -1000)
    hu[14:18, 12:15] = 900
    return np.rint(hu).astype(np.int16)


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def patient(folder: Path, name: str, seed: int = 0) -> None:
    ct = head_ct(seed)
    save(folder / name / "ct.nii.gz", ct)
    save(folder / name / "mr.nii.gz", np.where(ct > -500, 500 - ct / 4, 3).astype(np.float32))


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    for number in range(4):
        patient(tmp_path / "in", f"P{number}", number)
    return tmp_path / "in"


def options(folder: Path | None = None, **changes) -> NiftiPairsOptions:
    base = NiftiPairsOptions(folder=folder, source="mr.nii.gz", target="ct.nii.gz", task="mr-ct", size=24)
    return replace(base, **changes)


def run(wanted: NiftiPairsOptions, tmp_path: Path) -> tuple[Dataset, list[str]]:
    lines: list[str] = []
    nifti_pairs(wanted, tmp_path / "out.h5", lines.append)
    return Dataset(tmp_path / "out.h5"), lines


def test_a_folder_of_patients(cohort, tmp_path):
    data, lines = run(options(cohort), tmp_path)
    assert [key.patient for key in data.info.cases] == ["P0", "P1", "P2", "P3"]
    assert not data.info.simulated
    assert data.info.target_map.low == -1024
    assert {split: len(names) for split, names in data.info.splits.items()} == {"train": 3, "val": 0, "test": 1}
    assert lines[-1] == "4 studies of 4 patients imported, 0 skipped"
    case = data.load(data.info.cases[0])
    assert case.mask.mean() == pytest.approx(np.pi * np.sqrt(0.6 * 0.55) / 4, abs=0.06)
    assert case.target.min() >= -1024
    assert case.spacing == pytest.approx((4.0, 50 / 24, 50 / 24))
    assert str(cohort) not in str(data.info.provenance)


def test_pixels_of_a_square_volume_are_kept_exactly_and_the_affine_finds_them(tmp_path):
    rng = np.random.default_rng(0)
    volume = rng.integers(-900, 1500, (16, 16, 3)).astype(np.int16)
    affine = np.diag([3.0, 3.0, 5.0, 1.0])
    for name in ("A", "B"):
        save(tmp_path / "in" / name / "ct.nii.gz", volume + (name == "B"), affine)
        save(tmp_path / "in" / name / "mr.nii.gz", rng.random((16, 16, 3)).astype(np.float32), affine)
    data, _ = run(options(tmp_path / "in", size=16, min_body=0.0), tmp_path)
    case = data.load(data.info.cases[0])
    np.testing.assert_array_equal(case.target, volume.transpose(2, 1, 0)[:, ::-1, ::-1])
    for column, row, layer in ((0, 0, 0), (3, 11, 2)):
        place = case.affine @ [column, row, layer, 1]
        x, y, z = np.rint(np.linalg.inv(affine) @ place)[:3].astype(int)
        assert case.target[layer, row, column] == volume[x, y, z]


@pytest.mark.parametrize("flip", [(0,), (1,), (0, 1, 2)])
def test_flipped_storage_gives_the_same_case(cohort, tmp_path, flip):
    plain, _ = run(options(cohort), tmp_path)
    want = plain.load(plain.info.cases[1])
    for name in ("ct", "mr"):
        path = cohort / "P1" / f"{name}.nii.gz"
        image = nib.load(path)
        sense = np.eye(4)
        for axis in flip:
            sense[axis, axis], sense[axis, 3] = -1, SHAPE[axis] - 1
        save(path, np.flip(np.asanyarray(image.dataobj), flip), image.affine @ sense)
    turned, _ = run(options(cohort), tmp_path)
    got = turned.load(turned.info.cases[1])
    np.testing.assert_array_equal(got.source, want.source)
    np.testing.assert_array_equal(got.target, want.target)
    np.testing.assert_allclose(got.affine, want.affine, atol=1e-4)


def test_a_source_with_an_offset_is_cropped_to_the_common_box_exactly(cohort, tmp_path):
    part = np.s_[5:21, 2:18, 1:5]
    image = nib.load(cohort / "P0" / "mr.nii.gz")
    moved = AFFINE.copy()
    moved[:3, 3] += AFFINE[:3, :3] @ [5, 2, 1]
    save(cohort / "P0" / "mr.nii.gz", np.asanyarray(image.dataobj)[part], moved)
    source, target = load(cohort / "P0" / "mr.nii.gz"), load(cohort / "P0" / "ct.nii.gz")
    assert common_box(source, target) == part
    data, _ = run(options(cohort), tmp_path)
    assert data.load(data.info.cases[0]).target.shape[0] == 4
    fixed = Volume(target.data[part], moved)
    on_grid, covered = resample(source, fixed)
    np.testing.assert_array_equal(on_grid.data, source.data)
    assert covered.all()


def test_resampling_keeps_a_linear_ramp_where_it_is():
    coarse = np.diag([4.0, 4.0, 4.0, 1.0])
    coarse[:3, 3] = 2.0
    x, y, z = np.meshgrid(*(np.arange(12) * 4 + 2.0,) * 3, indexing="ij")
    source = Volume((x + 2 * y - z).astype(np.float32), coarse)
    fine = Volume(
        np.zeros((20, 20, 20), np.float32), np.array([[1.5, 0, 0, 8], [0, 1.5, 0, 9], [0, 0, 1.5, 10], [0, 0, 0, 1]])
    )
    moved, covered = resample(source, fine)
    i, j, k = np.meshgrid(*(np.arange(20),) * 3, indexing="ij")
    want = (8 + 1.5 * i) + 2 * (9 + 1.5 * j) - (10 + 1.5 * k)
    assert covered.all()
    np.testing.assert_allclose(moved.data[2:-2, 2:-2, 2:-2], want[2:-2, 2:-2, 2:-2], atol=0.6)
    _, partly = resample(source, Volume(fine.data, np.diag([3.0, 3.0, 3.0, 1.0])))
    assert partly[:16, :16, :16].all()
    assert not partly[17:].any()


@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_large_volumes_are_resampled_in_parts_to_the_same_values(monkeypatch, turn):
    rng = np.random.default_rng(0)
    source = Volume(rng.normal(size=(40, 44, 90)).astype(np.float32), AFFINE)
    place = AFFINE.copy()
    place[:3, :3] = AFFINE[:3, :3] @ [[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]]
    place[:3, 3] += [3.3, -7.1, -50.0]  # begins before the source and ends after it
    grid = Volume(np.zeros((37, 41, 120), np.float32), place)
    whole, covered = resample(source, grid)
    monkeypatch.setattr("benchmark.data.volumes.geometry.LARGE", 1)
    parts, of_parts = resample(source, grid)
    np.testing.assert_allclose(parts.data, whole.data, atol=2e-6)
    np.testing.assert_array_equal(of_parts, covered)
    assert 0.1 < covered.mean() < 0.9


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("size", [16, 40])
def test_slices_keep_constants_places_and_background(axis, size):
    grid = Volume(np.ones((20, 24, 28), np.float32), AFFINE)
    cut = slicing(grid, VIEWS[axis], size)
    layers = cut.apply(grid.data, background=1.0)
    np.testing.assert_allclose(layers, 1.0, atol=1e-5)
    i, j, k = np.meshgrid(*(np.arange(n) for n in grid.data.shape), indexing="ij")
    for component, ramp in enumerate(np.einsum("ab,bxyz->axyz", AFFINE[:3], np.stack([i, j, k, np.ones_like(i)]))):
        layers = cut.apply(ramp, 0.0)
        depth, middle = layers.shape[0] // 2, size // 2
        place = cut.affine @ [middle, middle - 1, depth, 1]
        assert layers[depth, middle - 1, middle] == pytest.approx(place[component], abs=1e-3)
    assert np.linalg.norm(cut.affine[:3, :3], axis=0) == pytest.approx(cut.spacing[::-1])


def test_a_mask_is_used_and_must_lie_on_the_targets_grid(cohort, tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[8:16, 6:14, 1:4] = 1
    for number in range(4):
        save(cohort / f"P{number}" / "mask.nii.gz", mask)
    save(cohort / "P3" / "mask.nii.gz", mask, AFFINE + np.eye(4)[:, [3, 3, 3, 0]] * 3)
    data, lines = run(options(cohort, mask="mask.nii.gz"), tmp_path)
    assert [key.patient for key in data.info.cases] == ["P0", "P1", "P2"]
    assert data.load(data.info.cases[0]).mask.shape[0] == 3
    fault = next(line for line in lines if line.startswith("skipped P3/s1: mask and target differ"))
    assert "-17" in fault
    assert "-20" in fault


def test_faulty_studies_are_named_and_the_others_imported(cohort, tmp_path):
    for name in ("far", "nan", "short", "text", "flat", "wide"):
        patient(cohort, name)
    far = AFFINE.copy()
    far[0, 3] = 900
    save(cohort / "far" / "mr.nii.gz", np.ones(SHAPE, np.float32), far)
    broken = np.ones(SHAPE, np.float32)
    broken[0, 0, 0] = np.nan
    save(cohort / "nan" / "mr.nii.gz", broken)
    whole = (cohort / "short" / "ct.nii.gz").read_bytes()
    (cohort / "short" / "ct.nii.gz").write_bytes(whole[: len(whole) // 2])
    (cohort / "text" / "ct.nii.gz").write_text("not an image")
    save(cohort / "flat" / "mr.nii.gz", np.full(SHAPE, 7, np.float32))
    save(cohort / "wide" / "mr.nii.gz", np.ones((4, 4, 4, 3), np.float32))
    (cohort / "empty").mkdir()
    data, lines = run(options(cohort), tmp_path)
    assert len(data.info.cases) == 4
    faults = {line.split()[1].rstrip(":").split("/")[0]: line for line in lines if line.startswith("skipped")}
    assert set(faults) == {"far", "nan", "short", "text", "flat", "wide", "empty"}
    assert "do not overlap" in faults["far"]
    assert "900" in faults["far"]
    assert "-20" in faults["far"]
    assert "mr.nii.gz: 1 of 2880 voxels are NaN" in faults["nan"]
    assert "ct.nii.gz: cannot be read" in faults["short"]
    assert "ct.nii.gz: cannot be read" in faults["text"]
    assert "6 constant" in faults["flat"]
    assert "three axes" in faults["wide"]
    assert "no file matches" in faults["empty"]


def test_nothing_is_written_when_nothing_is_left(tmp_path):
    patient(tmp_path / "in", "only")
    (tmp_path / "in" / "only" / "ct.nii.gz").write_bytes(b"")
    with pytest.raises(DatasetError, match="no study could be imported"):
        run(options(tmp_path / "in"), tmp_path)
    patient(tmp_path / "in", "only")
    with pytest.raises(DatasetError, match="only 1 patient"):
        run(options(tmp_path / "in"), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def test_empty_slices_are_dropped_and_counted(cohort, tmp_path):
    ct = head_ct()
    ct[:, :, 0] = -1000
    save(cohort / "P0" / "ct.nii.gz", ct)
    data, lines = run(options(cohort), tmp_path)
    assert data.load(data.info.cases[0]).target.shape[0] == 5
    assert "P0/s1: 5 slices; dropped at the ends: 1 with too little body, 0 constant" in lines
    assert data.load(data.info.cases[0]).affine[2, 3] == pytest.approx(104.0)


class TestGaps:
    """Of eight slices, two at the ends and two in the middle cannot be used."""

    SIDE, COUNT = 16, 8
    GRID = np.array([[3.0, 0, 0, -20], [0, 3.0, 0, -30], [0, 0, -5.0, 140], [0, 0, 0, 1]])  # stored head first

    def volumes(self) -> dict[str, np.ndarray]:
        """Every slice has its own pixels. No region in slices 0 and 3, a constant source in 4 and 7."""
        rng = np.random.default_rng(0)
        shape = (self.SIDE, self.SIDE, self.COUNT)
        mask = np.zeros(shape, np.uint8)
        mask[2:14, 2:14] = 1
        mask[:, :, [0, 3]] = 0
        source = rng.random(shape).astype(np.float32)
        source[:, :, [4, 7]] = 5.0
        return {"ct": rng.integers(-900, 1500, shape).astype(np.int16), "mr": source, "mask": mask}

    def imported(self, tmp_path: Path, size: int) -> tuple[Dataset, list[str]]:
        for patient in ("A", "B"):
            for name, volume in self.volumes().items():
                if name == "ct" and patient == "B":
                    volume = volume[::-1].copy()
                if name == "mr" and patient == "B":
                    volume = 2 * volume
                save(tmp_path / "in" / patient / f"{name}.nii.gz", volume, self.GRID)
        split = tmp_path / "split.csv"
        split.write_text("patient,split\nA,test\nB,train\n")
        return run(options(tmp_path / "in", mask="mask.nii.gz", size=size, split_file=split), tmp_path)

    def test_only_the_ends_are_dropped_and_the_gap_has_no_region(self, tmp_path):
        data, lines = self.imported(tmp_path, self.SIDE)
        case = data.load(data.info.in_split("test")[0])
        # stored from the feet up: the scan's slices 6, 5, 4, 3, 2, 1
        assert case.target.shape[0] == 6
        assert case.mask.any(axis=(1, 2)).tolist() == [True, True, False, False, True, True]
        assert (
            "A/s1: 6 slices; dropped at the ends: 1 with too little body, 1 constant; "
            "kept between them without a region: 1 with too little body, 1 constant"
        ) in lines

    def test_the_affine_finds_every_stored_slice(self, tmp_path):
        data, _ = self.imported(tmp_path, self.SIDE)
        case = data.load(data.info.in_split("test")[0])
        scan = self.volumes()["ct"]
        assert case.spacing[0] == np.linalg.norm(case.affine[:3, 2]) == 5.0
        heights = []
        for layer in range(len(case.target)):
            for column, row in ((0, 0), (3, 11), (15, 8)):
                place = case.affine @ [column, row, layer, 1]
                x, y, z = np.rint(np.linalg.inv(self.GRID) @ place)[:3].astype(int)
                assert case.target[layer, row, column] == scan[x, y, z]
            heights.append(place[2])
        assert heights == pytest.approx([140 - 5 * z for z in (6, 5, 4, 3, 2, 1)])

    @pytest.mark.parametrize(("size", "rounding"), [(16, 0.0), (24, 0.51)])
    def test_a_prediction_on_the_scanners_grid_lands_on_its_slices(self, tmp_path, size, rounding):
        data, _ = self.imported(tmp_path, size)
        case = data.load(data.info.in_split("test")[0])
        scan = self.volumes()["ct"].astype(np.float32)
        save(tmp_path / "predictions" / "A.nii.gz", scan, self.GRID)
        placed = PredictionFolder(tmp_path / "predictions", data.info).prediction(case)
        inner = np.s_[:, 2:-2, 2:-2]  # beyond the scan, the import and a prediction have backgrounds of their own
        np.testing.assert_allclose(placed[inner], case.target[inner], atol=rounding)

    def test_neither_training_nor_checks_stumble_over_the_gap(self, tmp_path):
        data, _ = self.imported(tmp_path, self.SIDE)
        assert data.info.slice_count("train") == 6
        assert len(Slices(data, "train")) == 4
        assert {problem.where for problem in check(tmp_path / "out.h5")} == {"splits"}  # two patients are few


def test_a_flat_folder(cohort, tmp_path):
    for number in range(3):
        for name in ("ct", "mr"):
            place = tmp_path / "flat" / name / f"sub{number}_{name}.nii.gz"
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(cohort / f"P{number}" / f"{name}.nii.gz", place)
    os.remove(tmp_path / "flat" / "mr" / "sub2_mr.nii.gz")
    wanted = options(tmp_path / "flat", source="mr/{patient}_mr.nii.gz", target="ct/{patient}_ct.nii.gz")
    data, lines = run(wanted, tmp_path)
    assert [key.patient for key in data.info.cases] == ["sub0", "sub1"]
    assert any("skipped sub2: no source file" in line for line in lines)


def test_several_studies_of_a_patient_stay_together(cohort, tmp_path):
    for name in ("ct", "mr"):
        save(
            cohort / "P0" / "2024" / f"{name}.nii.gz", np.asanyarray(nib.load(cohort / "P0" / f"{name}.nii.gz").dataobj)
        )
        save(
            cohort / "P0" / "2025" / f"{name}.nii.gz", np.asanyarray(nib.load(cohort / "P1" / f"{name}.nii.gz").dataobj)
        )
    studies = find(options(cohort, source="20*/mr.nii.gz", target="20*/ct.nii.gz")).studies
    assert [(study.patient, study.study) for study in studies] == [("P0", "2024"), ("P0", "2025")]


def manifest(folder: Path, rows: list[str]) -> Path:
    path = folder / "pairs.csv"
    path.write_text("patient,study,source,target,mask\n" + "\n".join(rows) + "\n")
    return path


def test_a_manifest_stays_inside_its_folder(cohort, tmp_path):
    secret = save(tmp_path / "secret.nii.gz", head_ct())
    rows = [f"P{n},,P{n}/mr.nii.gz,P{n}/ct.nii.gz," for n in range(3)]
    rows += [
        "evil1,,../secret.nii.gz,P3/ct.nii.gz,",
        f"evil2,,{secret},P3/ct.nii.gz,",
        "P0,,P3/mr.nii.gz,P3/ct.nii.gz,",
        ",,P3/mr.nii.gz,P3/ct.nii.gz,",
        "short,,P3/mr.nii.gz",
    ]
    data, lines = run(options(source="", target="", manifest=manifest(cohort, rows)), tmp_path)
    assert [key.patient for key in data.info.cases] == ["P0", "P1", "P2"]
    assert sum("outside the manifest's folder" in line for line in lines) == 2
    assert any("listed twice" in line for line in lines)
    assert any("line 8: no patient" in line for line in lines)
    assert any("line 9: no target" in line for line in lines)


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "patient,study,source,target\n"])
def test_a_manifest_without_rows_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"pairs\.csv: column patient.* is missing|pairs\.csv: .*no rows"):
        find(NiftiPairsOptions(manifest=path, task="mr-ct"))


def test_hostile_patient_names_become_plain(cohort, tmp_path):
    names = ["../../etc/passwd", "a b", "a\tb", "\u202egpj", "x" * 200, "{patient}", "P0"]
    rows = [f'"{name}",s1,P1/mr.nii.gz,P1/ct.nii.gz,' for name in names]
    data, _ = run(options(source="", target="", manifest=manifest(cohort, rows)), tmp_path)
    stored = [key.patient for key in data.info.cases]
    assert len(stored) == len(names)
    assert "P0" in stored
    assert all(len(name) <= 64 and name == plain_name(name) for name in stored)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": ""}, "--source is missing"),
        ({"source": "../mr.nii.gz"}, "without '..'"),
        ({"source": "{patient}.nii.gz"}, "all file patterns, or none into any"),
        ({"size": 4}, "at least 16"),
        ({"axis": "oblique"}, "axial"),
        ({"split": "0.5:0.5"}, "three shares"),
        ({"split": "1:0:0"}, "positive share"),
        ({"source_window": "5:1"}, "low must be below high"),
        ({"source_window": "0:99%"}, "two percentages"),
        ({"target_window": "wide"}, "LOW:HIGH"),
        ({"folder": Path("nowhere")}, "no such folder"),
        ({"folder": None}, "either a folder"),
    ],
)
def test_options_that_make_no_sense(cohort, tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        run(options(**{"folder": cohort, **changes}), tmp_path)
    assert not (tmp_path / "out.h5").exists()


def test_windows_and_splits_from_options(cohort, tmp_path):
    split = tmp_path / "split.csv"
    split.write_text("patient,split\nP0,test\nP1,train\nP2,train\nP3,val\nP9,test\n")
    data, lines = run(options(cohort, split_file=split, source_window="10%:90%", target_window="-200:300"), tmp_path)
    assert data.info.splits == {"train": ("P1", "P2"), "val": ("P3",), "test": ("P0",)}
    assert data.info.source.window.kind == "percentile"
    assert (data.info.target_map.low, data.info.target_map.high) == (-200, 300)
    assert any("not imported: P9" in line for line in lines)
    for text, message in (
        ("P0,test\nP0,train\n", "both"),
        ("P0,train\n", "in no split"),
        ("P0,tset\n", "use train, val, test"),
    ):
        split.write_text("patient,split\n" + text)
        with pytest.raises(DatasetError, match=message):
            run(options(cohort, split_file=split), tmp_path)


def test_random_splits_are_seeded_disjoint_and_never_empty():
    names = [f"P{n}" for n in range(18)]
    shares = split_shares("0.6:0.1:0.3")
    first = random_splits(names, shares, 0)
    assert first == random_splits(names, shares, 0)
    assert first != random_splits(names, shares, 1)
    assert {split: len(part) for split, part in first.items()} == {"train": 11, "val": 2, "test": 5}
    assert sorted(name for part in first.values() for name in part) == sorted(names)
    for count in range(2, 6):
        parts = random_splits(names[:count], shares, 0)
        assert parts["train"]
        assert parts["test"]


def test_body_region_keeps_lungs_and_drops_the_table():
    hu = np.full((40, 40, 3), -1000, np.float32)
    hu[8:32, 6:28] = 40
    hu[14:20, 10:20] = -800
    hu[4:36, 34:36] = 100
    body = body_mask(hu, "HU", 2)
    assert body[8:32, 6:28].all()
    assert body.sum() == 24 * 22 * 3


def test_air_is_told_from_faint_tissue_beside_a_hot_organ():
    rng = np.random.default_rng(0)
    suv = np.abs(rng.normal(0.02, 0.01, (48, 48, 6))).astype(np.float32)
    suv[8:40, 8:40] = rng.normal(0.7, 0.1, (32, 32, 6))
    suv[20:26, 20:26] = 9.0
    assert 0.04 < air_threshold(suv) < 0.6
    assert body_mask(suv, "SUV", 2).mean() == pytest.approx((32 / 48) ** 2, rel=0.1)


def test_grids_are_compared_by_place_not_by_rounding():
    volume = Volume(np.zeros(SHAPE, np.float32), AFFINE)
    assert same_grid(volume, Volume(volume.data, AFFINE + 1e-5))
    assert not same_grid(volume, Volume(volume.data, AFFINE * 1.001))
    with pytest.raises(CaseFault, match="no such file"):
        load(Path("nowhere.nii"))


def real_data() -> Path:
    default = Path(__file__).parents[4] / "shared" / "data"
    return Path(os.environ.get("BENCHMARK_REAL_DATA", default)) / "sts"


@pytest.mark.real_data
@pytest.mark.parametrize(("source", "unit"), [("MR_T1", "a.u."), ("PET", "SUV")])
def test_real_scans(tmp_path, source, unit):
    if not real_data().is_dir():
        pytest.skip("real scans are not beside the project: set BENCHMARK_REAL_DATA")
    folder = tmp_path / "three"
    folder.mkdir()
    for name in ("STS_014", "STS_025", "STS_035"):
        (folder / name).symlink_to(real_data() / name)
    wanted = NiftiPairsOptions(
        folder=folder, source=f"{source}_image.nii.gz", target="CT_image.nii.gz", task="t", source_unit=unit, size=64,
        follow_links=True,
    )  # fmt: skip
    data, lines = run(wanted, tmp_path)
    assert lines[-1] == "3 studies of 3 patients imported, 0 skipped"
    assert data.info.slice_count("train") > 40
    for key in data.info.cases:
        case = data.load(key)
        inside = case.target[case.mask]
        assert -150 < np.median(inside) < 120
        assert (case.target[~case.mask] < -300).mean() > 0.8
        assert case.mask.mean() > 0.2
    assert nib.aff2axcodes(data.load(data.info.cases[0]).affine) == ("L", "P", "S")
