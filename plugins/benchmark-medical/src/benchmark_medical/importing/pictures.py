"""Pictures and plain arrays: PNG, TIFF, JPEG, BMP and NPY, as volumes that display the right way up."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from benchmark.data.geometry import CaseFault, Volume
from benchmark.data.schema import MAXIMUM_VOXELS, Origin
from benchmark_medical.importing.damage import reason

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".npy")
CHANNELS = {"red": 0, "green": 1, "blue": 2}
COLOUR = ("P", "PA", "RGB", "RGBA", "LA", "CMYK", "YCbCr")
"""What Pillow calls pictures that are made RGB, or grey without its opacity."""
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
        array = open_memmap(path, mode="r") if path.suffix.lower() == ".npy" else _picture(path)
    except CaseFault:
        raise
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise CaseFault(f"{path.name}: {reason(error)}") from None
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
    """A picture through Pillow, a TIFF through tifffile where that is there and knows the compression."""
    if path.suffix.lower() in (".tif", ".tiff"):
        with suppress(ImportError, ValueError, NotImplementedError):  # Pillow knows what tifffile may need a codec for
            return _tiff(path)
    from PIL import Image

    with Image.open(path) as image:
        if image.width * image.height > MAXIMUM_VOXELS:
            raise CaseFault(f"{path.name}: {image.width}x{image.height} pixels are too many for one picture")
        if getattr(image, "n_frames", 1) != 1:
            raise CaseFault(
                f"{path.name}: {image.n_frames} pictures in one file; save each on its own, or a stack as NPY"
            )
        if image.tile and "16" in str(image.tile[0][3]) and image.mode in COLOUR:
            raise CaseFault(f"{path.name}: colour of 16 bits would lose its lower 8; save 16-bit grey, or TIFF")
        if image.mode in COLOUR:
            return np.asarray(image.convert("L" if image.mode == "LA" else "RGB"))
        return np.asarray(image)


def _tiff(path: Path) -> NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if sum(page.size for page in file.pages) > MAXIMUM_VOXELS:
            raise CaseFault(
                f"{path.name}: {len(file.pages)} pages of {file.pages[0].shape} are too many for one volume"
            )
        array: NDArray[Any] = file.pages[0].asarray() if len(file.pages) == 1 else file.asarray()
        if array.ndim == 2 and file.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            return np.asarray(np.iinfo(array.dtype).max - array if array.dtype.kind == "u" else ~array)
        return array


def _grey(colour: NDArray[Any], name: str, channel: str) -> NDArray[Any]:
    if channel in CHANNELS:
        return colour[..., CHANNELS[channel]]
    if channel == "luma":
        return np.asarray(colour @ LUMA)
    if (colour == colour[..., :1]).all():
        return colour[..., 0]
    raise CaseFault(f"{name} is in colour; choose one channel with --channel {'|'.join(CHANNELS)}|luma")
