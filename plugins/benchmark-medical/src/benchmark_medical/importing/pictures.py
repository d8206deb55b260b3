"""Pictures and plain arrays: PNG, TIFF, JPEG, BMP and NPY, as volumes that display the right way up."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from benchmark.data.format.schema import MAXIMUM_VOXELS, Origin
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.errors import Unavailable
from benchmark_medical.importing.damage import reason

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".npy")
CHANNELS = {"red": 0, "green": 1, "blue": 2}
COLOUR = ("P", "PA", "RGB", "RGBA", "LA", "CMYK", "YCbCr")
"""What Pillow calls pictures that are made RGB, or grey without its opacity."""
PHOTOMETRIC, SAMPLE_FORMAT = 262, 339
"""Tags of TIFF 6.0."""
MAXIMUM_PIXELS = 1 << 27
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
    except (CaseFault, Unavailable):
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
    """A picture through Pillow, or through tifffile what Pillow would misread."""
    from PIL import Image, UnidentifiedImageError

    tiff = path.suffix.lower() in (".tif", ".tiff")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAXIMUM_PIXELS:
                raise CaseFault(f"{path.name}: {image.width}x{image.height} pixels are too many for one picture")
            if not _misread(image):
                return _read(image)
            if not tiff:
                raise CaseFault(f"{path.name}: several pictures, or colour of 16 bits; save it as TIFF or NPY")
    except UnidentifiedImageError:
        if not tiff:
            raise
    return _tiff(path)


def _misread(image: PillowImage) -> bool:
    """Whether Pillow would leave something out: further pages, 8 of 16 bits of colour, the highest of 32 bits."""
    deep = image.mode in COLOUR and "16" in str([part[3] for part in getattr(image, "tile", ())])
    unsigned = image.format == "TIFF" and image.mode == "I" and _tag(image, SAMPLE_FORMAT) in (None, (1,))
    return deep or unsigned or getattr(image, "n_frames", 1) != 1


def _read(image: PillowImage) -> NDArray[Any]:
    if image.mode in COLOUR:
        return np.asarray(image.convert("L" if image.mode == "LA" else "RGB"))
    values = np.asarray(image)
    # Pillow turns pictures in which 0 is white round, but for those of 16 bits
    white = _tag(image, PHOTOMETRIC) == 0 and image.mode.startswith("I;16")
    return np.asarray(np.iinfo(np.uint16).max - values) if white else values


def _tag(image: PillowImage, number: int) -> object:
    """A tag of a TIFF; ``None`` where there is none."""
    return getattr(image, "tag_v2", {}).get(number)


def _tiff(path: Path) -> NDArray[Any]:
    """A TIFF through tifffile, which fills what is missing with zeros and only logs it: that is a fault here."""
    try:
        import tifffile
    except ImportError:
        raise Unavailable(f"{path.name} needs tifffile: pip install 'benchmark-medical[importers]'") from None
    complaints = _Complaints(logging.WARNING)
    logger = logging.getLogger("tifffile")
    logger.addHandler(complaints)
    logger.propagate = False
    try:
        with tifffile.TiffFile(path) as file:
            if sum(page.size for page in file.pages) > MAXIMUM_PIXELS:
                raise CaseFault(f"{path.name}: {len(file.pages)} pages of {file.pages[0].shape} are too many")
            if not complaints.said:
                array: NDArray[Any] = file.pages[0].asarray() if len(file.pages) == 1 else file.asarray()
    finally:
        logger.removeHandler(complaints)
        logger.propagate = True
    if complaints.said:
        raise ValueError(complaints.said[0])
    return array


class _Complaints(logging.Handler):
    """What a library logs, kept."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def _grey(colour: NDArray[Any], name: str, channel: str) -> NDArray[Any]:
    if channel in CHANNELS:
        return colour[..., CHANNELS[channel]]
    if channel == "luma":
        return np.asarray(colour @ LUMA)
    if (colour == colour[..., :1]).all():
        return colour[..., 0]
    raise CaseFault(f"{name} is in colour; choose one channel with --channel {'|'.join(CHANNELS)}|luma")
