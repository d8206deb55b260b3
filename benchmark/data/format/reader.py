"""Read an ``mi2i/1`` file: lazily, one handle per process, every value checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.data.format.cases import Case, DatasetInfo, Sides
from benchmark.data.format.chunks import read_array, read_slices
from benchmark.data.format.opening import case_shape, guarded, open_file, require_channels, require_pair, sides
from benchmark.data.format.schema import (
    SCHEMAS,
    SPLITS,
    CaseKey,
    Origin,
    arrays_in,
    identifier,
    origins_from_json,
    side_from_json,
    source_roles,
    sources_from_json,
    text,
)
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray


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
            arrays = arrays_in(group)
            case_shape(group, arrays, key, str(self.path))
            require_pair(arrays, key, str(self.path), source_roles(self.info.sources))
            spacing, affine = self.place(key)
            return Case(
                key=key,
                source=self._source(arrays),
                target=read_array(arrays["target"]).astype(np.float32, copy=False),
                mask=read_array(arrays["mask"]) != 0,
                labels=_labels(arrays),
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
            arrays = arrays_in(group)
            case_shape(group, arrays, key, str(self.path))
            source = self._source(arrays) if "source" in sides(arrays) else None
            target = read_array(arrays["target"]).astype(np.float32, copy=False) if "target" in arrays else None
            mask, labels = read_array(arrays["mask"]) != 0, _labels(arrays)
            return Sides(key, source, target, mask, self.place(key)[0], labels)

    def _source(self, arrays: Mapping[str, h5py.Dataset]) -> NDArray[np.float32]:
        import numpy as np

        images = [read_array(arrays[role]).astype(np.float32, copy=False) for role in source_roles(self.info.sources)]
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
            arrays = arrays_in(group)
            case_shape(group, arrays, key, str(self.path))
            filled = np.asarray((read_array(arrays["mask"]) != 0).any(axis=(1, 2)))
            return tuple(role for role in ("source", "target") if role in sides(arrays)), filled

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
        for name in ("cases", "splits"):
            if name not in file:
                raise DatasetError(f"{where}: group {name!r} is missing")
        channels = sources_from_json(text(file.attrs["source"]), schema, f"{where}: source")
        sources, source_maps = (side for side, _ in channels), (fitted for _, fitted in channels)
        target, target_map = side_from_json(text(file.attrs["target"]), f"{where}: target")
        slices: dict[CaseKey, int] = {}
        held: dict[CaseKey, Collection[str]] = {}
        sizes: set[tuple[int, int]] = set()
        for patient in sorted(file["cases"]):
            for study in sorted(file["cases"][patient]):
                key = CaseKey(identifier(patient, "patient"), identifier(study, "study"))
                group = file[f"cases/{key}"]
                arrays = arrays_in(group)
                slices[key], height, width = case_shape(group, arrays, key, where)
                held[key] = arrays.keys()
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
                require_pair(held[key], key, where, roles)
            elif "source" in sides(held[key]):
                require_channels(held[key], key, where, roles)
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


def _labels(arrays: Mapping[str, h5py.Dataset]) -> NDArray[np.uint8] | None:
    import numpy as np

    return read_array(arrays["labels"]).astype(np.uint8, copy=False) if "labels" in arrays else None


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
