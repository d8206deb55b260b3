"""Headers of MetaImage and NRRD, read before SimpleITK sees the file: what they claim, and what they refer to.

A header may name another file with the values; only a real file beside it is read. Shapes, voxel sizes and line lengths
must be those of a volume (long lines have crashed readers), and as many bytes as are claimed must be there. ITK takes
every number for millimetres: the unit that a header names is looked up here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.data.volumes.files import leads_out
from benchmark.data.volumes.geometry import CaseFault
from benchmark.data.volumes.limits import (
    LONGEST_LINE,
    require_bytes,
    require_shape,
    require_voxel_sizes,
)
from benchmark.printable import printable
from benchmark_medical.importing.damage import shown

LONGEST_HEADER = 1 << 20
DATA_FILE = ("elementdatafile", "data file", "datafile")
"""Keys by which headers name another file with the values: MetaImage's, and NRRD's two."""
SEVERAL = "\n"
"""Between values of a key that comes more than once; no value holds it."""
MILLIMETRES = {"mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "cm": 10.0, "m": 1000.0, "meter": 1000.0, "um": 1e-3,
               "µm": 1e-3, "micron": 1e-3, "micrometer": 1e-3, "nm": 1e-6, "in": 25.4, "inch": 25.4}  # fmt: skip
BYTES = {"char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "long": 4, "ulong": 4, "long_long": 8,
         "ulong_long": 8, "float": 4, "double": 8, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4,
         "uint32": 4, "int64": 8, "uint64": 8}  # fmt: skip
"""Bytes a value of the types that both formats have."""
KNOWN_SPACES = ("right-anterior-superior", "ras", "left-anterior-superior", "las", "left-posterior-superior", "lps")


@dataclass(frozen=True)
class TextHeader:
    """What a header says beyond what SimpleITK reads: the unit of its lengths, and what a person should know."""

    millimetres: float = 1.0
    told: tuple[str, ...] = ()


def read_header(path: Path) -> TextHeader:
    """The checked header of a MetaImage or NRRD file.

    Raises:
        CaseFault: it cannot be read, claims what no volume has, or refers to a file that is not beside it.
    """
    name = shown(path)
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_HEADER + 1)
            there = path.stat().st_size
    except OSError as error:
        raise CaseFault(f"{name}: cannot be read ({error.strerror or error})") from None
    nrrd = start.startswith(b"NRRD")
    fields = _fields(start, name, nrrd=nrrd)
    neighbour = None
    for value in (value for key in DATA_FILE for value in fields.get(key, "").split(SEVERAL)):
        if value and value.lower() != "local":
            neighbour = require_neighbour(path, value)
    _require_claims(fields, name, neighbour.stat().st_size if neighbour and neighbour.is_file() else there, nrrd=nrrd)
    return _nrrd(fields, name) if nrrd else _meta(fields, name)


def require_neighbour(path: Path, value: str) -> Path:
    """The file beside ``path`` that a header names.

    Raises:
        CaseFault: it names several, or one that lies elsewhere, were it behind a link.
    """
    several = "%" in value or value.lower().split()[:1] == ["list"]
    if Path(value).name != value or several or leads_out(path.parent / value, path.parent):
        raise CaseFault(
            f"{shown(path)}: its values are said to be in {printable(value)[:80]!r}; only a file beside it is read"
        )
    return path.parent / value


def _fields(start: bytes, name: str, *, nrrd: bool) -> Mapping[str, str]:
    """The header's fields, keys in lower case; all files that it names, with :data:`SEVERAL` between them.

    Ends of lines are whatever any reader takes for one.
    """
    fields: dict[str, str] = {}
    for row in start.split(b"\n"):
        if nrrd and row in (b"", b"\r"):
            return fields
        for line in row.split(b"\r"):
            if len(line) > LONGEST_LINE:
                raise CaseFault(f"{name}: a line of more than {LONGEST_LINE} bytes in its header")
            key, _, value = line.replace(b":", b"=", 1).partition(b"=")
            word, said = key.decode("latin-1").strip().lower(), value.decode("latin-1").lstrip("=").strip()
            if not word or word.startswith("#") or not said:
                continue
            if word in DATA_FILE and word in fields:
                fields[word] += SEVERAL + said
            elif fields.setdefault(word, said) != said and word in ("ndims", "dimsize", "sizes", "dimension"):
                raise CaseFault(f"{name}: {word!r} stands in its header twice")
            if key.rstrip() == b"ElementDataFile":  # where its reader stops too: what comes next are values
                return fields
    if len(start) > LONGEST_HEADER:
        raise CaseFault(f"{name}: a header of more than {LONGEST_HEADER} bytes")
    return fields


def _require_claims(fields: Mapping[str, str], name: str, there: int, *, nrrd: bool) -> None:
    axes = fields.get("dimension" if nrrd else "ndims", "3")
    if axes.strip() not in ("2", "3", "4"):
        raise CaseFault(f"{name}: {printable(axes)[:20]} axes; a volume has three")
    shape = [_whole(word) for word in fields.get("sizes" if nrrd else "dimsize", "").split()]
    if not shape or None in shape:
        raise CaseFault(f"{name}: cannot be read, truncated or damaged (no sizes in its header)")
    lengths = [length for length in shape if length is not None]
    require_shape(lengths, name)
    if nrrd:
        compressed = fields.get("encoding", "raw").lower() not in ("raw", "text", "txt", "ascii", "hex")
        size = BYTES.get(_plain_type(fields.get("type", "")), 1)
        plain = fields.get("encoding", "raw").lower() == "raw"
    else:
        compressed = fields.get("compresseddata", "false").lower() == "true"
        size = BYTES.get(fields.get("elementtype", "").lower().removeprefix("met_"), 1)
        plain = fields.get("binarydata", "true").lower() != "false"
    require_bytes(lengths, size if plain or compressed else 1, there, name, compressed=compressed)


def _plain_type(words: str) -> str:
    """NRRD's type without its ``_t`` and ``signed``."""
    word = "_".join(words.lower().removeprefix("signed ").split()).removesuffix("_t")
    return (
        word.replace("unsigned_", "u").removesuffix("_int")
        if word not in ("int", "unsigned_int")
        else word.replace("unsigned_", "u")
    )


def _whole(word: str) -> int | None:
    return int(word) if re.fullmatch(r"\d{1,12}", word) else None


def _meta(fields: Mapping[str, str], name: str) -> TextHeader:
    told: list[str] = []
    unit = fields.get("distanceunits", "").lower().removeprefix("met_distance_units_")
    factor = _factor(unit, name, told) if unit not in ("", "?", "unknown") else 1.0
    sizes = _numbers(fields.get("elementspacing") or fields.get("elementsize") or "")
    if sizes:
        require_voxel_sizes([factor * abs(size) for size in sizes], name)
    else:
        told.append("its header tells no voxel size: 1 mm is taken")
    matrix = next((fields[key] for key in ("transformmatrix", "rotation", "orientation") if key in fields), "")
    if not matrix and not any(key in fields for key in ("offset", "position", "origin")):
        told.append("its header tells no place and no direction: left and right are guessed")
    said = fields.get("anatomicalorientation", "").upper()
    if re.fullmatch(r"[RLAPIS]{3}", said) and len(directions := _numbers(matrix)) == 9:
        meant = _anatomical(directions)
        if meant != said:
            told.append(f"its AnatomicalOrientation {said} contradicts its TransformMatrix ({meant}), which is used")
    return TextHeader(factor, tuple(told))


def _anatomical(directions: list[float]) -> str:
    """From which side of the patient each axis comes, as MetaImage says it."""
    letters = ""
    for axis in range(3):
        along = directions[3 * axis : 3 * axis + 3]
        largest = max(range(3), key=lambda index: abs(along[index]))
        letters += ("RL", "AP", "IS")[largest][along[largest] < 0]
    return letters


def _nrrd(fields: Mapping[str, str], name: str) -> TextHeader:
    told: list[str] = []
    units = {
        unit.lower() for unit in re.findall(r'"([^"]*)"', fields.get("space units", "") or fields.get("units", ""))
    }
    units.discard("")
    if len(units) > 1:
        raise CaseFault(
            f"{name}: its axes are measured in different units ({', '.join(sorted(map(printable, units)))})"
        )
    factor = _factor(units.pop(), name, told) if units else 1.0
    directions = re.findall(r"\(([^()]*)\)", fields.get("space directions", ""))
    if directions:
        sizes = [math.hypot(*numbers) for vector in directions if (numbers := _numbers(vector.replace(",", " ")))]
    else:
        sizes = [size for size in _numbers(fields.get("spacings", "")) if math.isfinite(size)]
        told.append("its header tells no directions in space: left and right are guessed")
    if sizes:
        require_voxel_sizes([factor * abs(size) for size in sizes], name)
    else:
        told.append("its header tells no voxel size: 1 mm is taken")
    space = fields.get("space", "").lower()
    if directions and space not in KNOWN_SPACES:
        told.append(f"its space {printable(space) or 'has no name'!r}: taken for left-posterior-superior")
    return TextHeader(factor, tuple(told))


def _factor(unit: str, name: str, told: list[str]) -> float:
    """Millimetres in a unit of length."""
    factor = MILLIMETRES.get(unit if unit in MILLIMETRES else unit.removesuffix("s"))
    if factor is None:
        raise CaseFault(f"{name}: lengths in {printable(unit)[:20]!r}; write them in mm")
    if factor != 1:
        told.append(f"its lengths are in {unit} and were converted to mm")
    return factor


def _numbers(words: str) -> list[float]:
    try:
        return [float(word) for word in words.split()]
    except ValueError:
        return []
