"""Pictures and plain arrays: PNG, TIFF, JPEG, BMP and NPY, as volumes that display the right way up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.geometry import CaseFault, Volume
from benchmark.data.schema import MAXIMUM_VOXELS, Origin

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".npy")
CHANNELS = {"red": 0, "green": 1, "blue": 2}
LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601, as JPEG has it."""
UPRIGHT = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Columns run to the patient's left and rows to the back, as in an axial slice; pixels have no size in mm."""


def load(path: Path, channel: str = "") -> Volume:
    """A picture as a volume of one slice, or an array ``(slices, rows, columns)``, in its own grey values.

    ``channel`` says what of a colour picture: ``red``, ``green``, ``blue`` or ``luma``. Grey saved as colour needs
    none.

    Raises:
        CaseFault: missing, damaged, not finite, or in colour and no channel was chosen.
    """
    if not path.is_file():
        raise CaseFault(f"{path.name}: no such file")
    try:
        array = np.load(path, allow_pickle=False) if path.suffix.lower() == ".npy" else _picture(path)
    except CaseFault:
        raise
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise CaseFault(
            f"{path.name}: cannot be read, truncated or damaged ({type(error).__name__}: {str(error)[:200]})"
        ) from None
    return of_array(array, path.name, channel)


def of_array(array: NDArray[Any], name: str, channel: str = "") -> Volume:
    """The same from an array: rows and columns, a colour picture, or slices of rows and columns."""
    if array.dtype.kind not in "iufb" or not 2 <= array.ndim <= 3 or 0 in array.shape or array.size > MAXIMUM_VOXELS:
        raise CaseFault(f"{name}: {array.dtype} of shape {array.shape} is no picture and no stack of slices")
    if array.ndim == 3 and array.shape[2] in (3, 4) and not name.lower().endswith(".npy"):
        array = _grey(array[..., :3], name, channel)
    slices = array[None] if array.ndim == 2 else array
    values = slices.transpose(2, 1, 0).astype(np.float32)
    if bad := values.size - int(np.isfinite(values).sum()):
        raise CaseFault(f"{name}: {bad} of {values.size} pixels are NaN or infinite")
    # RAS order of the upright affine: both in-plane axes are turned
    affine = np.eye(4)
    affine[:2, 3] = [-(values.shape[0] - 1), -(values.shape[1] - 1)]
    return Volume(np.ascontiguousarray(values[::-1, ::-1]), affine, Origin.of(values.shape, UPRIGHT, array.dtype))


def _picture(path: Path) -> NDArray[Any]:
    if path.suffix.lower() in (".tif", ".tiff"):
        return _tiff(path)
    from PIL import Image

    with Image.open(path) as image:
        if image.width * image.height > MAXIMUM_VOXELS:
            raise CaseFault(f"{path.name}: {image.width}x{image.height} pixels are too many for one picture")
        if image.mode in ("P", "RGBA", "LA", "CMYK", "YCbCr", "PA"):
            return np.asarray(image.convert("L" if image.mode == "LA" else "RGB"))
        return np.asarray(image)


def _tiff(path: Path) -> NDArray[Any]:
    """TIFF through Pillow; what it does not know, such as floating-point stacks, through tifffile if that is there."""
    try:
        import tifffile
    except ImportError:
        from PIL import Image

        with Image.open(path) as image:
            return np.asarray(image)
    with tifffile.TiffFile(path) as file:
        array: NDArray[Any] = file.asarray()
        if getattr(file.pages[0], "photometric", None) == tifffile.PHOTOMETRIC.MINISWHITE and array.dtype.kind == "u":
            return np.asarray(np.iinfo(array.dtype).max - array)
        return array


def _grey(colour: NDArray[Any], name: str, channel: str) -> NDArray[Any]:
    if channel in CHANNELS:
        return colour[..., CHANNELS[channel]]
    if channel == "luma":
        return np.asarray(colour @ LUMA)
    if (colour == colour[..., :1]).all():
        return colour[..., 0]
    raise CaseFault(f"{name} is in colour; choose one channel with --channel {'|'.join(CHANNELS)}|luma")
