"""Scans as strangers have them: what their headers declare, claim and contradict is read right, refused or told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import scanner_files as made
from benchmark_medical.importing.dicom_series import find_series, read_series
from benchmark_medical.importing.expectations import family, filled_in
from benchmark_medical.importing.formats import load
from benchmark_medical.importing.masks import region_of
from benchmark_medical.importing.options import NiftiPairsOptions
from benchmark_medical.importing.patterns import whose, words
from benchmark_medical.importing.records import every

from benchmark import UsageError
from benchmark.data.format.reader import Dataset
from benchmark.data.volumes import nifti
from benchmark.data.volumes.geometry import CaseFault, Volume

SHAPE = (24, 20, 6)
AFFINE = np.array([[2.0, 0, 0, -20], [0, 2.5, 0, -30], [0, 0, 4, 100], [0, 0, 0, 1]])


def series(folder: Path) -> Volume:
    (one,), skipped = find_series(folder)
    assert skipped == []
    return read_series(one)


def outside(values: np.ndarray) -> np.ndarray:
    """Corners that no scanner measured, in a volume ``(x, y, z)`` in RAS."""
    return values[:3, :3]


class TestPadding:
    """Stored numbers that the header declares to be no measurement, in whatever type they are declared."""

    def stack(self, padding: int) -> np.ndarray:
        stored = made.ct().astype(np.int64) + 1024
        stored[:, -3:, -3:] = padding  # the first voxels in RAS
        return stored

    @pytest.mark.parametrize(
        ("padding", "tags"),
        [
            (32767, {"PixelPaddingValue": 32767}),
            (3000, {"PixelPaddingValue": 3000}),
            (-2000, {"PixelPaddingValue": 63536}),  # of unsigned type, beside signed pixels
            (3055, {"PixelPaddingValue": 3000, "PixelPaddingRangeLimit": 3100}),
            (3055, {"PixelPaddingValue": 3100, "PixelPaddingRangeLimit": 3000}),
            (0, {"PixelPaddingValue": 0, "RescaleIntercept": 0}),
        ],
    )
    @pytest.mark.filterwarnings("ignore")
    def test_it_is_air_in_ct_and_the_rest_is_untouched(self, tmp_path, padding, tags):
        if padding == -2000:  # pydicom would not write what it knows to be of the wrong type
            tags = {"PixelPaddingValue": -2000}
        made.dicom_series(tmp_path / "in", self.stack(padding), **tags)
        values = series(tmp_path / "in").data
        assert (outside(values) == -1024).all()
        want = made.ct().T[::-1, ::-1] + (1024 if "RescaleIntercept" in tags else 0)
        np.testing.assert_array_equal(values[3:, 3:], np.where(want == padding, -1024, want)[3:, 3:])

    def test_in_pet_it_is_no_uptake_and_in_mr_the_lowest_value(self, tmp_path):
        made.pet_series(tmp_path / "pet", PixelPaddingValue=5)  # what the air holds there
        assert series(tmp_path / "pet").data.min() == 0
        made.dicom_series(
            tmp_path / "mr", self.stack(4000) + 7, Modality="MR", PixelPaddingValue=4007, RescaleIntercept=0
        )
        values = series(tmp_path / "mr").data
        assert (outside(values) == 31).all()  # air: -1000 + 1024 + 7

    def test_nothing_but_padding_is_a_fault(self, tmp_path):
        made.dicom_series(tmp_path / "in", np.full((3, 8, 8), 9), PixelPaddingValue=9)
        with pytest.raises(CaseFault, match="nothing but padding"):
            series(tmp_path / "in")


@pytest.mark.parametrize(
    "place",
    [
        lambda i: [-20.0 + (15.0 if 2 <= i < 4 else 0), -30.0, 100.0 + 4 * i],
        lambda i: [-20.0, -30.0 + (3.0 if i == 3 else 0), 100.0 + 4 * i],
        lambda i: [-20.0 + 0.9 * (i % 2), -30.0 - 0.9 * (i % 2), 100.0 + 4 * i],
        lambda i: [-20.0 + 0.3 * i * (5 - i), -30.0, 100.0 + 4 * i],
    ],
    ids=["a block aside", "one slice aside", "zigzag", "a bow"],
)
def test_slices_that_form_no_straight_stack_are_refused(tmp_path, place):
    made.ct_series(tmp_path / "in", ImagePositionPatient=place)
    with pytest.raises(CaseFault, match="beside the straight line"):
        series(tmp_path / "in")


@pytest.mark.parametrize(
    ("tags", "fault"),
    [
        ({"injected": "110500"}, "injected at 11:05, scanned at 11:00: 23.9 h apart, 13.1 half-lives"),
        ({"injected": "113000"}, "two clocks"),
        ({"PatientWeight": 70_000}, "not that of a person"),
        ({"dose": 370.0}, "in MBq"),
        ({"CorrectedImage": ["DECY", "SCAT"]}, "without ATTN: not corrected for attenuation"),
        ({"CorrectedImage": ["ATTN"]}, "without DECY: not corrected for decay"),
        ({"CorrectedImage": None}, "no CorrectedImage"),
        ({"Units": "GML", "CorrectedImage": "DECY"}, "without ATTN"),
        ({"Units": "GML", "SUVType": "LBM"}, "PET in GML LBM"),
    ],
)
def test_a_pet_header_that_cannot_be_true_gives_no_suv(tmp_path, tags, fault):
    made.pet_series(tmp_path / "in", **tags)
    with pytest.raises(CaseFault, match=fault):
        series(tmp_path / "in")


@pytest.mark.parametrize(
    ("half_life", "nuclide", "fault"),
    [
        (109.77, "", "RadionuclideHalfLife 109.77 s is of no nuclide"),
        (6586.2, "^68^Gallium", "not that of Ga-68"),
        (6586.2, "C-11", "not that of C-11"),
        (282_280.0, "", "given days before"),
    ],
)
def test_a_half_life_that_is_not_the_tracers_gives_no_suv(tmp_path, half_life, nuclide, fault):
    pydicom = pytest.importorskip("pydicom")
    tracer, code = pydicom.Dataset(), pydicom.Dataset()
    tracer.RadiopharmaceuticalStartTime, tracer.RadionuclideTotalDose = "100000", 3.7e8
    tracer.RadionuclideHalfLife = half_life
    code.CodeMeaning = nuclide
    tracer.RadionuclideCodeSequence = [code] if nuclide else []
    made.pet_series(tmp_path / "in", RadiopharmaceuticalInformationSequence=[tracer])
    with pytest.raises(CaseFault, match=fault):
        series(tmp_path / "in")
    made.pet_series(tmp_path / "two", RadiopharmaceuticalInformationSequence=[tracer, tracer])
    with pytest.raises(CaseFault, match="2 tracers"):
        series(tmp_path / "two")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"PixelSpacing": None}, "no PixelSpacing"),
        ({"PixelSpacing": ""}, "PixelSpacing is empty"),
        ({"ImageOrientationPatient": None}, "no ImageOrientationPatient"),
        ({"RescaleIntercept": ""}, "RescaleIntercept is empty, so no HU"),
        ({"ModalityLUTSequence": []}, "ModalityLUTSequence"),
    ],
)
def test_a_tag_that_is_missing_or_empty_is_named(tmp_path, tags, said):
    made.ct_series(tmp_path / "in", **tags)
    with pytest.raises(CaseFault, match=said) as told:
        series(tmp_path / "in")
    assert "damaged" not in str(told.value)
    assert "in/1-" in str(told.value)  # with its folder


def test_dicom_files_without_mark_or_ending_are_read(tmp_path):
    for path in made.ct_series(tmp_path / "in"):
        path.with_suffix("").write_bytes(path.read_bytes()[132:])
        path.unlink()
    np.testing.assert_array_equal(series(tmp_path / "in").data, made.ct().T[::-1, ::-1])


def mask(values: Any) -> Volume:
    return Volume(np.asarray(values, np.float32).reshape(-1, 1, 1), np.eye(4))


@pytest.mark.parametrize(
    ("values", "inside", "told"),
    [
        ([0, 1, 1, 0], [0, 1, 1, 0], ""),
        ([0, 255, 0], [0, 1, 0], ""),
        ([0, 0.5], [0, 1], ""),
        ([0, 1, 2, 7], [0, 1, 1, 1], "3 values beside 0"),
        ([0, 1e-6, 0.4, 0.98], [0, 0, 0, 1], "shades"),
        ([0, *range(1, 256)], [0] * 128 + [1] * 128, "shades"),
        ([1, 1, 1], [1, 1, 1], "the whole image"),
    ],
)
def test_masks_that_can_be_understood(values, inside, told):
    found, said = region_of(mask(values), "m.nii")
    np.testing.assert_array_equal(found.ravel(), np.asarray(inside, bool))
    assert told in " ".join(said)
    assert bool(said) == bool(told)


@pytest.mark.parametrize("values", [[1, 2], [1e-6, 1], [0.02, 0.98], [-1, 1], [-1, 0, 1]])
def test_masks_whose_smallest_value_is_no_background_are_refused(values):
    with pytest.raises(CaseFault, match="smallest value is not 0"):
        region_of(mask(values), "m.nii")


def test_an_empty_mask_is_a_fault():
    with pytest.raises(CaseFault, match="empty"):
        region_of(mask([0, 0]), "m.nii")


def save(path: Path, change: Callable[[nib.Nifti1Image], object] = str, affine: np.ndarray = AFFINE) -> Path:
    image = nib.Nifti1Image(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), affine)
    change(image)
    nib.save(image, path)
    return path


def in_unit(unit: str, scale: float) -> Callable[[nib.Nifti1Image], object]:
    def change(image: nib.Nifti1Image) -> None:
        affine = image.affine.copy()
        affine[:3] *= scale
        image.set_qform(affine, 1)
        image.set_sform(affine, 1)
        image.header.set_xyzt_units(unit)

    return change


def contradicting(image: nib.Nifti1Image) -> None:
    image.set_sform(image.affine, 1)
    image.set_qform(np.diag([-1.0, 1, 1, 1]) @ image.affine, 1)


def unplaced(image: nib.Nifti1Image) -> None:
    image.set_qform(None, 0)
    image.set_sform(None, 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (in_unit("meter", 1e-3), "in meters"),
        (in_unit("micron", 1e3), "in microns"),
        (in_unit("mm", 1.0), ""),
        (in_unit("unknown", 1.0), ""),
    ],
)
def test_lengths_of_nifti_files_are_mm_whatever_their_unit(tmp_path, change, told):
    volume = load(save(tmp_path / "a.nii", change))
    np.testing.assert_allclose(volume.affine, AFFINE, rtol=1e-5)
    assert told in " ".join(volume.told)
    assert bool(volume.told) == bool(told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (contradicting, "left and right exchanged"),
        (unplaced, "left and right, are guessed"),
        (lambda image: image.header.set_zooms((1, 1, 1)), "contradict its sform"),
    ],
)
def test_a_nifti_header_that_contradicts_itself_or_says_nothing_is_told(tmp_path, change, told):
    path = tmp_path / "a.nii"

    def changed(image: nib.Nifti1Image) -> None:
        image.set_qform(None, 0)
        image.set_sform(AFFINE, 1)
        change(image)

    if "sform" in told:  # written by hand: nibabel mends it while saving
        save(path, lambda image: (image.set_qform(None, 0), image.set_sform(AFFINE, 1)))
        raw = bytearray(path.read_bytes())
        raw[80:92] = np.ones(3, "<f4").tobytes()
        path.write_bytes(raw)
    else:
        save(path, changed)
    assert told in " ".join(load(path).told)


@pytest.mark.parametrize("change", [in_unit("meter", 1e-3), contradicting, unplaced, str])
def test_a_translation_states_its_place_exactly_as_its_source_did(tmp_path, change):
    scan = nifti.read(save(tmp_path / "a.nii", change, np.diag([-2.0, 2.5, 4, 1])))
    nifti.write(tmp_path / "b.nii", scan.like(scan.volume.data, "a copy"))
    before, after = (nib.load(tmp_path / name) for name in ("a.nii", "b.nii"))
    for field in nifti.PLACE:
        np.testing.assert_array_equal(before.header[field], after.header[field], err_msg=field)
    np.testing.assert_array_equal(before.header["pixdim"][:4], after.header["pixdim"][:4])
    np.testing.assert_array_equal(np.asanyarray(before.dataobj), np.asanyarray(after.dataobj))


META = "ObjectType = Image\nNDims = 3\nBinaryData = True\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
END = "DimSize = 24 20 6\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 24 20 6\nendian: little\nencoding: raw\n"


def text_header(path: Path, header: str) -> Path:
    blank = "\n" if header.startswith("NRRD") else ""
    path.write_bytes((header + blank).encode() + np.arange(np.prod(SHAPE), dtype="<i2").tobytes())
    return path


@pytest.mark.parametrize(
    ("name", "header", "told"),
    [
        ("a.mha", f"{META}DistanceUnits = um\nElementSpacing = 2000 2500 4000\n{END}", "in um"),
        ("a.mha", f"{META}DistanceUnits = cm\nElementSpacing = 0.2 0.25 0.4\n{END}", "in cm"),
        ("a.mha", f"{META}AnatomicalOrientation = LPI\nElementSpacing = 2 2.5 4\n{END}", "contradicts"),
        (
            "a.nrrd",
            NRRD + 'space: LPS\nspace units: "m" "m" "m"\nspace directions: (0.002,0,0) (0,0.0025,0) (0,0,0.004)\n',
            "in m ",
        ),
        ("a.nrrd", NRRD + 'units: "um" "um" "um"\nspacings: 2000 2500 4000\n', "in um"),
        ("a.nrrd", NRRD + "spacings: 2 2.5 4\n", "left and right are guessed"),
        ("a.nrrd", NRRD + "space: scanner-xyz\nspace directions: (2,0,0) (0,2.5,0) (0,0,4)\n", "taken for left-post"),
    ],
)
def test_units_and_places_of_meta_images_and_nrrd(tmp_path, name, header, told):
    pytest.importorskip("SimpleITK")
    volume = load(text_header(tmp_path / name, header))
    np.testing.assert_allclose(volume.spacing, [2, 2.5, 4], rtol=1e-6)
    assert told in " ".join(volume.told)


@pytest.mark.parametrize(
    ("name", "header", "fault"),
    [
        ("a.mha", META.replace("NDims = 3", "NDims = 1000000") + END, "1000000 axes"),
        ("a.mha", META + END.replace("24 20 6", "24 20 1000000"), "too large"),
        ("a.mha", META + END.replace("24 20 6", "24 20 600"), "288000 voxels|bytes cannot hold"),
        ("a.mha", f"{META}ElementSpacing = 1 1 1e-8\n{END}", "between 0.001 and 1000 mm"),
        ("a.mha", f"{META}ElementSpacing = 0.01 1 900\n{END}", "times longer than wide"),
        ("a.nrrd", NRRD.replace("short", "A" * 5000), "a line of more than 4096 bytes"),
        ("a.nrrd", NRRD + "kinds: " + "A" * 5000 + "\n", "a line of more than 4096 bytes"),
        ("a.nrrd", NRRD + "# fine\rdata file: /etc/passwd\n", "only a file beside it is read"),
        ("a.mha", META.replace("\n", "\r") + "ElementDataFile = ../other.raw\r", "only a file beside it|bytes cannot"),
        ("a.nrrd", NRRD + 'space units: "furlong" "furlong" "furlong"\n', "write them in mm"),
    ],
)
def test_what_a_text_header_claims_is_looked_at_before_a_library_is_called(tmp_path, monkeypatch, name, header, fault):
    pytest.importorskip("SimpleITK")
    monkeypatch.setattr("benchmark_medical.importing.formats.READER", None)
    with pytest.raises(CaseFault, match=fault):
        load(text_header(tmp_path / name, header))


def test_a_neighbour_behind_a_link_is_not_read(tmp_path):
    pytest.importorskip("SimpleITK")
    (tmp_path / "secret").write_bytes(b"S" * 6000)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.raw").symlink_to(tmp_path / "secret")
    (tmp_path / "in/a.mhd").write_text(META + END.replace("LOCAL", "a.raw"))
    with pytest.raises(CaseFault, match="only a file beside it is read"):
        load(tmp_path / "in/a.mhd")


@pytest.mark.parametrize("sizes", [(2e-6, 1, 3), (1e-8, 1e-8, 1e-8), (1, 5e3, 1), (0.01, 1, 50)])
def test_nifti_voxels_of_no_image_cost_their_study_only(tmp_path, sizes):
    path = tmp_path / "a.nii"
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.diag([*sizes, 1])), path)
    with pytest.raises(CaseFault, match=r"voxels of .* mm"):
        load(path)


def test_a_reader_that_crashes_costs_its_file_only(tmp_path, monkeypatch):
    pytest.importorskip("SimpleITK")
    from benchmark_medical.importing.itk_child import Reader

    good = text_header(tmp_path / "a.mha", f"{META}ElementSpacing = 2 2.5 4\n{END}")
    reader = Reader()
    values, _ = reader.read(good)
    assert values.shape == SHAPE
    assert reader._child is not None
    reader._child.kill()
    reader._child.wait()
    again, affine = reader.read(good)
    np.testing.assert_array_equal(again, values)
    bad = text_header(tmp_path / "b.mha", META.replace("NDims = 3", "NDims = 1000000") + END)
    with pytest.raises(CaseFault, match=r"b\.mha: cannot be read"):
        reader.read(bad)
    np.testing.assert_array_equal(reader.read(good)[0], values)
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), [2, 2.5, 4])
    reader.close()


@pytest.mark.parametrize(
    ("modality", "kind"),
    [("CT", "CT"), ("low-dose CT", "CT"), ("CBCT", "CBCT"), ("MR T2", "MR"), ("T1w", "MR"), ("FDG-PET", "PET"),
     ("FLAIR", "MR"), ("photograph", ""), ("octane", "")],
)  # fmt: skip
def test_what_a_modality_is(modality, kind):
    assert family(modality) == kind


@pytest.mark.parametrize(
    ("given", "sides"),
    [
        ({"task": "mr-ct"}, ("MR T1", "a.u.", "CT", "HU")),
        ({"task": "pet-ct"}, ("FDG-PET", "SUV", "CT", "HU")),
        ({"task": "own", "source_modality": "MR T1", "target_modality": "MR T2"}, ("MR T1", "a.u.", "MR T2", "a.u.")),
        ({"task": "own", "target_modality": "CT"}, ("source", "a.u.", "CT", "HU")),
        ({"task": "own", "source_modality": "PET", "target_unit": "HU"}, ("PET", "SUV", "target", "HU")),
    ],
)
def test_units_and_modalities_come_from_what_is_known(given, sides):
    options = filled_in(NiftiPairsOptions(**given))
    got = (options.source_modality, options.source_unit, options.target_modality, options.target_unit)
    assert got == sides


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": "pet-ct", "source_modality": "MR"}, "has as its source FDG-PET in SUV, not MR"),
        ({"task": "mr-ct", "target_modality": "MR T2"}, "has as its target CT in HU, not MR T2"),
        ({"task": "own", "target_modality": "MR T2", "target_unit": "HU"}, "a unit of CT"),
        ({"task": "own", "source_modality": "CT", "source_unit": "SUV"}, "a unit of PET"),
        ({"task": "mr-ct", "target_unit": "a.u."}, "not CT in a.u."),
    ],
)
def test_what_contradicts_the_task_or_the_modality_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        filled_in(NiftiPairsOptions(**given))


@pytest.mark.parametrize(
    ("pattern", "values", "who"),
    [
        ("{date}/{patient}/mr.nii", {"date": "20200102", "patient": "Anna"}, ("Anna", "20200102")),
        ("{site}/{patient}.nii", {"site": "A", "patient": "1"}, ("A-1", "s1")),
        ("{patient}/{study}/{scan}.nii", {"patient": "1", "study": "b", "scan": "c"}, ("1", "b-c")),
    ],
)
def test_words_in_a_pattern_say_who_and_which(pattern, values, who):
    assert words(pattern) == list(values)
    assert whose(values) == who


class TestImport:
    """A folder as a lab has it, from the command's options to the file."""

    def scans(self, folder: Path, name: str, seed: int, size: int = 24) -> None:
        (folder / name).mkdir(parents=True)
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        inside = np.broadcast_to(((x / 0.8) ** 2 + (y / 0.7) ** 2 < 1)[:, :, None], (size, size, 5))
        noise = np.random.default_rng(seed).normal(0, 30, inside.shape)
        for role, values in (("ct", np.where(inside, 40 + noise, -1000)), ("mr", np.where(inside, 400 + noise, 0))):
            nib.save(
                nib.Nifti1Image(np.rint(values).astype(np.int16), np.diag([2.0, 2.0, 3.0, 1])),
                folder / name / f"{role}.nii.gz",
            )

    def run(self, folder: Path, **changes: Any) -> tuple[Dataset, list[str]]:
        spec = next(spec for spec in every() if spec.name == "nifti-pairs")
        base = NiftiPairsOptions(folder=folder, task="mr-ct", source="mr.nii.gz", target="ct.nii.gz", size=24)
        lines: list[str] = []
        spec.load()(replace(base, **changes), folder.parent / "out.h5", lines.append)
        return Dataset(folder.parent / "out.h5"), lines

    def test_folders_by_date_are_told_and_read_by_pattern(self, tmp_path):
        for day in range(3):
            for seed, name in enumerate(("Anna", "Bert", "Carl")):
                self.scans(tmp_path / "in" / f"2020010{day + 1}", name, 10 * day + seed)
        _, lines = self.run(tmp_path / "in", source="*/mr.nii.gz", target="*/ct.nii.gz")
        assert any("called by what looks like a date" in line for line in lines)
        assert any("names of studies stand under several patients" in line for line in lines)
        pattern = {role: f"{{date}}/{{patient}}/{name}.nii.gz" for role, name in (("source", "mr"), ("target", "ct"))}
        data, lines = self.run(tmp_path / "in", **pattern)
        assert sorted({key.patient for key in data.info.cases}) == ["Anna", "Bert", "Carl"]
        assert len(data.info.cases) == 9
        assert not any("patients are called" in line for line in lines)

    def test_every_file_is_imported_or_counted(self, tmp_path):
        for seed in range(3):
            self.scans(tmp_path / "in", f"P{seed}", seed)
        (tmp_path / "in/P0/._ct.nii.gz").write_bytes(b"\0\5\x16\7")
        (tmp_path / "in/P1/report.pdf").write_bytes(b"x")
        (tmp_path / "in/P3").symlink_to("P2")
        (tmp_path / "in/P4").symlink_to(tmp_path)
        data, lines = self.run(tmp_path / "in")
        assert [key.patient for key in data.info.cases] == ["P0", "P1", "P2", "P3"]
        assert "passed over: 1 hidden file or folder" in lines
        assert "not used: 1 file (1 .pdf), first P1/report.pdf" in lines
        assert any(line.startswith("passed over: P4: a link that leads out") for line in lines)
        assert any("P2/s1 and P3/s1 show the same image" in line for line in lines)

    def test_patients_can_be_left_out_by_name(self, tmp_path):
        for seed in range(3):
            self.scans(tmp_path / "in", f"P{seed}", seed)
        data, lines = self.run(tmp_path / "in", exclude=("P1",))
        assert [key.patient for key in data.info.cases] == ["P0", "P2"]
        assert "skipped P1/s1: excluded" in lines
        assert "P1" not in str(data.info.provenance)
        with pytest.raises(UsageError, match="no such patient"):
            self.run(tmp_path / "in", exclude=("Q1",))

    def test_fields_of_view_of_several_sizes_are_told_and_brought_to_one_scale(self, tmp_path):
        for seed, size in enumerate((24, 32, 40)):
            self.scans(tmp_path / "in", f"P{seed}", seed, size)
        _, lines = self.run(tmp_path / "in")
        assert any("anatomy appears at different scales: --spacing" in line for line in lines)
        data, lines = self.run(tmp_path / "in", spacing=2.0, size=40)
        assert {data.place(key)[0][1] for key in data.info.cases} == {2.0}
        assert not any("different scales" in line for line in lines)
        with pytest.raises(UsageError, match="either --spacing or --own-pixels"):
            self.run(tmp_path / "in", spacing=2.0, own_pixels=True)
        _, lines = self.run(tmp_path / "in", spacing=2.0, size=32)
        assert any(
            "skipped P2/s1: slices of 80 mm do not fit into 32 pixels of 2 mm; they need 40" in line for line in lines
        )

    def test_one_study_that_breaks_a_library_costs_nobody_else(self, tmp_path, monkeypatch):
        from benchmark_medical.importing import volumes

        for seed in range(3):
            self.scans(tmp_path / "in", f"P{seed}", seed)
        real = volumes.prepare

        def prepare(study: Any, options: Any) -> Any:
            if study.patient == "P1":
                raise {0: MemoryError, 1: RecursionError}[len(kinds)]("x")
            return real(study, options)

        kinds: list[int] = []
        monkeypatch.setattr(volumes, "prepare", prepare)
        for expected in ("more memory than there is", "RecursionError"):
            data, lines = self.run(tmp_path / "in")
            assert [key.patient for key in data.info.cases] == ["P0", "P2"]
            assert any(line.startswith("skipped P1/s1") and expected in line for line in lines)
            kinds.append(1)
