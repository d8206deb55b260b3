"""Volumes from files: NIfTI; MetaImage and NRRD through SimpleITK; pictures and arrays. All in RAS order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmark.data.format.schema import MAXIMUM_VOXELS, Origin
from benchmark.data.volumes import nifti
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.errors import Unavailable
from benchmark_medical.importing import pictures
from benchmark_medical.importing.damage import reason

ITK_SUFFIXES = (".mha", ".mhd", ".nrrd", ".nhdr")
VOLUME_SUFFIXES = (*nifti.SUFFIXES, *ITK_SUFFIXES)
SUFFIXES = (*VOLUME_SUFFIXES, *pictures.SUFFIXES)
DATA_FILE = (b"elementdatafile", b"data file", b"datafile")
"""Keys by which headers name another file with the values: MetaImage's, and NRRD's two."""
LONGEST_HEADER = 1 << 20
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
    if name.endswith(ITK_SUFFIXES):
        return _load_itk(path)
    if name.endswith(pictures.SUFFIXES):
        return pictures.load(path, channel)
    raise CaseFault(f"{path.name}: not one of {', '.join(SUFFIXES)}")


def stem(path: Path) -> str:
    """The file's name without the ending of its format."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def volume(data: np.ndarray, affine: np.ndarray, name: str) -> Volume:
    """Voxels of any orientation as a volume in RAS order.

    Raises:
        CaseFault: not three axes, not finite, or an affine that cannot be inverted.
    """
    if data.ndim != 3 or min(data.shape) < 1:
        raise CaseFault(f"{name}: shape {data.shape} is not a volume of three axes")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise CaseFault(f"{name}: the affine is not invertible: {affine.tolist()}")
    turned = nib.as_closest_canonical(nib.Nifti1Image(data.astype(np.float32), affine))
    values = np.asarray(turned.dataobj, np.float32)
    if bad := values.size - int(np.isfinite(values).sum()):
        raise CaseFault(f"{name}: {bad} of {values.size} voxels are NaN or infinite")
    return Volume(values, turned.affine, Origin.of(data.shape, affine, data.dtype))


def _load_itk(path: Path) -> Volume:
    try:
        import SimpleITK
    except ImportError:
        raise Unavailable(f"{path.name} needs SimpleITK: pip install 'benchmark-medical[importers]'") from None
    if not path.is_file():
        raise CaseFault(f"{path.name}: no such file")
    _require_neighbour(path)
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with _silent():
            reader.ReadImageInformation()
        size = reader.GetSize()
        if float(np.prod(size, dtype=np.float64)) > MAXIMUM_VOXELS:
            raise CaseFault(f"{path.name}: shape {size} is too large for one volume")
        if reader.GetNumberOfComponents() != 1 or reader.GetDimension() != 3:
            raise CaseFault(
                f"{path.name}: {reader.GetDimension()} axes and {reader.GetNumberOfComponents()} values a voxel; "
                "a volume has three axes and one value"
            )
        with _silent():
            image = reader.Execute()
    except RuntimeError as error:
        raise CaseFault(f"{path.name}: {reason(error)}") from None
    data = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return volume(data, LPS_TO_RAS @ affine, path.name)


def _require_neighbour(path: Path) -> None:
    """A header may name its values' file only beside itself: nothing from elsewhere is read in a patient's name.

    Any of these files may name another, whatever its ending.
    """
    try:
        with path.open("rb") as file:
            header = file.read(LONGEST_HEADER + 1)
    except OSError as error:
        raise CaseFault(f"{path.name}: cannot be read ({error.strerror or error})") from None
    nrrd = header.startswith(b"NRRD")
    for line in header.split(b"\n"):
        if nrrd and line in (b"", b"\r"):
            return
        name, _, value = line.replace(b":", b"=", 1).partition(b"=")
        if name.strip().lower() in DATA_FILE:
            _require_plain(value.decode("latin-1").strip(), path)
            if name.rstrip() == b"ElementDataFile":  # where its reader stops too: what comes next are values
                return
    if len(header) > LONGEST_HEADER:
        raise CaseFault(f"{path.name}: a header of more than {LONGEST_HEADER} bytes")


def _require_plain(value: str, path: Path) -> None:
    several = "%" in value or value.lower().split()[:1] == ["list"]
    if value.lower() != "local" and (Path(value).name != value or several):
        raise CaseFault(f"{path.name}: its values are said to be in {value!r}; only a file beside it is read")


@contextmanager
def _silent() -> Iterator[None]:
    """Without what a library's C++ prints past Python."""
    sys.stdout.flush()
    sys.stderr.flush()
    with ExitStack() as stack:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        for stream in (1, 2):
            kept = os.dup(stream)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, stream)
            os.dup2(nowhere, stream)
        yield
