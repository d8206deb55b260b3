"""Write an ``mi2i/1`` file: atomically, hashed, with windows fitted on training patients only."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from benchmark import atomic
from benchmark.data.format import croissant
from benchmark.data.format.chunks import read_array
from benchmark.data.format.fitting import fitted_window
from benchmark.data.format.hdf5 import HDF5Writer
from benchmark.data.format.opening import require_pair
from benchmark.data.format.schema import (
    CHANNELS_SCHEMA,
    SCHEMA,
    SPLITS,
    STORED,
    CaseKey,
    Origin,
    Side,
    array_sha256,
    arrays_in,
    channels_to_json,
    identifier,
    origins_to_json,
    role_words,
    roles_in,
    set_text,
    side_to_json,
    source_roles,
    text,
)
from benchmark.errors import DatasetError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


class DatasetWriter:
    """Collects cases, then splits; the file appears under its name only when everything is in order.

    Its Croissant metadata are written beside it (:mod:`benchmark.data.format.croissant`).

    Use as a context manager; leaving it normally finishes the file, leaving it by an exception removes it::

        with DatasetWriter(path, task="mr-ct", name="phantom", source=Side("MR T1", "a.u.",
                           Window(0.5, 99.5, "percentile")), target=Side("CT", "HU", Window(-1024, 2000)),
                           simulated=True) as writer:
            writer.add_case("p001", "s1", source=mr, target=ct, mask=body, spacing=(3.0, 3.4, 3.4))
            writer.set_splits({"train": [...], "val": [...], "test": ["p001"]})

    ``paired=False``: sources and targets of the training patients do not belong together; only models that train
    unpaired will be trained on the file. ``mirror_safe``: the anatomy is as likely the other way round, so training
    images may be mirrored left to right. A source of several channels, such as T1 and T2 of a head, is a list of sides
    that each have a ``name``, and a mapping of arrays by name in every case; such a file is ``mi2i/2``. Without
    training patients the file is a test set: it can be evaluated on, and models that learn nothing run on it.

    Raises:
        DatasetError: shapes differ, values are NaN or infinite, a mask is empty, a case comes twice, a spacing or
            affine is no such thing, a patient stands in two splits or in none, a side is missing that must be there.
        CannotWrite: the disk is full, or the like; nothing is left behind.
    """

    def __init__(
        self,
        path: Path,
        *,
        task: str,
        name: str,
        source: Side | Sequence[Side],
        target: Side,
        simulated: bool,
        paired: bool = True,
        mirror_safe: bool = False,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        sources = (source,) if isinstance(source, Side) else tuple(source)
        self.sources = dict(zip(source_roles(sources), sources, strict=True))
        self.sides = {**self.sources, "target": target}
        self.paired = paired
        self.splits: dict[str, list[str]] | None = None
        self._cases: list[CaseKey] = []
        self._size: tuple[int, ...] | None = None
        described = json.dumps(dict(provenance or {}), sort_keys=True, allow_nan=False)
        self._temporary = atomic.beside(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = HDF5Writer(self._temporary, self.path)
        self._file: h5py.File = self._writer.file
        try:
            self._file.attrs.update(simulated=bool(simulated), paired=bool(paired), mirror_safe=bool(mirror_safe))
            schema = SCHEMA if len(sources) == 1 else CHANNELS_SCHEMA
            for attribute, value in {"schema": schema, "task": task, "name": name, "provenance": described}.items():
                set_text(self._file, attribute, value)
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    def add_case(
        self,
        patient: str,
        study: str,
        *,
        source: ArrayLike | Mapping[str, ArrayLike] | None = None,
        target: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        spacing: Sequence[float],
        affine: ArrayLike | None = None,
        physics: Mapping[str, Any] | None = None,
        origins: Mapping[str, Origin] | None = None,
    ) -> None:
        """Add one study: arrays ``(Z, H, W)`` in physical units; ``spacing`` (z, y, x) in mm.

        Whole numbers that fit (HU, scanner counts) are stored as int16, everything else as float32. Without a mask the
        whole image is the region. Only a training case of an unpaired file may come without a side. ``origins`` says on
        which grid the scan of a role (``source``, or ``source/T1`` of a channel) lay, so that ``benchmark data export``
        can lay it back there.
        """
        import numpy as np

        key = CaseKey(identifier(patient, "patient"), identifier(study, "study"))
        if key in self._cases:
            raise DatasetError(f"case {key} was added before; give each study of a patient its own name")
        lengths = np.asarray(spacing, np.float64)
        if lengths.shape != (3,) or not (np.isfinite(lengths) & (lengths > 0)).all():
            raise DatasetError(f"case {key}: spacing {spacing}: expected three lengths (z, y, x) in mm")
        to_world = np.diag([*lengths[::-1], 1.0]) if affine is None else np.asarray(affine, np.float64)
        if to_world.shape != (4, 4) or not np.isfinite(to_world).all():
            raise DatasetError(f"case {key}: the affine must be a finite 4x4 matrix")
        arrays: dict[str, NDArray[np.generic]] = {}
        for role, values in {**self._channels(key, source), "target": target}.items():
            if values is not None:
                arrays[role] = _compact(np.asarray(values))
        if (source is None) + (target is None) > (0 if self.paired else 1):
            lacks = "source" if source is None else "target"
            raise DatasetError(
                f"case {key} has no {lacks}; only training cases of a file with paired=False may lack it"
            )
        first, shape = next((role, array.shape) for role, array in arrays.items())
        arrays["mask"] = np.ones(shape, np.uint8) if mask is None else (np.asarray(mask) != 0).astype(np.uint8)
        if labels is not None:
            arrays["labels"] = np.asarray(labels).astype(np.uint8)
        if len(shape) != 3 or 0 in shape:
            raise DatasetError(f"case {key}: {role_words(first)} has shape {shape}; expected (slices, rows, columns)")
        for role, array in arrays.items():
            if array.shape != shape:
                raise DatasetError(
                    f"case {key}: {role_words(role)} has shape {array.shape}, {role_words(first)} has {shape}"
                )
            if not np.isfinite(array).all():
                raise DatasetError(
                    f"case {key}: {role_words(role)} holds NaN or infinite values; mend or leave out the case"
                )
        if not arrays["mask"].any():
            raise DatasetError(f"case {key}: the mask is empty, there is nothing to score")
        if self._size not in (None, shape[1:]):
            raise DatasetError(
                f"case {key}: slices of {shape[1:]} pixels, earlier cases have {self._size}; bring to one"
            )
        self._size = shape[1:]
        group = self._file.create_group(f"cases/{key}")
        group.attrs.update(spacing=lengths, affine=to_world)
        set_text(group, "physics", json.dumps(dict(physics or {}), sort_keys=True))
        if origins:
            set_text(group, "origins", origins_to_json(origins))
        for role, array in arrays.items():
            _store(group, role, array)
        self._file.flush()
        self._writer.require()
        self._cases.append(key)

    def set_splits(self, splits: Mapping[str, Sequence[str]]) -> None:
        """Say which patients train, validate and test; every patient of the file in exactly one of them."""
        self.splits = {split: sorted(splits.get(split, ())) for split in SPLITS}

    def _channels(
        self, key: CaseKey, source: ArrayLike | Mapping[str, ArrayLike] | None
    ) -> dict[str, ArrayLike | None]:
        """The arrays of a case's source by role.

        Raises:
            DatasetError: a channel is missing, or there is one that the file does not have.
        """
        if source is None:
            return {}
        names = [side.name for side in self.sources.values()]
        if not isinstance(source, Mapping):
            if len(self.sources) > 1:
                raise DatasetError(f"case {key}: give the source's channels by name: {', '.join(names)}")
            return dict.fromkeys(self.sources, source)
        if missing := [name for name in names if source.get(name) is None]:
            raise DatasetError(
                f"case {key} has no source {missing[0]}; every case has all channels: {', '.join(names)}"
            )
        if more := sorted(set(source) - set(names)):
            raise DatasetError(f"case {key}: source {more[0]!r} is none of the channels {', '.join(names)}")
        return {role: source[side.name] for role, side in self.sources.items()}

    def _discard(self) -> None:
        """Close and remove the temporary file, which is gone already when all went well."""
        self._writer.close()
        self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        import numpy as np

        if not self._cases:
            raise DatasetError(f"{self.path.name}: no case was added")
        if self.splits is None:
            raise DatasetError(f"{self.path.name}: no splits were set")
        _check_splits(self.splits, {key.patient for key in self._cases}, self.path.name)
        self._check_sides(set(self.splits["train"]))
        for split, patients in self.splits.items():
            self._file.create_dataset(f"splits/{split}", data=np.array(patients, "S64"))
        training = [key for key in self._cases if key.patient in self.splits["train"]]
        if not training and (fitted := [role for role, side in self.sides.items() if side.window.kind == "percentile"]):
            raise DatasetError(
                f"{self.path.name}: percentile windows are fitted to training patients, and there are none; "
                f"declare the window of the {role_words(fitted[0])} in its unit"
            )
        fits = {role: fitted_window(self._file, role, side, training) for role, side in self.sides.items()}
        if len(self.sources) == 1:
            set_text(self._file, "source", side_to_json(self.sides["source"], fits["source"]))
        else:
            described = [(side, fits[role]) for role, side in self.sources.items()]
            set_text(self._file, "source", channels_to_json(described))
        set_text(self._file, "target", side_to_json(self.sides["target"], fits["target"]))
        set_text(self._file, "content_sha256", content_sha256(self._file))
        self._writer.close()
        self._writer.require()
        os.replace(self._temporary, self.path)
        with suppress(OSError):  # derived: 'benchmark data inspect' writes it anew
            croissant.write(self.path)

    def _check_sides(self, training: set[str]) -> None:
        """Every case outside training is a pair, and training has both sides."""
        trained_on: set[str] = set()
        for key in self._cases:
            group = self._file[f"cases/{key}"]
            if key.patient in training:
                trained_on.update(roles_in(group))
            else:
                require_pair(roles_in(group), key, self.path.name, tuple(self.sources))
        for role in self.sides if training else ():
            if role not in trained_on:
                raise DatasetError(f"{self.path.name}: no training case has a {role_words(role)}")


def _compact(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """The same numbers as int16 where that loses nothing, else as float32."""
    import numpy as np

    if array.dtype == np.int16:
        return array
    values = array.astype(np.float32)
    limits = np.iinfo(np.int16)
    with np.errstate(invalid="ignore"):
        fits = values.size and values.min() >= limits.min and values.max() <= limits.max
        if fits and not (values % 1).any():
            return values.astype(np.int16)
    return values


def _store(group: h5py.Group, role: str, array: NDArray[np.generic]) -> None:
    data = group.create_dataset(role, data=array, chunks=(1, *array.shape[1:]), **STORED)
    set_text(data, "sha256", array_sha256(array))


def _check_splits(splits: Mapping[str, Sequence[str]], patients: set[str], where: str) -> None:
    seen: dict[str, str] = {}
    for split, names in splits.items():
        for name in names:
            if name in seen:
                raise DatasetError(
                    f"{where}: patient {name!r} is in both {seen[name]!r} and {split!r}; a patient belongs to one split"
                )
            seen[name] = split
    if missing := sorted(patients - set(seen)):
        raise DatasetError(f"{where}: in no split: {', '.join(missing[:5])}")
    if unknown := sorted(set(seen) - patients):
        raise DatasetError(f"{where}: in a split but without a case: {', '.join(unknown[:5])}")
    if not splits.get("test"):
        raise DatasetError(f"{where}: the test split is empty")


def iterate_cases(file: h5py.File) -> Iterator[CaseKey]:
    """All cases of an open file in sorted order."""
    for patient in sorted(file["cases"]):
        for study in sorted(file[f"cases/{patient}"]):
            yield CaseKey(patient, study)


def content_sha256(file: h5py.File, *, from_pixels: bool = False) -> str:
    """Hash of everything in the file that can change a score: pixels, geometry, windows and splits.

    ``from_pixels``: hash every array again instead of believing what is written beside it.
    """
    digest = hashlib.sha256(text(file.attrs["schema"]).encode())
    for role in ("source", "target"):
        digest.update(text(file.attrs[role]).encode())
    for key in iterate_cases(file):
        group = file[f"cases/{key}"]
        digest.update(f"{key}{[float(v) for v in group.attrs['spacing']]}".encode())
        for role, data in sorted(arrays_in(group).items()):
            stated = array_sha256(read_array(data)) if from_pixels else text(data.attrs["sha256"])
            digest.update(f"{role}{stated}".encode())
    for split in SPLITS:
        if split in file["splits"]:
            digest.update(f"{split}{[text(name) for name in file['splits'][split][()]]}".encode())
    # only where they say something else than files did that had no such attribute
    for name, absent in (("paired", True), ("mirror_safe", False)):
        if bool(file.attrs.get(name, absent)) != absent:
            digest.update(f"{name}{not absent}".encode())
    return digest.hexdigest()
