"""Names and rules of the ``mi2i/1`` HDF5 layout, and of ``mi2i/2``, which is it with a source of several channels.

::

    /                                attrs: schema, task, name, simulated, paired, mirror_safe, provenance (JSON),
                                            source (JSON), target (JSON), content_sha256
    /cases/<patient>/<study>/source  (Z, H, W) float32 or int16, one chunk per slice; attrs: sha256
                            /source/<channel>  in its place in mi2i/2: a group of such arrays, all of one shape
                            /target  the same shape
                            /mask    uint8, the region in which scores are computed
                            /labels  uint8, optional tissue labels
             attrs: spacing (Z, Y, X in mm), affine (4x4, voxel (x, y, z) to RAS mm), physics (JSON),
                    origins (JSON, optional: the grids of the scans that the sides were read from)
    /splits/{train,val,test}         lists of patients, never of slices

Strings have a fixed length and metadata carry checksums (HDF5 1.10 and newer), so that a damaged file is noticed;
variable-length strings live in HDF5's global heap, where one wrong byte can hang the library.

``source`` and ``target`` describe a side: modality, unit, the window rule, the window it gave on the training patients,
and the curve of the map inside it (``root``; linear if absent). In ``mi2i/2`` ``source`` holds ``channels``, a list of
two or more of these, each with the ``name`` of its arrays, in the order in which models see them; each channel has a
unit and a window of its own, and every case with a source has all of them. A file whose source has one channel is
written as ``mi2i/1``, byte for byte as before.

Where ``paired`` (true if absent) is false, the sources and targets of the training patients do not belong together,
and a case of theirs may hold only one of the two, with its mask; validation and test cases are pairs all the same.
``mirror_safe`` (false if absent) says that the anatomy is as likely the other way round, left for right.
Where sources are a simulated degradation of real images, ``simulated`` is true and ``provenance`` has ``degradation``,
an object whose ``of_real_images`` is true.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.contracts.intensity import IntensityMap, Window
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

SCHEMA = "mi2i/1"
CHANNELS_SCHEMA = "mi2i/2"
"""Of files whose sources have several channels."""
SCHEMAS = (SCHEMA, CHANNELS_SCHEMA)
PREDICTIONS_SCHEMA = "mi2i-predictions/1"
LABELS = "@labels"
"""Group of a predictions file with the structures found in the predictions; no patient can be called so."""
STORED = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
"""How arrays are stored, one chunk a slice: what every HDF5 program reads, with checksums."""
SPLITS = ("train", "val", "test")
MAXIMUM_VOXELS = 1 << 30
"""Larger volumes are refused: no scan is, but a damaged header may say so."""
ROLES = ("source", "target", "mask", "labels")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@dataclass(frozen=True)
class Side:
    """One side of the translation: what is imaged, in which unit, and which window models see."""

    modality: str
    unit: str
    window: Window
    name: str = ""
    """Of a source of several channels: what the channel is called."""


def source_roles(sources: Sequence[Side]) -> tuple[str, ...]:
    """Where the channels of a source lie within a case.

    Raises:
        DatasetError: several, of which two have one name, or one has none.
    """
    if len(sources) == 1:
        return ("source",)
    names = [identifier(side.name, "channel") for side in sources]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DatasetError(f"two channels of the source are called {twice[0]!r}; give each a name of its own")
    return tuple(f"source/{name}" for name in names)


def arrays_in(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """The arrays of a case by role, those of a source's channels one by one (``source/T1``), in an order that stays.

    Each is looked up once: in a file of many small cases that is what reading them costs.
    """
    import h5py

    arrays: dict[str, h5py.Dataset] = {}
    for role in ROLES:
        if (within := group.get(role)) is not None:
            if isinstance(within, h5py.Group):
                arrays |= {f"{role}/{name}": within[name] for name in sorted(within)}
            else:
                arrays[role] = within
    return arrays


def roles_in(group: h5py.Group) -> tuple[str, ...]:
    """What :func:`arrays_in` finds, by name."""
    return tuple(arrays_in(group))


def role_words(role: str) -> str:
    """A role in a sentence: ``source``, ``source T1``."""
    return role.replace("/", " ")


@dataclass(frozen=True)
class CaseKey:
    """A case: one study of one patient."""

    patient: str
    study: str

    def __str__(self) -> str:
        return f"{self.patient}/{self.study}"


@dataclass(frozen=True)
class Origin:
    """The grid of the scan that a side was read from: what is needed to lay it back there.

    Raises:
        DatasetError: it is no such grid.
    """

    shape: tuple[int, int, int]
    """In the scan's own voxel order."""
    affine: tuple[tuple[float, ...], ...]
    """4x4, from the scan's voxels to RAS mm; its axes may run in any direction."""
    dtype: str
    """Number type of the scan's values, such as int16."""

    def __post_init__(self) -> None:
        import numpy as np

        matrix = np.asarray(self.affine, float)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
            raise DatasetError("the affine of a scan is not an invertible 4x4 matrix")
        if len(self.shape) != 3 or min(self.shape) < 1 or int(np.prod(self.shape, dtype=float)) > MAXIMUM_VOXELS:
            raise DatasetError(f"shape {self.shape} of a scan is not that of a volume")
        if not re.fullmatch(r"u?int(8|16|32)|float(32|64)", self.dtype):
            raise DatasetError(f"values of type {self.dtype!r} are not those of a scan")

    @classmethod
    def of(cls, shape: Sequence[int], affine: ArrayLike, dtype: object) -> Origin:
        """From arrays' attributes; types that no NIfTI file holds count as float32."""
        import numpy as np

        x, y, z = (int(length) for length in shape)
        kind = np.dtype(dtype).name  # type: ignore[call-overload]
        known = kind if re.fullmatch(r"u?int(8|16|32)|float(32|64)", kind) else "float32"
        return cls((x, y, z), tuple(tuple(map(float, row)) for row in np.asarray(affine, float).tolist()), known)


def origins_to_json(origins: Mapping[str, Origin]) -> str:
    """The attribute that says where the sides of a case come from."""
    return json.dumps({role: vars(origin) for role, origin in sorted(origins.items())}, allow_nan=False)


def origins_from_json(written: str, where: str) -> dict[str, Origin]:
    """Read back what :func:`origins_to_json` wrote.

    Raises:
        DatasetError: something is missing or of the wrong kind.
    """
    try:
        return {
            role: Origin.of(data["shape"], data["affine"], data["dtype"])
            for role, data in json.loads(written).items()
            if role.partition("/")[0] in ROLES
        }
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DatasetError(f"{where}: broken description of the scans it came from: {error!r}") from None


def nature(simulated: bool, degraded: bool) -> str:
    """What images are: ``simulated data``, ``real data``, or ``simulated degradation of real images``."""
    return "simulated degradation of real images" if degraded else "simulated data" if simulated else "real data"


def identifier(value: str, what: str) -> str:
    """Check a patient or study name; it becomes part of a path inside the file.

    Raises:
        DatasetError: it has characters other than letters, digits, '.', '_', '-', or is too long.
    """
    if not isinstance(value, str) or not IDENTIFIER.match(value):
        raise DatasetError(
            f"{what} {value!r}: use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit"
        )
    return value


def array_sha256(array: NDArray[np.generic]) -> str:
    """Hash of an array's type, shape and raw bytes."""
    import numpy as np

    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def text(value: object) -> str:
    """A string attribute, whether stored with fixed or with variable length.

    Raises:
        TypeError: it is not a string.
    """
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str):
        return value
    raise TypeError(f"{value!r} is not a text")


def set_text(place: h5py.File | h5py.Group | h5py.Dataset, attribute: str, value: str) -> None:
    """Store a string with a fixed length: one of variable length lies where a wrong byte can hang HDF5."""
    import h5py

    encoded = value.encode()
    place.attrs.create(attribute, encoded, dtype=h5py.string_dtype("utf-8", max(1, len(encoded))))


def side_to_json(side: Side, fitted: IntensityMap) -> str:
    """The attribute that describes a side."""
    return json.dumps(_described(side, fitted), sort_keys=True)


def channels_to_json(sides: Sequence[tuple[Side, IntensityMap]]) -> str:
    """The attribute that describes a source of several channels."""
    return json.dumps({"channels": [{"name": side.name, **_described(side, fitted)} for side, fitted in sides]})


def _described(side: Side, fitted: IntensityMap) -> dict[str, Any]:
    return {
        "modality": side.modality,
        "unit": side.unit,
        "rule": {"kind": side.window.kind, "low": side.window.low, "high": side.window.high},
        "window": [fitted.low, fitted.high],
        **({} if fitted.curve == "linear" else {"curve": fitted.curve}),
        "fitted_on": "train" if side.window.kind == "percentile" else "declared",
    }


def side_from_json(text: str, where: str) -> tuple[Side, IntensityMap]:
    """Read back what :func:`side_to_json` wrote.

    Raises:
        DatasetError: something is missing or of the wrong kind.
    """
    try:
        return _side(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{where}: broken description of a side: {error!r}") from None


def sources_from_json(text: str, schema: str, where: str) -> tuple[tuple[Side, IntensityMap], ...]:
    """The channels of a source, one in ``mi2i/1``, from the attribute that describes it.

    Raises:
        DatasetError: something is missing or of the wrong kind, or the channels cannot be told apart.
    """
    if schema == SCHEMA:
        return (side_from_json(text, where),)
    try:
        channels = tuple(_side(data, str(data["name"])) for data in json.loads(text)["channels"])
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{where}: broken description of its channels: {error!r}") from None
    if len(channels) < 2:
        raise DatasetError(f"{where}: {schema} is for sources of several channels, and this has {len(channels)}")
    source_roles([side for side, _ in channels])
    return channels


def _side(data: Mapping[str, Any], name: str = "") -> tuple[Side, IntensityMap]:
    """A side and its map from what a file says.

    Raises:
        ValueError, KeyError, TypeError: something is missing or of the wrong kind.
    """
    rule = data["rule"]
    curve = data.get("curve", "linear")
    side = Side(
        modality=str(data["modality"]),
        unit=str(data["unit"]),
        window=Window(float(rule["low"]), float(rule["high"]), rule["kind"], curve),
        name=name,
    )
    low, high = data["window"]
    if not all(math.isfinite(value) for value in (low, high, side.window.low, side.window.high)):
        raise ValueError("a window must be finite")
    return side, IntensityMap(side.unit, float(low), float(high), curve)
