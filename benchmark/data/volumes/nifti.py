"""NIfTI files: read into RAS order in mm, and written back exactly as they lay."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from benchmark import atomic
from benchmark.data.format.schema import Origin
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.data.volumes.limits import require_bytes, require_shape, require_voxel_sizes
from benchmark.printable import printable

SUFFIXES = (".nii", ".nii.gz")
MILLIMETRES = {"meter": 1000.0, "micron": 1e-3}
"""Of the units of length that a header can name beside mm; without a name lengths are in mm."""
PLACE = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
         "srow_x", "srow_y", "srow_z", "xyzt_units")  # fmt: skip
"""Fields of a header that say where a volume lies; with them its voxel sizes (``pixdim``)."""
APART = 0.1
"""Part of a voxel by which two statements about place may differ."""


@dataclass(frozen=True)
class Scan:
    """A NIfTI file as read: its volume in RAS order, and what is needed to write another on the same grid."""

    volume: Volume
    header: nib.Nifti1Header
    affine: NDArray[np.float64]
    """As its header has it, in its own unit of length."""

    def like(self, data: NDArray[np.generic], description: str) -> nib.Nifti1Image:
        """An image of RAS-ordered ``data`` in this file's own order, with the very place that its header states."""
        back = ornt_transform(axcodes2ornt("RAS"), io_orientation(self.affine))
        image = nib.Nifti1Image(np.ascontiguousarray(apply_orientation(data, back)), self.affine)
        for field in PLACE:
            image.header[field] = self.header[field]
        image.header["pixdim"][:4] = self.header["pixdim"][:4]
        image.header["descrip"] = description.encode("ascii", "replace")[:79]
        return image


def read(path: Path) -> Scan:
    """Read a NIfTI volume.

    Raises:
        CaseFault: it is missing, truncated, not 3-D, without a usable affine, claims what no volume has, or holds NaN
            or infinite values.
    """
    name = printable(f"{path.parent.name}/{path.name}")
    if not path.is_file():
        raise CaseFault(f"{name}: no such file")
    try:
        with _quiet():
            image = nib.load(path)
            shape = image.shape
            while len(shape) > 3 and shape[-1] == 1:
                shape = shape[:-1]
            if len(shape) != 3 or min(shape) < 1:
                raise CaseFault(f"{name}: shape {image.shape} is not a volume of three axes")
            require_shape(shape, name)
            stored = image.get_data_dtype()
            if stored.kind not in "iufb":
                raise CaseFault(f"{name}: values of type {stored} are not grey values")
            compressed = path.name.lower().endswith(".gz")
            require_bytes(shape, stored.itemsize, path.stat().st_size, name, compressed=compressed)
            affine = np.asarray(image.affine, np.float64)
            header = nib.Nifti1Header.from_header(image.header)
            in_mm, told = _in_mm(affine, header, name)
            data = np.asanyarray(image.dataobj).reshape(shape)
            turned = nib.as_closest_canonical(nib.Nifti1Image(data.astype(np.float32), in_mm))
    except CaseFault:
        raise
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise CaseFault(
            f"{name}: cannot be read, truncated or damaged ({type(error).__name__}: {printable(str(error))[:200]})"
        ) from None
    values = np.asarray(turned.dataobj, np.float32)
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise CaseFault(f"{name}: {bad} of {values.size} voxels are NaN or infinite")
    origin = Origin.of(shape, in_mm, stored)
    return Scan(Volume(values, turned.affine, origin, told), header, affine)


def load(path: Path) -> Volume:
    """The volume of a NIfTI file in RAS order; raises as :func:`read` does."""
    return read(path).volume


def require_invertible(affine: NDArray[np.float64], name: str) -> None:
    """Three axes must point in three directions.

    Raises:
        CaseFault: they do not.
    """
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not abs(np.linalg.det(affine[:3, :3] / np.where(lengths > 0, lengths, 1))) > 1e-6:
        raise CaseFault(f"{name}: the affine is not invertible: {affine.tolist()}")


def _in_mm(
    affine: NDArray[np.float64], header: nib.Nifti1Header, name: str
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The affine in mm, and where the header says nothing about place, or several things."""
    if not np.isfinite(affine).all():
        raise CaseFault(f"{name}: the affine is not invertible: {affine.tolist()}")
    unit = header.get_xyzt_units()[0]
    in_mm = affine.copy()
    in_mm[:3] *= MILLIMETRES.get(unit, 1.0)
    require_voxel_sizes(np.linalg.norm(in_mm[:3, :3], axis=0), name)
    require_invertible(in_mm, name)
    told = [f"its lengths are in {unit}s and were converted to mm"] if unit in MILLIMETRES else []
    by_quaternion, by_matrix = int(header["qform_code"]) > 0, int(header["sform_code"]) > 0
    if not by_quaternion and not by_matrix:
        told.append("neither qform nor sform is set: its place, and left and right, are guessed")
    shape = header.get_data_shape()[:3]
    if by_quaternion and by_matrix:
        said, used = header.get_qform(), header.get_sform()
        ends = np.array([(x, y, z, 1.0) for x in (0, shape[0]) for y in (0, shape[1]) for z in (0, shape[2])]).T
        off = float(np.linalg.norm(((said - used) @ ends)[:3], axis=0).max())
        if not off <= APART * float(np.linalg.norm(affine[:3, :3], axis=0).min()):
            how = ", left and right exchanged" if np.linalg.det(said[:3, :3]) * np.linalg.det(used[:3, :3]) < 0 else ""
            unit = unit if unit in MILLIMETRES else "mm"
            told.append(f"qform and sform contradict each other by up to {off:.3g} {unit}{how}: sform is used")
    elif by_matrix:
        sizes, lengths = np.abs(header["pixdim"][1:4].astype(float)), np.linalg.norm(affine[:3, :3], axis=0)
        if not np.allclose(sizes, lengths, rtol=APART):
            said, meant = (" x ".join(f"{size:.4g}" for size in three) for three in (sizes, lengths))
            told.append(f"its voxel sizes {said} contradict its sform ({meant}), which is used")
    return in_mm, tuple(told)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what nibabel logs of headers: what matters of it is said in the messages here."""
    logger = logging.getLogger("nibabel.global")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def write(path: Path, image: nib.Nifti1Image) -> None:
    """Write a NIfTI file atomically; ``.nii.gz`` is compressed."""
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith(".nii.gz") else ".nii"

    def save(temporary: Path) -> None:
        # nibabel chooses the format by the name's ending
        named = temporary.with_name(temporary.name + suffix)
        try:
            nib.save(image, named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)

    atomic.write_with(path, save)
