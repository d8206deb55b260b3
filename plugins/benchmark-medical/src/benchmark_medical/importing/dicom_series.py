"""DICOM: the series of a folder, checked slice by slice, as volumes in HU, SUV or raw values.

Order, orientation and spacing come from Image Position and Image Orientation (Patient), PS3.3 C.7.6.2; HU from the
rescale of each slice (C.11.1); SUV by body weight from Bq/ml, weight and the dose decayed to the scan, as the
QIBA FDG-PET profile's vendor-neutral calculation has it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.format.schema import MAXIMUM_VOXELS
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.errors import Unavailable
from benchmark.printable import printable
from benchmark_medical.importing.damage import reason
from benchmark_medical.importing.formats import LPS_TO_RAS, volume
from benchmark_medical.importing.studies import Skipped

if TYPE_CHECKING:
    from pydicom import Dataset

MAGIC = b"DICM"
GAP = 1.5
"""Where slices lie this many usual steps apart, one is missing."""
UNEVEN = 0.25
"""Share of a step by which a slice may lie off its place in an even stack; beds of PET are joined a little unevenly."""
TILT_TOLERANCE = 1.0
"""Degrees by which the stack may lean against its slices' normal."""
PADDED_HU = -1024.0
"""What scanners pad with around the circle of reconstruction lies below; it is air."""
UNITS = {"CT": "HU", "PT": "SUV"}
"""Unit in which a modality's values are given back; others are raw."""
_LISTED = [
    "PatientID", "PatientIdentityRemoved", "StudyInstanceUID", "StudyDate", "SeriesInstanceUID", "SeriesDescription",
    "Modality", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient",
]  # fmt: skip


@dataclass(frozen=True)
class Series:
    """Files of one series, in no order yet."""

    patient: str
    deidentified: bool
    study: str
    date: str
    uid: str
    description: str
    modality: str
    frame: str
    """Frame of reference: series that share one were not moved between."""
    folder: Path
    files: list[Path] = field(default_factory=list, compare=False)

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.modality} {self.description or self.uid}".strip()


def find_series(folder: Path) -> tuple[list[Series], list[Skipped]]:
    """All series below a folder, from the files' headers; and files that look like DICOM and cannot be read.

    Raises:
        Unavailable: pydicom is not installed.
    """
    found: dict[str, Series] = {}
    skipped = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if not _looks_like_dicom(path):
            continue
        try:
            series = _series(path)
        except Exception as error:  # whatever a damaged file makes the reader raise
            skipped.append(Skipped(path.relative_to(folder).as_posix(), _reason(error)))
            continue
        found.setdefault(series.uid, series).files.append(path)
    return sorted(found.values(), key=lambda each: (each.patient, each.date, each.study, each.uid)), skipped


def _series(path: Path) -> Series:
    """The series that a slice says it belongs to, without files."""
    header = _read(path, pixels=False)
    uid = str(header.SeriesInstanceUID)
    if "ImagePositionPatient" not in header:
        raise CaseFault("no ImagePositionPatient: not a slice (several frames in one file, or a report)")
    return Series(
        patient=_text(header, "PatientID"),
        deidentified=_text(header, "PatientIdentityRemoved").upper() == "YES",
        study=_text(header, "StudyInstanceUID"),
        date=_text(header, "StudyDate"),
        uid=uid,
        description=_text(header, "SeriesDescription"),
        modality=_text(header, "Modality"),
        frame=_text(header, "FrameOfReferenceUID"),
        folder=path.parent,
    )


def read_series(series: Series) -> Volume:
    """The volume of a series in RAS order: CT in HU, PET in SUV by body weight, anything else as stored.

    Raises:
        CaseFault: slices are missing, doubled, of several sizes or directions, tilted, compressed in a way that no
            installed library reads; or the unit cannot be told.
    """
    slices = []
    for path in series.files:
        try:
            slices.append(_slice(path, series.modality))
        except CaseFault:
            raise
        except Exception as error:  # whatever a damaged file makes the reader raise
            raise CaseFault(f"{path.name}: {_reason(error)}") from None
    first = slices[0]
    for one in slices[1:]:
        if one.pixels.shape != first.pixels.shape or not np.allclose(one.spacing, first.spacing, rtol=1e-3):
            raise CaseFault(f"{series.name}: slices of different size or pixel spacing")
        if not np.allclose(one.axes, first.axes, atol=1e-3):
            raise CaseFault(f"{series.name}: slices of different orientation (a localiser among them?)")
    if len(slices) * first.pixels.size > MAXIMUM_VOXELS:
        raise CaseFault(f"{series.name}: {len(slices)} slices of {first.pixels.shape} are too many for one volume")
    normal = np.cross(*first.axes)
    slices.sort(key=lambda one: float(normal @ one.position))
    step = _step(series, slices, normal)
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * first.spacing[1]
    affine[:3, 1] = first.axes[1] * first.spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = slices[0].position
    data = np.stack([one.pixels for one in slices]).transpose(2, 1, 0)
    return volume(_whole(data), LPS_TO_RAS @ affine, series.name)


@dataclass(frozen=True)
class _Slice:
    pixels: NDArray[np.float32]
    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    """Directions along a row and along a column, LPS."""
    spacing: tuple[float, float]
    """Between rows and between columns, in mm."""
    thickness: float


def _slice(path: Path, modality: str) -> _Slice:
    header = _read(path, pixels=True)
    if int(header.get("NumberOfFrames", 1) or 1) != 1 or int(header.get("SamplesPerPixel", 1)) != 1:
        raise CaseFault(f"{path.name}: several frames or colours in one file; convert it to NIfTI, e.g. with dcm2niix")
    pixels = header.pixel_array.astype(np.float64)
    slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    pixels = pixels * slope + intercept
    if modality == "CT":
        kind = _text(header, "RescaleType").upper()
        if kind not in ("", "HU") or "RescaleSlope" not in header:
            raise CaseFault(f"{path.name}: values are not in HU (RescaleType {kind or 'and RescaleSlope missing'})")
        pixels = np.maximum(pixels, PADDED_HU)
    elif modality == "PT":
        pixels = pixels * _suv_factor(header, path.name)
    axes = np.array([float(value) for value in header.ImageOrientationPatient]).reshape(2, 3)
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-3):
        raise CaseFault(f"{path.name}: rows and columns are not at right angles (ImageOrientationPatient)")
    spacing = [float(value) for value in header.PixelSpacing]
    if len(spacing) != 2 or not min(spacing) > 0:
        raise CaseFault(f"{path.name}: PixelSpacing {spacing} is no size of a pixel")
    return _Slice(
        pixels=pixels.astype(np.float32),
        position=np.array([float(value) for value in header.ImagePositionPatient]),
        axes=axes,
        spacing=(spacing[0], spacing[1]),
        thickness=float(header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 1.0),
    )


def _step(series: Series, slices: list[_Slice], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """From one slice to the next, in mm."""
    if len(slices) == 1:
        return normal * abs(slices[0].thickness)
    places = np.array([one.position for one in slices])
    along = np.diff(places @ normal)
    usual = float(np.median(along))
    if (along < 0.01 * max(usual, 1e-3)).any():
        number = int((along < 0.01 * max(usual, 1e-3)).sum())
        raise CaseFault(f"{series.name}: {number} slices lie where another lies (two series in one, or a time series)")
    gap = int(along.argmax())
    if along[gap] > GAP * usual:
        raise CaseFault(
            f"{series.name}: between slices {gap + 1} and {gap + 2} of {len(slices)} lie {along[gap]:.4g} mm, "
            f"elsewhere {usual:.4g}: slices are missing"
        )
    step: NDArray[np.float64] = (places[-1] - places[0]) / (len(slices) - 1)
    even = places[0] @ normal + np.arange(len(slices)) * (step @ normal)
    if (off := np.abs(places @ normal - even).max()) > UNEVEN * usual:
        raise CaseFault(f"{series.name}: slices lie up to {off:.3g} mm off an even stack; resample them first")
    tilt = math.degrees(math.acos(min(1.0, abs(float(step @ normal)) / float(np.linalg.norm(step)))))
    if tilt > TILT_TOLERANCE:
        raise CaseFault(f"{series.name}: the stack leans by {tilt:.1f} degrees (gantry tilt); straighten it first")
    return step


def _suv_factor(header: Dataset, name: str) -> float:
    """What turns stored PET values into SUV by body weight (g/ml).

    Raises:
        CaseFault: a tag that is needed is missing.
    """
    units = _text(header, "Units").upper()
    if units == "GML" and _text(header, "SUVType").upper() in ("", "BW"):
        return 1.0
    if units != "BQML":
        raise CaseFault(f"{name}: PET in {units or 'an unknown unit'}; Bq/ml is needed for SUV")
    weight = float(header.get("PatientWeight") or 0)
    if not weight > 0:
        raise CaseFault(f"{name}: no PatientWeight, so no SUV")
    tracer = (header.get("RadiopharmaceuticalInformationSequence") or [None])[0]
    dose = float(tracer.get("RadionuclideTotalDose") or 0) if tracer is not None else 0.0
    if tracer is None or not dose > 0:
        raise CaseFault(f"{name}: no RadionuclideTotalDose, so no SUV")
    corrected = _text(header, "DecayCorrection").upper()
    if corrected == "ADMIN":
        return 1000.0 * weight / dose
    if corrected != "START":
        raise CaseFault(f"{name}: DecayCorrection {corrected or 'missing'}; START or ADMIN is needed for SUV")
    half_life = float(tracer.get("RadionuclideHalfLife") or 0)
    if not half_life > 0:
        raise CaseFault(f"{name}: no RadionuclideHalfLife, so no SUV")
    elapsed = _elapsed(header, tracer, name)
    return float(1000.0 * weight / (dose * 2.0 ** (-elapsed / half_life)))


def _elapsed(header: Dataset, tracer: Dataset, name: str) -> float:
    """Seconds from injection to the time that decay was corrected to: the series', if no slice was acquired before."""
    scan = _moment(_text(header, "SeriesDate"), _text(header, "SeriesTime"))
    day = _text(header, "AcquisitionDate") or _text(header, "SeriesDate")
    acquired = _moment(day, _text(header, "AcquisitionTime"))
    if scan is None or (acquired is not None and scan > acquired):
        # a series time after an acquisition is that of a reconstruction
        raise CaseFault(f"{name}: no SeriesTime that decay could have been corrected to, so no SUV")
    whole = _text(tracer, "RadiopharmaceuticalStartDateTime")
    injected = _moment(whole[:8], whole[8:]) if whole else None
    if injected is None:
        injected = _moment(_text(header, "SeriesDate"), _text(tracer, "RadiopharmaceuticalStartTime"))
        if injected is not None and injected > scan:
            injected -= timedelta(days=1)
    if injected is None or not 0 <= (scan - injected).total_seconds() < 86_400:
        raise CaseFault(f"{name}: no injection time within a day before the scan, so no SUV")
    return (scan - injected).total_seconds()


def _moment(date: str, time: str) -> datetime | None:
    digits = "".join(char for char in time.split("+")[0].split(".")[0] if char.isdigit())
    try:
        return datetime.strptime(f"{date}{digits:0<6}"[:14], "%Y%m%d%H%M%S") if date and digits else None
    except ValueError:
        return None


def _whole(data: NDArray[np.float32]) -> NDArray[Any]:
    """Whole numbers as such, so that it is known that the scanner stored them."""
    if float(np.abs(data).max(initial=0)) < 32768 and not (data % 1).any():
        return data.astype(np.int16)
    return data


def _looks_like_dicom(path: Path) -> bool:
    if path.suffix.lower() in (".dcm", ".ima"):
        return True
    try:
        with path.open("rb") as handle:
            return handle.read(132)[128:] == MAGIC
    except OSError:
        return False


def _read(path: Path, *, pixels: bool) -> Dataset:
    try:
        import pydicom
    except ImportError:
        raise Unavailable("DICOM needs pydicom: pip install 'benchmark-medical[importers]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if pixels:
            return pydicom.dcmread(path)
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_LISTED))


def _text(header: Dataset, tag: str) -> str:
    return printable(str(header.get(tag) or "").strip())


def _reason(error: Exception) -> str:
    if isinstance(error, Unavailable):
        raise error
    return str(error) if isinstance(error, CaseFault) else reason(error)


def patients(series: list[Series]) -> Iterator[tuple[str, list[Series]]]:
    """Series by patient, in order."""
    by_patient: dict[str, list[Series]] = {}
    for one in series:
        by_patient.setdefault(one.patient, []).append(one)
    yield from sorted(by_patient.items())
