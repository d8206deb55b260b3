"""NIfTI files: read into RAS order, and written back exactly as they lay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from benchmark import atomic
from benchmark.data.format.schema import MAXIMUM_VOXELS, Origin
from benchmark.data.volumes.geometry import CaseFault, Volume

SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Scan:
    """A NIfTI file as read: its volume in RAS order, and what is needed to write another on the same grid."""

    volume: Volume
    header: nib.Nifti1Header
    affine: NDArray[np.float64]

    def like(self, data: NDArray[np.generic], description: str) -> nib.Nifti1Image:
        """An image of RAS-ordered ``data`` in this file's own order: same affine, spacing and space codes."""
        back = ornt_transform(axcodes2ornt("RAS"), io_orientation(self.affine))
        image = nib.Nifti1Image(np.ascontiguousarray(apply_orientation(data, back)), self.affine)
        for space in ("qform", "sform"):
            code = int(self.header[f"{space}_code"])
            getattr(image, f"set_{space}")(self.affine, code)
        if not any(int(self.header[f"{space}_code"]) for space in ("qform", "sform")):
            # without a code the affine comes from the voxel size alone, and must again
            image.header.set_zooms(self.header.get_zooms()[:3])
        image.header.set_xyzt_units(*self.header.get_xyzt_units())
        image.header["descrip"] = description.encode("ascii", "replace")[:79]
        return image


def read(path: Path) -> Scan:
    """Read a NIfTI volume.

    Raises:
        CaseFault: it is missing, truncated, not 3-D, without a usable affine, or holds NaN or infinite values.
    """
    if not path.is_file():
        raise CaseFault(f"{path.name}: no such file")
    try:
        image = nib.load(path)
        shape = image.shape
        if int(np.prod(shape, dtype=np.float64)) > MAXIMUM_VOXELS:
            raise CaseFault(f"{path.name}: shape {shape} is too large for one volume")
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) != 3 or min(shape) < 1:
            raise CaseFault(f"{path.name}: shape {image.shape} is not a volume of three axes")
        data = np.asanyarray(image.dataobj).reshape(shape)
        if data.dtype.kind not in "iufb":
            raise CaseFault(f"{path.name}: values of type {data.dtype} are not grey values")
        affine = np.asarray(image.affine, np.float64)
        if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise CaseFault(f"{path.name}: the affine is not invertible: {affine.tolist()}")
        turned = nib.as_closest_canonical(nib.Nifti1Image(data.astype(np.float32), affine))
        header = nib.Nifti1Header.from_header(image.header)
    except CaseFault:
        raise
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise CaseFault(
            f"{path.name}: cannot be read, truncated or damaged ({type(error).__name__}: {error})"
        ) from None
    values = np.asarray(turned.dataobj, np.float32)
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise CaseFault(f"{path.name}: {bad} of {values.size} voxels are NaN or infinite")
    origin = Origin.of(shape, affine, image.get_data_dtype())
    return Scan(Volume(values, turned.affine, origin), header, affine)


def load(path: Path) -> Volume:
    """The volume of a NIfTI file in RAS order; raises as :func:`read` does."""
    return read(path).volume


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
