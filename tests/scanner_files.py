"""Tiny files as scanners and public data sets write them: DICOM series, fastMRI's HDF5, volumes, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

COLUMNS, ROWS, SLICES = 24, 20, 6
SPACING = (2.0, 2.5, 4.0)
"""Of columns, rows and slices, in mm."""


def body(seed: int = 0) -> np.ndarray:
    """A lopsided body, bool ``(slices, rows, columns)``, so that every flip shows."""
    y, x = np.mgrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j]
    inside = (x + 0.1 + 0.02 * seed) ** 2 / 0.6 + (y - 0.1) ** 2 / 0.55 < 1
    return np.broadcast_to(inside, (SLICES, ROWS, COLUMNS))


def ct(seed: int = 0) -> np.ndarray:
    """HU, int16 ``(slices, rows, columns)``, with a bone."""
    rng = np.random.default_rng(seed)
    hu = np.where(body(seed), 40 + rng.normal(0, 10, (SLICES, ROWS, COLUMNS)), -1000)
    hu[:, 12:15, 14:18] = 900
    return np.rint(hu).astype(np.int16)


def dicom_series(folder: Path, values: np.ndarray, series: str = "1", **tags: Any) -> list[Path]:
    """One CT series of axial slices, feet first; ``tags`` replace or, with ``None``, leave out attributes.

    A tag's value may be a function of the slice's index. Stored numbers are ``values``; HU is them minus 1024.
    """
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    patient = tags.get("PatientID", "P1")
    known: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "PatientID": "P1",
        "PatientIdentityRemoved": "YES",
        "Modality": "CT",
        "SeriesDescription": "CT " + series,
        "StudyInstanceUID": generate_uid(entropy_srcs=[f"{patient} study"]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=[f"{patient} series {series}"]),
        "FrameOfReferenceUID": generate_uid(entropy_srcs=[f"{patient} frame"]),
        "StudyDate": "20000101",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": lambda index: [-20.0, -30.0, 100.0 + SPACING[2] * index],
        "PixelSpacing": [SPACING[1], SPACING[0]],
        "SliceThickness": SPACING[2],
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
    }
    known.update(tags)
    paths = []
    for index, pixels in enumerate(values):
        written = pydicom.Dataset()
        for name, value in known.items():
            if (said := value(index) if callable(value) else value) is not None:
                setattr(written, name, said)
        written.SOPInstanceUID = generate_uid(entropy_srcs=[f"{patient} {series} {index}"])
        written.Rows, written.Columns = pixels.shape
        written.PixelData = np.ascontiguousarray(pixels, "<i2").tobytes()
        written.file_meta = pydicom.dataset.FileMetaDataset()
        written.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        # names in an order that is not the slices' own, as archives have them
        paths.append(folder / f"{series}-{(index * 5) % len(values):03d}.dcm")
        written.save_as(paths[-1], enforce_file_format=True)
    return paths


def ct_series(folder: Path, seed: int = 0, series: str = "1", **tags: Any) -> list[Path]:
    """The CT of :func:`ct` as a DICOM series."""
    return dicom_series(folder, ct(seed).astype(np.int32) + 1024, series, **tags)


def pet_series(
    folder: Path,
    seed: int = 0,
    series: str = "2",
    *,
    dose: float | None = 3.7e8,
    injected: str = "100000.00",
    **tags: Any,
) -> list[Path]:
    """PET in Bq/ml, with what SUV needs: 70 kg, injected an hour before the scan, half-life 6,586.2 s."""
    pydicom = pytest.importorskip("pydicom")
    tracer = pydicom.Dataset()
    tracer.RadiopharmaceuticalStartTime = injected
    tracer.RadionuclideHalfLife = 6586.2
    if dose is not None:
        tracer.RadionuclideTotalDose = dose
    said = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.128",
        "Modality": "PT",
        "SeriesDescription": "PET AC",
        "Units": "BQML",
        "DecayCorrection": "START",
        "CorrectedImage": ["DECY", "ATTN"],
        "PatientWeight": 70.0,
        "SeriesDate": "20000101",
        "SeriesTime": "110000.00",
        "AcquisitionDate": "20000101",
        "AcquisitionTime": "110000.00",
        "RadiopharmaceuticalInformationSequence": [tracer],
        "RescaleIntercept": 0,
        "RescaleSlope": 2.5,
    }
    counts = np.where(body(seed), 2000 + 100 * np.random.default_rng(seed).random((SLICES, ROWS, COLUMNS)), 5)
    return dicom_series(folder, np.rint(counts), series, **{**said, **tags})


def fastmri(path: Path, seed: int = 0, patient: str = "abc", acquisition: str = "AXT1") -> Path:
    """A file as fastMRI has it, its k-space as small as can be."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.where(body(seed), 5e-4 * (1 + np.random.default_rng(seed).random((SLICES, ROWS, COLUMNS))), 1e-5)
    with h5py.File(path, "w") as file:
        file["kspace"] = np.zeros((SLICES, 2, 4, 4), np.complex64)
        file["reconstruction_rss"] = image.astype(np.float32)
        file["ismrmrd_header"] = b"<ismrmrdHeader/>"
        file.attrs.update(max=image.max(), norm=np.linalg.norm(image), patient_id=patient, acquisition=acquisition)
    return path


def picture(path: Path, values: np.ndarray, **how: Any) -> Path:
    """A picture through Pillow; an array where the name says ``.npy``."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        Image.fromarray(values).save(path, **how)
    return path
