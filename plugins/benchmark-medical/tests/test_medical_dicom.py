"""DICOM: series to volumes in HU and SUV, their faults one by one, pairs of series, LDCT-and-Projection-data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import scanner_files as made
from benchmark_medical.importing.dicom_layouts import dicom_pairs, ldct_projection
from benchmark_medical.importing.dicom_series import find_series, read_series
from benchmark_medical.importing.options import DicomPairsOptions, LdctOptions

from benchmark import DatasetError, UsageError
from benchmark.data.checks.file import check
from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.export import export
from benchmark.data.volumes.geometry import CaseFault, Volume

pytest.importorskip("pydicom")


def read(folder: Path) -> Volume:
    (series,), skipped = find_series(folder)
    assert skipped == []
    return read_series(series)


def pairs(folder: Path, **options: Any) -> tuple[Dataset, list[str]]:
    """Import PET to CT, or what the options say."""
    lines: list[str] = []
    chosen = {"task": "pet-ct", "source": "PT", "target": "CT", "size": 24, "split": "0:0:1", **options}
    output = folder.parent / "out.h5"
    dicom_pairs(DicomPairsOptions(folder=folder, **chosen), output, lines.append)
    assert [problem for problem in check(output) if problem.severity == "error"] == []
    return Dataset(output), lines


def test_a_series_is_ordered_by_position_and_turned_to_ras(tmp_path):
    paths = made.ct_series(tmp_path / "in")
    assert [path.name for path in paths] != sorted(path.name for path in paths)
    volume = read(tmp_path / "in")
    # LPS columns, rows, slices; RAS turns the first two round
    np.testing.assert_array_equal(volume.data, made.ct().T[::-1, ::-1])
    np.testing.assert_allclose(volume.spacing, made.SPACING)
    corner = volume.affine @ [made.COLUMNS - 1, made.ROWS - 1, 0, 1]
    np.testing.assert_allclose(corner, [20.0, 30.0, 100.0, 1], atol=1e-9)  # the first voxel, -20, -30 in LPS


def test_slices_from_the_head_down_are_the_same_volume(tmp_path):
    up = made.ct_series(tmp_path / "up")
    made.dicom_series(
        tmp_path / "down",
        made.ct()[::-1].astype(np.int32) + 1024,
        ImagePositionPatient=lambda index: [-20.0, -30.0, 100.0 + 4.0 * (made.SLICES - 1 - index)],
    )
    assert len(up) == made.SLICES
    one, other = read(tmp_path / "up"), read(tmp_path / "down")
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.affine, other.affine)


def test_rescale_is_that_of_each_slice_and_padding_is_air(tmp_path):
    stored = np.full((made.SLICES, made.ROWS, made.COLUMNS), 100)
    stored[0, 0, 0] = -2000
    made.dicom_series(tmp_path, stored, RescaleSlope=lambda index: 1 + index, RescaleIntercept=-50)
    volume = read(tmp_path)
    assert [volume.data[5, 5, z] for z in range(made.SLICES)] == [100 * (1 + z) - 50 for z in range(made.SLICES)]
    assert volume.data.min() == -1024


def positions(change: Any) -> Any:
    return lambda index: change(index, [-20.0, -30.0, 100.0 + 4.0 * index])


@pytest.mark.parametrize(
    ("tags", "fault"),
    [
        (
            {"ImagePositionPatient": positions(lambda i, p: [*p[:2], p[2] + (4.0 if i > 2 else 0)])},
            "between slices 3 and 4 of 6 lie 8 mm, elsewhere 4: slices are missing",
        ),
        ({"ImagePositionPatient": positions(lambda i, p: [*p[:2], 100.0 + 4.0 * (i // 2)])}, "where another lies"),
        ({"ImagePositionPatient": positions(lambda i, p: [p[0], p[1] + 1.0 * i, p[2]])}, "leans by 14.0 degrees"),
        (
            {"ImagePositionPatient": positions(lambda i, p: [*p[:2], p[2] + (1.5 if i == 2 else 0)])},
            "off an even stack",
        ),
        ({"ImageOrientationPatient": lambda i: [1, 0, 0, 0, 1, 0] if i else [1, 0, 0, 0, 0, -1]}, "orientation"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "right angles"),
        ({"PixelSpacing": lambda i: [2.5, 2.0 + 0.1 * i]}, "pixel spacing"),
        ({"PixelSpacing": [0, 2.0]}, "PixelSpacing"),
        ({"RescaleSlope": None}, "no RescaleSlope, so no HU"),
        ({"RescaleType": "US"}, "not in HU"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"RescaleSlope": float("nan")}, "RescaleSlope 'nan' is no number"),
        ({"BitsAllocated": 8}, "cannot be read"),
    ],
)
def test_a_faulty_series_is_named_with_its_fault(tmp_path, tags, fault):
    with np.errstate(invalid="ignore"):
        made.ct_series(tmp_path / "in", **tags)
    with pytest.raises(CaseFault, match=fault):
        read(tmp_path / "in")


def test_a_file_that_is_no_slice_is_skipped_and_the_series_read_without_it(tmp_path):
    made.ct_series(tmp_path)
    (tmp_path / "scout.dcm").write_bytes(b"")
    made.ct_series(tmp_path / "report", series="9", ImagePositionPatient=None)
    (tmp_path / "LICENSE").write_text("not DICOM, and not looked at")
    _, skipped = find_series(tmp_path)
    assert [entry.what for entry in skipped] == [*(f"report/9-00{i}.dcm" for i in range(6)), "scout.dcm"]
    assert "no ImagePositionPatient: not a slice" in str(skipped[0])


class TestSuv:
    """Body weight 70 kg, 370 MBq, an hour from injection to scan."""

    STORED = 2.5  # RescaleSlope

    def factor(self, tmp_path: Path, **tags: Any) -> float:
        made.pet_series(tmp_path / "in", **tags)
        bq_per_ml = np.rint(np.where(made.body(), 1, 0)[0, 10, 10] * read(tmp_path / "in").data.max())
        assert bq_per_ml > 0
        raw = tmp_path / "raw"
        made.pet_series(raw, Units="GML", DecayCorrection=None)
        return float(read(tmp_path / "in").data.max() / read(raw).data.max())

    def test_decay_from_injection_to_the_series(self, tmp_path):
        decayed = 3.7e8 * 2 ** (-3600 / 6586.2)
        assert self.factor(tmp_path) == pytest.approx(70_000 / decayed, rel=1e-6)

    def test_corrected_to_injection_needs_no_time(self, tmp_path):
        assert self.factor(tmp_path, DecayCorrection="ADMIN", SeriesTime=None) == pytest.approx(70_000 / 3.7e8)

    def test_injection_before_midnight(self, tmp_path):
        decayed = 3.7e8 * 2 ** (-(1.5 * 3600) / 6586.2)
        late = {"SeriesTime": "003000", "AcquisitionTime": "003000", "injected": "230000"}
        assert self.factor(tmp_path, **late) == pytest.approx(70_000 / decayed, rel=1e-6)

    @pytest.mark.parametrize(
        ("tags", "fault"),
        [
            ({"PatientWeight": None}, "no PatientWeight"),
            ({"PatientWeight": 0}, "PatientWeight 0 kg is not that of a person"),
            ({"dose": None}, "no RadionuclideTotalDose"),
            ({"dose": 0}, "RadionuclideTotalDose 0 Bq is not given to people"),
            ({"RadiopharmaceuticalInformationSequence": None}, "no RadionuclideTotalDose"),
            ({"Units": "CNTS"}, "PET in CNTS"),
            ({"Units": None}, "unknown unit"),
            ({"DecayCorrection": "NONE"}, "DecayCorrection NONE"),
            ({"DecayCorrection": None}, "DecayCorrection missing"),
            ({"SeriesTime": None}, "no SeriesTime"),
            ({"SeriesTime": "113000"}, "no SeriesTime that decay"),  # that of a later reconstruction
        ],
    )
    def test_what_is_missing_is_said_and_no_other_unit_is_given_out_as_suv(self, tmp_path, tags, fault):
        made.pet_series(tmp_path, **tags)
        with pytest.raises(CaseFault, match=fault):
            read(tmp_path)


def test_pairs_of_a_study_with_units_from_the_modality(tmp_path):
    for number in range(3):
        made.ct_series(tmp_path / "in" / f"p{number}", number, PatientID=f"P{number}")
        made.pet_series(tmp_path / "in" / f"p{number}", number, PatientID=f"P{number}")
    data, lines = pairs(tmp_path / "in", split="0.4:0.3:0.3")
    assert [str(key) for key in data.info.cases] == ["P0/s1", "P1/s1", "P2/s1"]
    assert (data.info.source.unit, data.info.target.unit) == ("SUV", "HU")
    assert (data.info.source.modality, data.info.target.modality) == ("PT", "CT")
    assert {len(names) for names in data.info.splits.values()} == {1}
    assert lines[-1] == "3 studies of 3 patients imported, 0 skipped"


def test_studies_of_a_patient_stay_together(tmp_path):
    for number, study in ((0, "a"), (0, "b"), (1, "a")):
        for series in (made.ct_series, made.pet_series):
            name = f"{number}{study}"
            tags = {"PatientID": f"P{number}", "StudyInstanceUID": f"1.2.{number}.{ord(study)}"}
            uid = f"1.3.{number}.{ord(study)}.{series is made.ct_series:d}"
            series(tmp_path / "in" / name, number + 3 * (study == "b"), SeriesInstanceUID=uid, **tags)
    data, _ = pairs(tmp_path / "in", split="0.5:0:0.5")
    assert [str(key) for key in data.info.cases] == ["P0/s1", "P0/s2", "P1/s1"]
    assert sum(len(names) for names in data.info.splits.values()) == 2


def test_series_are_chosen_by_description_and_doubt_is_reported(tmp_path):
    made.ct_series(tmp_path / "in", SeriesDescription="CT soft tissue")
    made.ct_series(tmp_path / "in", 1, "9", SeriesDescription="CT lung kernel")
    made.pet_series(tmp_path / "in")
    data, _ = pairs(tmp_path / "in", target="CT/SOFT")
    assert data.physics(data.info.cases[0])["target_file"] == "CT CT soft tissue"
    with pytest.raises(DatasetError, match=r"2 series match the target \(there are: CT CT .*, CT CT"):
        pairs(tmp_path / "in")
    with pytest.raises(DatasetError, match="no series matches the source"):
        pairs(tmp_path / "in", source="MR", target="CT/soft", task="mr-ct")


def test_series_of_different_frames_of_reference_are_no_pair_unless_wanted(tmp_path):
    made.ct_series(tmp_path / "in")
    made.pet_series(tmp_path / "in", FrameOfReferenceUID="1.2.3.4")
    with pytest.raises(DatasetError, match="different frames of reference"):
        pairs(tmp_path / "in")
    data, _ = pairs(tmp_path / "in", any_frame=True)
    assert len(data.info.cases) == 1


def test_series_of_different_studies_are_paired_only_when_asked(tmp_path):
    made.ct_series(tmp_path / "in", StudyInstanceUID="1.2.3")
    made.pet_series(tmp_path / "in", StudyInstanceUID="1.2.4")
    with pytest.raises(DatasetError, match="no series matches"):
        pairs(tmp_path / "in")
    assert len(pairs(tmp_path / "in", across_studies=True)[0].info.cases) == 1


def contrasts(folder: Path, patient: str, *, without: str = "", number: int = 0) -> None:
    """A CT, and two contrasts of an MR on a coarser grid of their own in the CT's frame of reference."""
    who = {"PatientID": patient, "PatientIdentityRemoved": "YES"}
    made.ct_series(folder / patient, number, f"1.{number}", **who)
    for place, name in enumerate(("T1", "T2")):
        if name != without:
            made.dicom_series(
                folder / patient,
                np.random.default_rng(number).integers(50, 900, (made.SLICES, made.ROWS // 2, made.COLUMNS // 2)),
                f"2.{number}.{place}",
                Modality="MR",
                RescaleIntercept=0,
                SeriesDescription=f"t{place + 1}_tse",
                PixelSpacing=[2 * length for length in made.SPACING[:2]],
                **who,
            )


BOTH = {"task": "t1t2-ct", "source_window": "0:1000", "source": ("T1=MR/t1", "T2=MR/t2"), "target": "CT"}


def test_a_source_of_several_series_has_a_channel_of_each(tmp_path):
    for number, patient in enumerate(("P1", "P2")):
        contrasts(tmp_path / "in", patient, number=number)
    data, lines = pairs(tmp_path / "in", **BOTH)
    assert [(side.name, side.modality, side.unit) for side in data.info.sources] == [
        ("T1", "MR T1", "a.u."),
        ("T2", "MR T2", "a.u."),
    ]
    assert data.load(data.info.cases[0]).source.shape[0] == 2
    assert lines[-1] == "2 studies of 2 patients imported, 0 skipped"


def test_a_patient_who_lacks_a_series_of_the_source_ends_the_import_with_the_name(tmp_path):
    contrasts(tmp_path / "in", "P1")
    contrasts(tmp_path / "in", "P2", without="T2", number=1)
    with pytest.raises(DatasetError, match=r"P2.*no series matches the source T2"):
        pairs(tmp_path / "in", **BOTH)
    data, _ = pairs(tmp_path / "in", **BOTH, exclude=("P2",))
    assert [key.patient for key in data.info.cases] == ["P1"]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (("MR/t1", "MR/t2"), UsageError, "two sources are called 'MR'"),
        (("T1=MR/t1", "T2=MR/t(1"), UsageError, "regular expression"),
        (("T1=MR/t1", "T2=MR/tse"), DatasetError, "2 series match the source T2"),
        (("T1=MR/t1", "T2=MR/^t1"), DatasetError, "the source T1 and the source T2 are one series"),
        (("T1=MR/t1", "T2=CT"), DatasetError, "the target and the source T2 are one series"),
    ],
)
def test_channels_that_cannot_be_told_apart(tmp_path, source, error, message):
    contrasts(tmp_path / "in", "P1")
    with pytest.raises(error, match=message):
        pairs(tmp_path / "in", **{**BOTH, "source": source})


def test_patients_that_nobody_deidentified_are_hashed(tmp_path):
    for series in (made.ct_series, made.pet_series):
        series(tmp_path / "in", PatientID="Doe^Jane", PatientIdentityRemoved=None, PatientName="Doe^Jane")
    data, lines = pairs(tmp_path / "in")
    (key,) = data.info.cases
    assert key.patient.startswith("patient-")
    assert b"Doe" not in (tmp_path / "out.h5").read_bytes()
    assert "Doe" not in " ".join(lines)
    kept, _ = pairs(tmp_path / "in", keep_ids=True)
    assert kept.info.cases[0].patient.startswith("Doe-Jane")


def test_hu_survives_import_and_export_bit_by_bit(tmp_path):
    hu = np.random.default_rng(0).integers(-1024, 2001, (made.SLICES, made.ROWS, made.COLUMNS))
    hu[:, 5:15, 5:15] = 40 + np.arange(made.SLICES)[:, None, None]
    made.dicom_series(tmp_path / "in", hu + 1024, PixelSpacing=[2.0, 2.0])
    data, _ = pairs(tmp_path / "in", target="CT", source="", clean=True, task="ldct", min_body=0.0)
    export(tmp_path / "out.h5", tmp_path / "nifti", roles=["target"], splits=["test"], grid="original", say=str)
    (path,) = (tmp_path / "nifti").glob("**/target.nii.gz")
    image = nib.load(path)
    assert image.get_data_dtype() == np.int16
    # the scanner's own voxels, in its own order
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), hu.T)
    want = np.diag([-2.0, -2.0, 4.0, 1.0])
    want[:3, 3] = [20, 30, 100]
    np.testing.assert_allclose(image.affine, want, atol=1e-5)
    case = data.load(data.info.cases[0])
    np.testing.assert_array_equal(case.source, case.target)


def test_options_that_make_no_pair(tmp_path):
    (tmp_path / "in").mkdir()
    for wrong, message in (
        ({"source": ""}, "--source, or --clean"),
        ({"clean": True}, "--source, or --clean"),
        ({"target": "CT/("}, "regular expression"),
        ({"target": "/"}, "modality"),
    ):
        with pytest.raises(UsageError, match=message):
            pairs(tmp_path / "in", **wrong)
    with pytest.raises(DatasetError, match="no DICOM"):
        pairs(tmp_path / "in")
    assert list(tmp_path.glob("out*")) == []


def test_ldct_and_projection_data(tmp_path):
    for number, name in enumerate(("C121", "L004", "N012", "other")):
        place = tmp_path / "in" / name / "12-23-2021-NA-NA-61870"
        for series, folder in (("1", "1.000000-Low Dose Images-00959"), ("2", "2.000000-Full Dose Images-60124")):
            made.ct_series(place / folder, number + 10 * int(series), series, PatientID=name, SeriesDescription="")
        projections = place / "3.000000-Low Dose Projections-40240"
        projections.mkdir()
        (projections / "1-1.dcm").write_bytes(b"\0" * 128 + b"DICM")
    lines: list[str] = []
    ldct_projection(
        LdctOptions(folder=tmp_path / "in", size=24, split="0.4:0.3:0.3"), tmp_path / "out.h5", lines.append
    )
    data = Dataset(tmp_path / "out.h5")
    assert [str(key) for key in data.info.cases] == ["C121/s1", "L004/s1", "N012/s1"]
    case = data.load(data.info.cases[0])
    np.testing.assert_array_equal(np.unique(case.source[1]), np.unique(case.source[1].astype(np.int16)))
    assert not np.array_equal(case.source, case.target)
    assert data.info.source.modality == "low-dose CT"
    ldct_projection(
        LdctOptions(folder=tmp_path / "in", size=24, part="L", split="0:0:1"), tmp_path / "out.h5", lines.append
    )
    assert [key.patient for key in Dataset(tmp_path / "out.h5").info.cases] == ["L004"]
