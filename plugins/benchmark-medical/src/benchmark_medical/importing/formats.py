"""Volumes from files: NIfTI; MetaImage and NRRD through SimpleITK; pictures and arrays. All in RAS order."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmark.data.format.schema import Origin
from benchmark.data.volumes import nifti
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.data.volumes.limits import require_shape, require_voxel_sizes
from benchmark.errors import Unavailable
from benchmark_medical.importing import pictures
from benchmark_medical.importing.damage import shown
from benchmark_medical.importing.itk_child import READER
from benchmark_medical.importing.records import ITK
from benchmark_medical.importing.text_headers import read_header

VOLUME_SUFFIXES = (*nifti.SUFFIXES, *ITK.endings)
SUFFIXES = (*VOLUME_SUFFIXES, *pictures.SUFFIXES)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def load(path: Path, channel: str = "") -> Volume:
    """Read a volume; ``channel`` says what of a colour picture.

    Raises:
        CaseFault: it is missing, damaged, no volume of three axes, of an unknown kind, or not finite.
        Unavailable: SimpleITK is needed and not installed.
    """
    name = path.name.lower()
    if name.endswith(nifti.SUFFIXES):
        return nifti.load(path)
    if name.endswith(ITK.endings):
        return _load_itk(path)
    if name.endswith(pictures.SUFFIXES):
        return pictures.load(path, channel)
    raise CaseFault(f"{shown(path)}: not one of {', '.join(SUFFIXES)}")


def stem(path: Path) -> str:
    """The file's name without the ending of its format."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def beside(path: Path) -> tuple[Path, ...]:
    """Files with the values of a detached header."""
    if not path.name.lower().endswith((".mhd", ".nhdr")):
        return ()
    return tuple(path.with_name(stem(path) + suffix) for suffix in ITK.beside)


def volume(data: np.ndarray, affine: np.ndarray, name: str, told: tuple[str, ...] = ()) -> Volume:
    """Voxels of any orientation as a volume in RAS order.

    Raises:
        CaseFault: not three axes, not finite, an affine that cannot be inverted, or sizes that no image has.
    """
    if data.ndim != 3:
        raise CaseFault(f"{name}: shape {data.shape} is not a volume of three axes")
    require_shape(data.shape, name)
    if not np.isfinite(affine).all():
        raise CaseFault(f"{name}: the affine is not finite: {affine.tolist()}")
    require_voxel_sizes(np.linalg.norm(affine[:3, :3], axis=0), name)
    nifti.require_invertible(affine, name)
    turned = nib.as_closest_canonical(nib.Nifti1Image(data.astype(np.float32), affine))
    values = np.asarray(turned.dataobj, np.float32)
    if bad := values.size - int(np.isfinite(values).sum()):
        raise CaseFault(f"{name}: {bad} of {values.size} voxels are NaN or infinite")
    return Volume(values, turned.affine, Origin.of(data.shape, affine, data.dtype), told)


def _load_itk(path: Path) -> Volume:
    if find_spec("SimpleITK") is None:
        raise Unavailable(f"{shown(path)} needs SimpleITK: pip install 'benchmark-medical[importers]'")
    if not path.is_file():
        raise CaseFault(f"{shown(path)}: no such file")
    header = read_header(path)
    data, affine = READER.read(path)
    affine[:3] *= header.millimetres
    return volume(data, LPS_TO_RAS @ affine, shown(path), header.told)
