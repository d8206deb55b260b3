"""Read an ``mi2i/1`` file: lazily, one handle per process, every value checked before it is used."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.contracts.channels import Channel, joined
from benchmark.contracts.intensity import IntensityMap
from benchmark.data.format.chunks import read_array, read_slices
from benchmark.data.format.hdf5 import open_read
from benchmark.data.format.schema import (
    CHANNELS_SCHEMA,
    SCHEMA,
    SCHEMAS,
    SPLITS,
    CaseKey,
    Origin,
    Side,
    identifier,
    nature,
    origins_from_json,
    role_words,
    roles_in,
    side_from_json,
    source_roles,
    sources_from_json,
    text,
)
from benchmark.data.format.self_contained import require_self_contained, require_stored
from benchmark.errors import BenchmarkError, DatasetError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray


_NOT_THE_FILES_FAULT = (
    errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.ENOLCK, errno.EMFILE,
    errno.ENFILE, errno.ENOMEM,
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One study in physical units: arrays ``(Z, H, W)``; ``spacing`` (z, y, x) in mm.

    A source of several channels is ``(C, Z, H, W)``, in the order of :attr:`DatasetInfo.sources`.
    """

    key: CaseKey
    source: NDArray[np.float32]
    target: NDArray[np.float32]
    mask: NDArray[np.bool_]
    labels: NDArray[np.uint8] | None
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]

    @property
    def channels(self) -> tuple[NDArray[np.float32], ...]:
        """The source's channels, each ``(Z, H, W)``."""
        return channels_of(self.source)


@dataclass(frozen=True)
class Sides:
    """One study of which a side may be missing: arrays ``(Z, H, W)`` in physical units, spacing (z, y, x) in mm.

    A source of several channels is ``(C, Z, H, W)``.
    """

    key: CaseKey
    source: NDArray[np.float32] | None
    target: NDArray[np.float32] | None
    mask: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    labels: NDArray[np.uint8] | None = None

    @property
    def channels(self) -> tuple[NDArray[np.float32], ...]:
        """The source's channels, each ``(Z, H, W)``; none where the source is missing."""
        return () if self.source is None else channels_of(self.source)


def channels_of(source: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """The channels of a source as a case holds it, each ``(Z, H, W)``."""
    return (source,) if source.ndim == 3 else tuple(source)


@dataclass(frozen=True)
class DatasetInfo:
    """What a file says of itself."""

    path: Path
    task: str
    name: str
    simulated: bool
    sources: tuple[Side, ...]
    """The source's channels, one or several, in the order in which models see them."""
    target: Side
    source_maps: tuple[IntensityMap, ...]
    """Of each channel."""
    target_map: IntensityMap
    image_size: tuple[int, int]
    splits: Mapping[str, tuple[str, ...]]
    cases: tuple[CaseKey, ...]
    slices: Mapping[CaseKey, int]
    content_sha256: str
    provenance: Mapping[str, Any]
    paired: bool = True
    """False: sources and targets of the training split do not belong together."""
    mirror_safe: bool = False
    """The anatomy is as likely mirrored left to right."""

    @property
    def source(self) -> Side:
        """The source.

        Raises:
            DatasetError: it has several channels.
        """
        return self.sources[self._only_channel()]

    @property
    def source_map(self) -> IntensityMap:
        """The source's map.

        Raises:
            DatasetError: it has several channels.
        """
        return self.source_maps[self._only_channel()]

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The source's channels as models are told of them; the only one is called ``source``."""
        described = zip(self.sources, self.source_maps, strict=True)
        return tuple(Channel(side.name or "source", side.modality, fitted) for side, fitted in described)

    @property
    def schema(self) -> str:
        """The layout that the file has."""
        return SCHEMA if len(self.sources) == 1 else CHANNELS_SCHEMA

    @property
    def source_modality(self) -> str:
        """What the source images, all channels in one text."""
        return joined(side.modality for side in self.sources)

    @property
    def source_unit(self) -> str:
        """The unit of the source, of channels in different ones all in one text."""
        return joined(side.unit for side in self.sources)

    def _only_channel(self) -> int:
        if len(self.sources) > 1:
            names = ", ".join(side.name for side in self.sources)
            raise DatasetError(f"{self.path}: its source has {len(self.sources)} channels ({names}), this takes one")
        return 0

    @property
    def degraded(self) -> bool:
        """Sources were made from real images by a simulated degradation."""
        made = self.provenance.get("degradation")
        return isinstance(made, Mapping) and bool(made.get("of_real_images"))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of a table made from these data must know, as ``provenance.remarks`` says."""
        listed = self.provenance.get("remarks", ())
        return tuple(map(str, listed)) if isinstance(listed, list) else ()

    @property
    def nature(self) -> str:
        """What the images are, in words."""
        return nature(self.simulated, self.degraded)

    def in_split(self, split: str) -> tuple[CaseKey, ...]:
        """The cases of a split's patients, sorted."""
        patients = set(self.splits[split])
        return tuple(key for key in self.cases if key.patient in patients)

    def slice_count(self, split: str) -> int:
        """Number of slices in a split."""
        return sum(self.slices[key] for key in self.in_split(split))


class Dataset:
    """An ``mi2i/1`` file. The handle is opened on first use in each process and never pickled.

    Raises:
        DatasetError: the file is missing, is not HDF5, or breaks the schema; the message says where.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._handle: h5py.File | None = None
        try:
            with guarded(str(self.path)):
                self.info = self._read_info()
        except DatasetError:
            self.close()
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def file(self) -> h5py.File:
        """The open file."""
        if self._handle is None:
            self._handle = open_file(self.path)
        return self._handle

    def close(self) -> None:
        """Close the handle; it is opened again when needed."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def load(self, key: CaseKey) -> Case:
        """Read one case into memory.

        Raises:
            DatasetError: the file has no such case, or only one side of it, or is damaged there.
        """
        import numpy as np

        with guarded(f"{self.path}: case {key}"):
            group = self.file[f"cases/{key}"]
            case_shape(group, key, str(self.path))
            require_pair(group, key, str(self.path), source_roles(self.info.sources))
            spacing, affine = self.place(key)
            return Case(
                key=key,
                source=self._source(group),
                target=read_array(group["target"]).astype(np.float32, copy=False),
                mask=read_array(group["mask"]) != 0,
                labels=_labels(group),
                spacing=spacing,
                affine=affine,
            )

    def load_sides(self, key: CaseKey) -> Sides:
        """Read what there is of a case's images into memory; training cases of an unpaired file may have one side.

        Raises:
            DatasetError: the file has no such case, or is damaged there.
        """
        import numpy as np

        with guarded(f"{self.path}: case {key}"):
            group = self.file[f"cases/{key}"]
            case_shape(group, key, str(self.path))
            source = self._source(group) if "source" in group else None
            target = read_array(group["target"]).astype(np.float32, copy=False) if "target" in group else None
            mask, labels = read_array(group["mask"]) != 0, _labels(group)
            return Sides(key, source, target, mask, self.place(key)[0], labels)

    def _source(self, group: h5py.Group) -> NDArray[np.float32]:
        import numpy as np

        images = [read_array(group[role]).astype(np.float32, copy=False) for role in source_roles(self.info.sources)]
        return images[0] if len(images) == 1 else np.stack(images)

    def load_slices(self, key: CaseKey, role: str, numbers: Sequence[int]) -> NDArray[np.number]:
        """Read some slices ``(n, H, W)`` of a case, in ascending order, in their stored type, and nothing else of it.

        Of a source of several channels ``role`` is one's (:func:`benchmark.data.format.schema.source_roles`).

        Raises:
            DatasetError: the file has no such slice, or is damaged there.
        """
        with guarded(f"{self.path}: case {key}"):
            return read_slices(self.file[f"cases/{key}/{role}"], numbers)

    def regions(self, key: CaseKey) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
        """Which of the two sides a case has, and which of its slices ``(Z,)`` have a region; no image is read.

        Raises:
            DatasetError: the file has no such case, or is damaged there.
        """
        import numpy as np

        with guarded(f"{self.path}: case {key}"):
            group = self.file[f"cases/{key}"]
            case_shape(group, key, str(self.path))
            filled = np.asarray((read_array(group["mask"]) != 0).any(axis=(1, 2)))
            return tuple(role for role in ("source", "target") if role in group), filled

    def place(self, key: CaseKey) -> tuple[tuple[float, float, float], NDArray[np.float64]]:
        """Spacing (z, y, x) in mm and affine of a case, without reading a pixel.

        Raises:
            DatasetError: the file has no such case, or is damaged there.
        """
        import numpy as np

        with guarded(f"{self.path}: case {key}"):
            attributes = self.file[f"cases/{key}"].attrs
            z, y, x = (float(value) for value in attributes["spacing"])
            return (z, y, x), np.asarray(attributes["affine"], np.float64)

    def physics(self, key: CaseKey) -> dict[str, Any]:
        """How a case came about, as its maker described it; empty for scans.

        Raises:
            DatasetError: the file has no such case, or is damaged there.
        """
        where = f"{self.path}: case {key}"
        with guarded(where):
            return _json_object(text(self.file[f"cases/{key}"].attrs.get("physics", "{}")), f"{where}: physics")

    def origins(self, key: CaseKey) -> dict[str, Origin]:
        """The grids of the scans that a case's sides were read from, by role; empty where nobody noted them.

        Raises:
            DatasetError: the file has no such case, or is damaged there.
        """
        where = f"{self.path}: case {key}"
        with guarded(where):
            return origins_from_json(text(self.file[f"cases/{key}"].attrs.get("origins", "{}")), where)

    def iterate(self, split: str) -> Iterator[Case]:
        """All cases of a split, one in memory at a time."""
        for key in self.info.in_split(split):
            yield self.load(key)

    def _read_info(self) -> DatasetInfo:
        file = self.file
        where = str(self.path)
        schema = text(file.attrs["schema"]) if "schema" in file.attrs else None
        if schema not in SCHEMAS:
            raise DatasetError(f"{where}: schema is {schema!r}, this harness reads {' and '.join(map(repr, SCHEMAS))}")
        for name in ("task", "name", "source", "target", "content_sha256"):
            if name not in file.attrs:
                raise DatasetError(f"{where}: attribute {name!r} is missing")
        for group in ("cases", "splits"):
            if group not in file:
                raise DatasetError(f"{where}: group {group!r} is missing")
        channels = sources_from_json(text(file.attrs["source"]), schema, f"{where}: source")
        sources, source_maps = (side for side, _ in channels), (fitted for _, fitted in channels)
        target, target_map = side_from_json(text(file.attrs["target"]), f"{where}: target")
        slices: dict[CaseKey, int] = {}
        sizes: set[tuple[int, int]] = set()
        for patient in sorted(file["cases"]):
            for study in sorted(file["cases"][patient]):
                key = CaseKey(identifier(patient, "patient"), identifier(study, "study"))
                slices[key], height, width = case_shape(file[f"cases/{key}"], key, where)
                sizes.add((height, width))
        if not slices:
            raise DatasetError(f"{where}: holds no case")
        if len(sizes) > 1:
            raise DatasetError(f"{where}: slices have different sizes {sorted(sizes)}; import with one in-plane size")
        splits = _read_splits(file, {key.patient for key in slices}, where)
        if not splits["train"] and "percentile" in (*(side.window.kind for side, _ in channels), target.window.kind):
            raise DatasetError(f"{where}: a window is fitted to training patients, and there are none")
        paired = bool(file.attrs.get("paired", True))
        roles = source_roles([side for side, _ in channels])
        for key in slices:
            if paired or key.patient not in splits["train"]:
                require_pair(file[f"cases/{key}"], key, where, roles)
            elif "source" in file[f"cases/{key}"]:
                require_channels(file[f"cases/{key}"], key, where, roles)
        return DatasetInfo(
            path=self.path,
            task=text(file.attrs["task"]),
            name=text(file.attrs["name"]),
            simulated=bool(file.attrs.get("simulated", False)),
            sources=tuple(sources),
            target=target,
            source_maps=tuple(source_maps),
            target_map=target_map,
            image_size=sizes.pop(),
            splits=splits,
            cases=tuple(slices),
            slices=slices,
            content_sha256=text(file.attrs["content_sha256"]),
            provenance=_json_object(text(file.attrs.get("provenance", "{}")), f"{where}: provenance"),
            paired=paired,
            mirror_safe=bool(file.attrs.get("mirror_safe", False)),
        )


def _labels(group: h5py.Group) -> NDArray[np.uint8] | None:
    import numpy as np

    return read_array(group["labels"]).astype(np.uint8, copy=False) if "labels" in group else None


def open_file(path: Path, advice: str = "import or build it again") -> h5py.File:
    """Open for reading; ``advice`` is what to do about a file that is no HDF5.

    Raises:
        DatasetError: there is no such file, it cannot be opened, is not HDF5, or points at other files.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    try:
        file = open_read(path)
    except OSError as error:
        if error.errno in _NOT_THE_FILES_FAULT:
            raise DatasetError(
                f"{path}: cannot be opened ({os.strerror(error.errno)}); the file itself may be whole"
            ) from None
        if "already open for write" in str(error):
            raise DatasetError(
                f"{path}: locked, since another program has it open for writing; close it there (if it was killed, "
                f"'h5clear -s {path.name}' takes the lock away)"
            ) from None
        raise DatasetError(f"{path}: cannot be read as HDF5 ({error}); {advice}") from None
    try:
        with guarded(str(path)):
            require_self_contained(file, str(path))
    except DatasetError:
        file.close()
        raise
    return file


@contextmanager
def guarded(where: str, advice: str = "import or build it again") -> Iterator[None]:
    """Turn whatever a damaged file makes h5py raise (almost anything) into a DatasetError that says where."""
    try:
        yield
    except BenchmarkError:
        raise
    except MemoryError as error:  # nobody has to make again what is whole
        raise DatasetError(f"{where}: not enough memory to read it ({error})") from error
    except Exception as error:
        raise DatasetError(f"{where}: damaged ({type(error).__name__}: {error}); {advice}") from None


def case_shape(group: h5py.Group, key: CaseKey, where: str) -> tuple[int, int, int]:
    """Slices, rows and columns of a case, checked without reading a pixel.

    Raises:
        DatasetError: an array or attribute is missing, not numbers, of another shape, or larger than its bytes.
    """
    if "mask" not in group:
        raise DatasetError(f"{where}: case {key} has no mask")
    if "source" not in group and "target" not in group:
        raise DatasetError(f"{where}: case {key} has no source and no target")
    shapes = {role: group[role].shape for role in roles_in(group)}
    for role in shapes:
        data = group[role]
        if data.dtype.kind not in "fiu":
            raise DatasetError(f"{where}: case {key}: {role} holds {data.dtype}, not numbers")
        require_stored(data, f"{where}: case {key}: {role}")
    if len(set(shapes.values())) != 1 or len(shapes["mask"]) != 3 or 0 in shapes["mask"]:
        raise DatasetError(f"{where}: case {key}: shapes {shapes}; all must be the same (slices, rows, columns)")
    for name in ("spacing", "affine"):
        if name not in group.attrs:
            raise DatasetError(f"{where}: case {key}: attribute {name!r} is missing")
    count, height, width = shapes["mask"]
    return int(count), int(height), int(width)


def require_pair(group: h5py.Group, key: CaseKey, where: str, sources: Sequence[str] = ("source",)) -> None:
    """A case must have both sides, unless it is a training case of an unpaired file; of the source every channel.

    Raises:
        DatasetError: one is missing.
    """
    for role in ("source", "target"):
        if role not in group:
            raise DatasetError(f"{where}: case {key} has no {role}")
    require_channels(group, key, where, sources)


def require_channels(group: h5py.Group, key: CaseKey, where: str, sources: Sequence[str]) -> None:
    """A case's source must have the channels at ``sources`` (:func:`source_roles`), and no other.

    Raises:
        DatasetError: one is missing, or there is one more.
    """
    there = {role for role in roles_in(group) if role.partition("/")[0] == "source"}
    if missing := [role for role in sources if role not in there]:
        raise DatasetError(f"{where}: case {key} has no {role_words(missing[0])}; every case has all channels")
    if more := sorted(there - set(sources)):
        raise DatasetError(f"{where}: case {key} has {role_words(more[0])}, of which the file says nothing")


def _read_splits(file: h5py.File, patients: set[str], where: str) -> dict[str, tuple[str, ...]]:
    splits: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for split in SPLITS:
        if split not in file["splits"]:
            raise DatasetError(f"{where}: split {split!r} is missing")
        names = tuple(text(value) for value in file["splits"][split][()])
        for name in names:
            if name in owner:
                raise DatasetError(
                    f"{where}: patient {name!r} is in both {owner[name]!r} and {split!r}; "
                    "a patient belongs to one split: import again"
                )
            if name not in patients:
                raise DatasetError(f"{where}: patient {name!r} of split {split!r} has no case")
            owner[name] = split
        splits[split] = names
    if not splits["test"]:
        raise DatasetError(f"{where}: the test split is empty")
    return splits


def _json_object(written: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(written, parse_constant=_not_json)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise DatasetError(f"{where}: not a JSON object")
    return value


def _not_json(name: str) -> None:
    # Python reads NaN and Infinity, which no other reader of JSON takes
    raise ValueError(f"{name} is not JSON")
