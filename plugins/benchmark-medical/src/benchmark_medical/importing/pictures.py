"""Pictures and plain arrays: PNG, TIFF, JPEG, BMP, PNM and NPY, as volumes that display the right way up.

What a decoder does on the way is undone (greys of 2 and 4 bits that it stretches to 8) or told (colours of a palette,
opacity that is left out); a picture that its camera says is turned is turned upright, as viewers do.
"""

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
from benchmark_medical.importing.damage import reason, shown

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".npy")
CHANNELS = {"red": 0, "green": 1, "blue": 2}
INDEX = "index"
"""Of a picture with a palette the numbers of its colours, as label maps are stored."""
COLOUR = ("P", "PA", "RGB", "RGBA", "LA", "CMYK", "YCbCr")
"""What Pillow calls pictures that are made RGB, or grey without its opacity."""
PHOTOMETRIC, SAMPLE_FORMAT, ORIENTATION = 262, 339, 274
"""Tags of TIFF 6.0 and Exif."""
STRETCHED = {"L;2": 85, "L;4": 17, "L;2I": 85, "L;4I": 17}
"""By how much Pillow multiplies greys of 2 and 4 bits."""
MAXIMUM_PIXELS = 1 << 27
MOST_CHANNELS = 4
LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601, as JPEG has it."""
UPRIGHT = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Columns run to the patient's left and rows to the back, as in an axial slice; pixels have no size in mm."""

Pixels = tuple[NDArray[Any], tuple[str, ...]]
"""An array, and what has to be told of how it was read."""


def load(path: Path, channel: str = "") -> Volume:
    """A picture as a volume of one slice, or an array ``(slices, rows, columns)``, in its own grey values.

    ``channel`` says what of a colour picture: ``red``, ``green``, ``blue``, ``luma``, or ``index`` of a palette. Grey
    saved as colour needs none.

    Raises:
        CaseFault: missing, damaged, not finite, or in colour and no channel was chosen.
    """
    if not path.is_file():
        raise CaseFault(f"{shown(path)}: no such file")
    try:
        array, told = (open_memmap(path, mode="r"), ()) if path.suffix.lower() == ".npy" else _picture(path, channel)
    except (CaseFault, Unavailable):
        raise
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise CaseFault(f"{shown(path)}: {reason(error)}") from None
    return of_array(array, shown(path), channel, told)


def of_array(array: NDArray[Any], name: str, channel: str = "", told: tuple[str, ...] = ()) -> Volume:
    """The same from an array: rows and columns, slices of them, and at the end of either, channels.

    A last axis of 1 to 4 is one of channels, never of columns: no picture is so narrow.
    """
    if array.dtype.kind not in "iufb" or not 2 <= array.ndim <= 4 or 0 in array.shape or array.size > MAXIMUM_VOXELS:
        raise CaseFault(f"{name}: {array.dtype} of shape {array.shape} is no picture and no stack of slices")
    if array.ndim > 2 and array.shape[-1] <= MOST_CHANNELS:
        array, left_out = _grey(array, name, channel)
        told += left_out
    if array.ndim > 3:
        raise CaseFault(f"{name}: shape {array.shape} is no picture and no stack of slices")
    slices = array[None] if array.ndim == 2 else array
    values = slices.transpose(2, 1, 0).astype(np.float32)
    if bad := values.size - int(np.isfinite(values).sum()):
        raise CaseFault(f"{name}: {bad} of {values.size} pixels are NaN or infinite")
    # RAS order of the upright affine: both in-plane axes are turned
    affine = np.eye(4)
    affine[:2, 3] = [-(values.shape[0] - 1), -(values.shape[1] - 1)]
    origin = Origin.of(values.shape, UPRIGHT, array.dtype)
    return Volume(np.ascontiguousarray(values[::-1, ::-1]), affine, origin, told)


def _picture(path: Path, channel: str) -> Pixels:
    """A picture through Pillow, or through tifffile what Pillow would misread."""
    from PIL import Image, UnidentifiedImageError

    tiff = path.suffix.lower() in (".tif", ".tiff")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAXIMUM_PIXELS:
                raise CaseFault(f"{shown(path)}: {image.width}x{image.height} pixels are too many for one picture")
            if not _misread(image):
                return _read(image, channel)
            if not tiff:
                raise CaseFault(f"{shown(path)}: several pictures, or colour of 16 bits; save it as TIFF or NPY")
    except UnidentifiedImageError:
        if not tiff:
            raise
    return _tiff(path)


def _misread(image: PillowImage) -> bool:
    """Whether Pillow would leave something out: further pages, 8 of 16 bits of colour, the highest of 32 bits."""
    deep = image.mode in COLOUR and "16" in str([part[3] for part in getattr(image, "tile", ())])
    unsigned = image.format == "TIFF" and image.mode == "I" and _tag(image, SAMPLE_FORMAT) in (None, (1,))
    return deep or unsigned or getattr(image, "n_frames", 1) != 1


def _read(image: PillowImage, channel: str) -> Pixels:
    from PIL import ImageOps

    told: list[str] = []
    stretched = max((STRETCHED.get(_raw_mode(part), 1) for part in getattr(image, "tile", ())), default=1)
    white = _tag(image, PHOTOMETRIC) == 0 and image.mode.startswith("I;16")
    if image.getexif().get(ORIENTATION, 1) != 1:
        told.append("turned upright, as its orientation tag says")
        image = ImageOps.exif_transpose(image)
    if image.mode in ("P", "PA") and channel == INDEX:
        return np.asarray(image if image.mode == "P" else image.getchannel(0)), tuple(told)
    if image.mode in ("P", "PA"):
        told.append("the colours of its palette were read, not their numbers (--channel index)")
    if image.mode in ("PA", "LA", "RGBA") or "transparency" in image.info:
        told.append("its opacity was left out")
    if image.mode in COLOUR:
        return np.asarray(image.convert("L" if image.mode == "LA" else "RGB")), tuple(told)
    values = np.asarray(image)
    # Pillow turns pictures in which 0 is white round, but for those of 16 bits
    if white:
        values = np.asarray(np.iinfo(np.uint16).max - values)
    return values // stretched if stretched > 1 else values, tuple(told)


def _raw_mode(part: Any) -> str:
    """How the pixels of a part of a file are packed, as Pillow calls it."""
    arguments = part[3]
    return str(arguments if isinstance(arguments, str) or not arguments else arguments[0])


def _tag(image: PillowImage, number: int) -> object:
    """A tag of a TIFF; ``None`` where there is none."""
    return getattr(image, "tag_v2", {}).get(number)


def _tiff(path: Path) -> Pixels:
    """A TIFF through tifffile, which fills what is missing with zeros and only logs it: that is a fault here."""
    try:
        import tifffile
    except ImportError:
        raise Unavailable(f"{shown(path)} needs tifffile: pip install 'benchmark-medical[importers]'") from None
    complaints = _Complaints(logging.WARNING)
    logger = logging.getLogger("tifffile")
    logger.addHandler(complaints)
    logger.propagate = False
    try:
        with tifffile.TiffFile(path) as file:
            if sum(page.size for page in file.pages) > MAXIMUM_PIXELS:
                raise CaseFault(f"{shown(path)}: {len(file.pages)} pages of {file.pages[0].shape} are too many")
            if not complaints.said:
                single = len(file.pages) == 1
                array: NDArray[Any] = file.pages[0].asarray() if single else file.asarray()
                array = _channels_last(array, file.pages[0].axes if single else file.series[0].axes)
    finally:
        logger.removeHandler(complaints)
        logger.propagate = True
    if complaints.said:
        raise ValueError(complaints.said[0])
    return array, ()


def _channels_last(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Samples or channels, which TIFF may store as planes of their own, at the end."""
    for name in "SC":
        if name in axes and array.ndim == len(axes) and array.shape[axes.index(name)] <= MOST_CHANNELS:
            return np.moveaxis(array, axes.index(name), -1)
    return array


class _Complaints(logging.Handler):
    """What a library logs, kept."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def _grey(array: NDArray[Any], name: str, channel: str) -> Pixels:
    """One value a pixel of an array ``(..., channels)``: grey, grey and opacity, or a channel of colour."""
    count = array.shape[-1]
    if count == 1:
        return array[..., 0], ()
    told = ("its opacity was left out",) if count in (2, 4) and np.ptp(array[..., -1]) > 0 else ()
    if count == 2:
        if np.ptp(array[..., 1]) > 0 and not channel:
            raise CaseFault(f"{name}: two channels of which neither is constant; save the one that is meant")
        return array[..., 0], told
    colour = array[..., :3]
    if channel in CHANNELS:
        return colour[..., CHANNELS[channel]], told
    if channel == "luma":
        return np.asarray(colour @ LUMA), told
    if (colour == colour[..., :1]).all():
        return colour[..., 0], told
    raise CaseFault(f"{name} is in colour; choose one channel with --channel {'|'.join(CHANNELS)}|luma")
