"""One slice of a DICOM series: its pixels in HU, SUV or as rescaled, and where it lies.

Orientation and spacing come from Image Position and Image Orientation (Patient), PS3.3 C.7.6.2; HU from the rescale of
each slice (C.11.1), after padding has been told from measurement.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.volumes.geometry import CaseFault
from benchmark_medical.importing import dicom_tags as tags
from benchmark_medical.importing.dicom_padding import outside_stored_bits, padded
from benchmark_medical.importing.dicom_suv import suv_factor

if TYPE_CHECKING:
    from pydicom import Dataset

LOWEST_HU = -1024.0
"""Air. What lies below is padding that no header declares."""
UNITS = {"CT": "HU", "PT": "SUV"}
"""Unit in which a modality's values are given back; others are as stored."""
PADDING = {"CT": LOWEST_HU, "PT": 0.0}
"""What stands where nothing was measured; for other modalities the lowest measured value of the series."""


@dataclass(frozen=True)
class Slice:
    """Pixels ``(rows, columns)`` in their unit, NaN where the header says that nothing was measured."""

    pixels: NDArray[np.float32]
    position: NDArray[np.float64]
    """Centre of the first pixel in mm, LPS."""
    axes: NDArray[np.float64]
    """Directions along a row and along a column, LPS."""
    spacing: tuple[float, float]
    """Between rows and between columns, in mm."""
    thickness: float


def read_slice(path: Path, modality: str) -> Slice:
    """The slice in a file.

    Raises:
        CaseFault: a tag is missing, empty or makes no sense, the unit cannot be told, or no installed library reads
            the compression.
    """
    header = tags.read(path)
    if tags.number(header, "NumberOfFrames", 1) != 1 or tags.number(header, "SamplesPerPixel", 1) != 1:
        raise CaseFault("several frames or colours in one file; convert it to NIfTI, e.g. with dcm2niix")
    _require_decoder(header)
    stored, outside = _stored(header)
    slope, intercept = _rescale(header, modality)
    exact = stored.astype(np.float64) * slope + intercept
    if modality == "CT":
        exact = np.maximum(exact, LOWEST_HU)
    elif modality == "PT":
        exact *= suv_factor(header)
    pixels = exact.astype(np.float32)
    if not np.isfinite(pixels if outside is None else pixels[~outside]).all():
        raise CaseFault("pixels are NaN or infinite")
    if outside is not None:
        pixels[outside] = np.nan
    axes = np.reshape(tags.numbers(header, "ImageOrientationPatient", 6), (2, 3))
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-3):
        raise CaseFault("rows and columns are not at right angles (ImageOrientationPatient)")
    between_rows, between_columns = tags.numbers(header, "PixelSpacing", 2)
    if not min(between_rows, between_columns) > 0:
        raise CaseFault(f"PixelSpacing {between_rows:g}, {between_columns:g} is no size of a pixel")
    thickness = tags.number(header, "SpacingBetweenSlices", 0.0) or tags.number(header, "SliceThickness", 0.0) or 1.0
    return Slice(
        pixels=pixels,
        position=np.array(tags.numbers(header, "ImagePositionPatient", 3)),
        axes=axes,
        spacing=(between_rows, between_columns),
        thickness=abs(thickness),
    )


def _stored(header: Dataset) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """The stored numbers, and which of them are padding."""
    from pydicom.pixels import pixel_array

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored: NDArray[Any] = header.pixel_array
        if not outside_stored_bits(header):
            return stored, padded(header, stored)
        return stored, padded(header, pixel_array(header, correct_unused_bits=False))


def _rescale(header: Dataset, modality: str) -> tuple[float, float]:
    if "ModalityLUTSequence" in header:
        raise CaseFault("values are given by a ModalityLUTSequence, which is not read; rescale them first")
    if modality != "CT":
        return tags.number(header, "RescaleSlope", 1.0), tags.number(header, "RescaleIntercept", 0.0)
    kind = tags.text(header, "RescaleType").upper()
    if kind not in ("", "HU"):
        raise CaseFault(f"values are not in HU (RescaleType {kind})")
    slope, intercept = (tags.number(header, tag, why=", so no HU") for tag in ("RescaleSlope", "RescaleIntercept"))
    if not slope:
        raise CaseFault("RescaleSlope is 0, so no HU")
    return slope, intercept


def _require_decoder(header: Dataset) -> None:
    """Pixels must be there, in a form that an installed library reads."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not any(tag in header for tag in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise CaseFault("no PixelData")
    if not getattr(header.file_meta, "TransferSyntaxUID", None):  # a file without a head: as it was parsed
        implicit, little = header.original_encoding
        plain = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        header.file_meta.TransferSyntaxUID = plain
    syntax = header.file_meta.TransferSyntaxUID
    try:
        there = get_decoder(syntax).is_available
    except NotImplementedError:
        there = False
    if not there:
        raise CaseFault(
            f"compressed as {syntax.name}, which no installed library reads: "
            "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg, or decompress the files first"
        )
