"""DICOM: the series of a folder, checked slice by slice, as volumes in HU, SUV or raw values.

Every file that may be DICOM is looked at; slices are ordered by their positions, which must form a straight, even
stack in all three coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.format.schema import MAXIMUM_VOXELS
from benchmark.data.volumes.files import walk
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.errors import Unavailable
from benchmark_medical.importing import dicom_tags as tags
from benchmark_medical.importing.damage import reason, shown
from benchmark_medical.importing.dicom_slices import PADDING, Slice, read_slice
from benchmark_medical.importing.formats import LPS_TO_RAS, volume
from benchmark_medical.importing.studies import Skipped

GAP = 1.5
"""Where slices lie this many usual steps apart, one is missing."""
UNEVEN = 0.25
"""Share of a step, or in its plane of a pixel, by which a slice may lie off its place in an even stack; beds of PET are
joined a little unevenly."""
TILT_TOLERANCE = 1.0
"""Degrees by which the stack may lean against its slices' normal."""
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


def find_series(folder: Path, files: Sequence[Path] | None = None) -> tuple[list[Series], list[Skipped]]:
    """The series of a folder, or of some of its files, by their headers; and what looks like DICOM and cannot be read.

    Raises:
        Unavailable: pydicom is not installed.
    """
    series_of: dict[str, Series] = {}
    skipped = []
    for path in walk(folder).files if files is None else files:
        if not tags.looks_like_dicom(path):
            continue
        try:
            series = _series(path)
        except Unavailable:
            raise
        except Exception as error:  # whatever a damaged file makes the reader raise
            skipped.append(Skipped(path.relative_to(folder).as_posix(), _said(error), (path,)))
            continue
        series_of.setdefault(series.uid, series).files.append(path)
    return sorted(series_of.values(), key=lambda one: (one.patient, one.date, one.study, one.uid)), skipped


def _series(path: Path) -> Series:
    """The series that a slice says it belongs to, without files."""
    header = tags.read(path, only=_LISTED)
    if "ImagePositionPatient" not in header:
        raise CaseFault("no ImagePositionPatient: not a slice (several frames in one file, an index, or a report)")
    return Series(
        patient=tags.text(header, "PatientID"),
        deidentified=tags.text(header, "PatientIdentityRemoved").upper() == "YES",
        study=tags.text(header, "StudyInstanceUID"),
        date=tags.text(header, "StudyDate"),
        uid=str(tags.required(header, "SeriesInstanceUID")),
        description=tags.text(header, "SeriesDescription"),
        modality=tags.text(header, "Modality"),
        frame=tags.text(header, "FrameOfReferenceUID"),
        folder=path.parent,
    )


def read_series(series: Series) -> Volume:
    """The volume of a series in RAS order: CT in HU, PET in SUV by body weight, anything else as stored.

    Raises:
        CaseFault: slices are missing, doubled, of several sizes or directions, beside each other, tilted, compressed in
            a way that no installed library reads; or the unit cannot be told.
    """
    slices = []
    for path in series.files:
        try:
            slices.append(read_slice(path, series.modality))
        except Unavailable:
            raise
        except Exception as error:  # whatever a damaged file makes the reader raise
            raise CaseFault(f"{shown(path)}: {_said(error)}") from None
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
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * first.spacing[1]
    affine[:3, 1] = first.axes[1] * first.spacing[0]
    affine[:3, 2] = _step(series, slices, normal)
    affine[:3, 3] = slices[0].position
    data = np.stack([one.pixels for one in slices]).transpose(2, 1, 0)
    return volume(_whole(_filled(data, series)), LPS_TO_RAS @ affine, series.name)


def _filled(data: NDArray[np.float32], series: Series) -> NDArray[np.float32]:
    """The voxels with something in place of padding."""
    padding = np.isnan(data)
    if padding.all():
        raise CaseFault(f"{series.name}: nothing but padding (PixelPaddingValue)")
    if padding.any():
        data[padding] = PADDING.get(series.modality, float(data[~padding].min()))
    return data


def _step(series: Series, slices: list[Slice], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """From one slice to the next, in mm."""
    if len(slices) == 1:
        return normal * slices[0].thickness
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
    off = places - places[0] - np.arange(len(slices))[:, None] * step
    lengthways = np.abs(off @ normal)
    if lengthways.max() > UNEVEN * usual:
        raise CaseFault(
            f"{series.name}: slices lie up to {lengthways.max():.3g} mm off an even stack; resample them first"
        )
    sideways = np.linalg.norm(off - np.outer(off @ normal, normal), axis=1)
    if sideways.max() > UNEVEN * min(slices[0].spacing):
        worst = int(sideways.argmax())
        raise CaseFault(
            f"{series.name}: slice {worst + 1} of {len(slices)} lies {sideways[worst]:.3g} mm beside the straight line "
            "from the first to the last (ImagePositionPatient); resample them first"
        )
    tilt = math.degrees(math.acos(min(1.0, abs(float(step @ normal)) / float(np.linalg.norm(step)))))
    if tilt > TILT_TOLERANCE:
        raise CaseFault(f"{series.name}: the stack leans by {tilt:.1f} degrees (gantry tilt); straighten it first")
    return step


def _whole(data: NDArray[np.float32]) -> NDArray[Any]:
    """Whole numbers as such, so that it is known that the scanner stored them."""
    if float(np.abs(data).max(initial=0)) < 32768 and not (data % 1).any():
        return data.astype(np.int16)
    return data


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, CaseFault) else reason(error)


def patients(series: list[Series]) -> Iterator[tuple[str, list[Series]]]:
    """Series by patient, in order."""
    by_patient: dict[str, list[Series]] = {}
    for one in series:
        by_patient.setdefault(one.patient, []).append(one)
    yield from sorted(by_patient.items())
