"""Tags of a DICOM header, read so that one that is missing, empty or no number is named."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.volumes.geometry import CaseFault
from benchmark.errors import Unavailable
from benchmark.printable import printable

if TYPE_CHECKING:
    from pydicom import Dataset

MARK = b"DICM"
BARE = (b"\x02\x00", b"\x08\x00")
"""Group of the first tag of a file without the mark, as older programs write them: (0002,eeee) or (0008,eeee)."""
ENDINGS = (".dcm", ".ima", ".dicom")


def looks_like_dicom(path: Path) -> bool:
    """By its mark, by its ending, or by a first tag of a group that only headers begin with."""
    try:
        with path.open("rb") as file:
            start = file.read(len(MARK) + 128)
    except OSError:
        return path.suffix.lower() in ENDINGS
    return start[128:] == MARK or path.suffix.lower() in ENDINGS or _is_bare(start)


def _is_bare(start: bytes) -> bool:
    # group, element, then the two letters of a value's type or a length that is not huge
    return len(start) >= 8 and start[:2] in BARE and (start[4:6].isalpha() or start[6:8] == b"\0\0")


def read(path: Path, *, only: list[str] | None = None) -> Dataset:
    """The data set in a file; ``only``: these tags, and no pixels.

    Raises:
        CaseFault: it is empty, or not DICOM.
        Unavailable: pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError:
        raise Unavailable("DICOM needs pydicom: pip install 'benchmark-medical[importers]'") from None
    with path.open("rb") as file:
        start = file.read(len(MARK) + 128)
    if not start:
        raise CaseFault("an empty file")
    if start[128:] != MARK and not _is_bare(start):
        raise CaseFault("not DICOM: no DICM mark, and it does not begin with a DICOM tag")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if only is None:
            return pydicom.dcmread(path, force=True)
        return pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(only))


def text(header: Dataset, tag: str) -> str:
    """The tag's value as text; empty where there is none."""
    return printable(str(header.get(tag) or "").strip())


def required(header: Dataset, tag: str, why: str = "") -> object:
    """The value of a tag that must be there.

    Raises:
        CaseFault: the tag is missing, or there and empty.
    """
    if tag not in header:
        raise CaseFault(f"no {tag}{why}")
    value = header[tag].value
    if value is None or (isinstance(value, str | bytes) and not value.strip()) or value == []:
        raise CaseFault(f"{tag} is empty{why}")
    return value


def number(header: Dataset, tag: str, default: float | None = None, *, why: str = "") -> float:
    """A finite number. ``default`` is what a missing or empty tag means; without one it must be there.

    Raises:
        CaseFault: it is missing, empty, or no finite number.
    """
    if default is not None and header.get(tag) in (None, "", []):
        return default
    value = required(header, tag, why)
    try:
        said = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        said = math.nan
    if not math.isfinite(said):
        raise CaseFault(f"{tag} {printable(str(value))[:40]!r} is no number{why}")
    return said


def numbers(header: Dataset, tag: str, count: int) -> list[float]:
    """So many finite numbers.

    Raises:
        CaseFault: the tag is missing or empty, or holds anything else.
    """
    value = required(header, tag)
    try:
        said = [float(part) for part in value]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        said = []
    if len(said) != count or not all(map(math.isfinite, said)):
        raise CaseFault(f"{tag} {printable(str(value))[:60]!r} is not {count} numbers")
    return said
