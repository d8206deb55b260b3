"""Predictions made anywhere: an HDF5 file, or a folder of volumes named by patient and study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.specs import ReaderSpec
from benchmark.data.format.cases import Case, DatasetInfo
from benchmark.data.format.opening import guarded, open_file
from benchmark.data.format.schema import PREDICTIONS_SCHEMA, CaseKey, text
from benchmark.data.volumes.files import walk
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.data.volumes.nifti import SUFFIXES, load
from benchmark.data.volumes.placing import place, place_labels
from benchmark.errors import UsageError
from benchmark.printable import printable

Array = NDArray[np.generic]
COVERED = 0.99
"""Share of the region's voxels that a prediction must cover."""


class Lost(CaseFault):
    """No usable prediction of a case; the message is the state of its rows."""


class Predictions(Protocol):
    """Where predictions come from."""

    def prediction(self, case: Case) -> Array:
        """The prediction on the case's slices ``(Z, H, W)``, in the target's unit.

        Raises:
            Lost: there is none, or it cannot be used.
            UsageError: it is of another shape or unit: the predictions are not for these data.
        """
        ...

    def unused(self) -> list[str]:
        """What is there and belongs to no case asked for."""
        ...


def open_predictions(path: Path, info: DatasetInfo, readers: Sequence[ReaderSpec] = ()) -> Predictions:
    """Predictions of a data set's test split; ``readers`` are of formats that plugins know.

    Raises:
        UsageError: there is nothing, or it is not for this data set.
    """
    if path.is_dir():
        return PredictionFolder(path, info, readers)
    return PredictionFile(path, info)


class PredictionFile:
    """An ``mi2i-predictions/1`` file: ``/<patient>/<study>`` arrays ``(Z, H, W)``, attributes schema and unit."""

    def __init__(self, path: Path, info: DatasetInfo) -> None:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        self._path = path
        with open_file(path) as file, guarded(str(path)):
            schema = text(file.attrs["schema"]) if "schema" in file.attrs else None
            if schema != PREDICTIONS_SCHEMA:
                raise UsageError(
                    f"{path}: schema is {schema!r}, expected {PREDICTIONS_SCHEMA!r}; or give a folder of NIfTI files"
                )
            unit = text(file.attrs["unit"]) if "unit" in file.attrs else "no unit"
            if unit != info.target.unit:
                raise UsageError(f"{path}: predictions in {unit}, targets in {info.target.unit}; convert them first")
            made_from = text(file.attrs["dataset"]) if "dataset" in file.attrs else info.content_sha256
            if made_from != info.content_sha256:
                raise UsageError(f"{path}: made from another data set than {info.path.name}; give that with --data")
            self._there = {f"{patient}/{study}" for patient in file for study in file[patient]}
        self._asked: set[str] = set()

    def prediction(self, case: Case) -> Array:
        """See :meth:`Predictions.prediction`."""
        name = str(case.key)
        self._asked.add(name)
        if name not in self._there:
            raise Lost("missing")
        with open_file(self._path) as file, guarded(f"{self._path}: case {name}"):
            data = file[name]
            if data.dtype.kind not in "iuf":
                raise UsageError(f"{self._path}: case {name} holds {data.dtype}, not numbers")
            _same_shape(data.shape, case, f"{self._path}: case {name}")
            try:
                values: Array = data[()]
            except OSError as error:
                raise Lost(f"failed: cannot be read ({error})") from None
        return _finite(values)

    def unused(self) -> list[str]:
        """See :meth:`Predictions.unused`."""
        return sorted(self._there - self._asked)


class PredictionFolder:
    """Files named ``patient``, ``patient_study`` or ``patient/study``: NIfTI, ``.npy``, or what ``readers`` read.

    The patient alone will do where there is one study of it in the test split. Volumes may lie on the stored slices'
    grid or on any other, such as the scan's own; they are brought to the stored slices by their affines. NumPy arrays
    have to have the stored shape.
    """

    def __init__(self, folder: Path, info: DatasetInfo, readers: Sequence[ReaderSpec] = ()) -> None:
        self._folder, self._info = folder, info
        self._readers = {ending: reader for reader in readers for ending in reader.endings}
        endings = (*SUFFIXES, ".npy", *self._readers)
        self._files: dict[str, list[Path]] = {}
        tree = walk(folder)
        for path in tree.files:
            for ending in endings:
                if path.name.lower().endswith(ending):
                    self._files.setdefault(tree.name(path)[: -len(ending)], []).append(path)
        used = {path for paths in self._files.values() for path in paths}
        used |= {path.with_name(name) for path in used for name in self._beside(path)}
        self._others = [*map(tree.name, tree.unused(used)), *(f"{item.what} ({item.why})" for item in tree.passed)]
        if not self._files:
            raise UsageError(f"{folder}: holds no {', '.join(endings)} file{_and_what(self._others)}")
        self._studies: dict[str, int] = {}
        for key in info.in_split("test"):
            self._studies[key.patient] = self._studies.get(key.patient, 0) + 1
        self._asked: set[Path] = set()

    def prediction(self, case: Case) -> Array:
        """See :meth:`Predictions.prediction`."""
        path = self._find(case.key)
        if path.suffix.lower() == ".npy":
            return _finite(self._array(path, case))
        low = self._info.target_map.low
        try:
            placed, covered = place(self._load(path), case.affine, _shape(case), low)
        except CaseFault as fault:
            raise Lost(f"failed: {fault}") from None
        share = float(covered[case.mask].mean()) if case.mask.any() else 1.0
        if share < COVERED:
            raise Lost(f"failed: {path.name} covers {100 * share:.0f} % of the region; is it of this patient?")
        return placed

    def labels(self, case: Case) -> NDArray[np.uint8]:
        """The files read as label maps, for structures found in the predictions.

        Raises:
            Lost: there is none, or it is no label map.
        """
        path = self._find(case.key)
        try:
            if path.suffix.lower() == ".npy":
                upright = Volume(self._array(path, case).astype(np.float32).T, np.eye(4))
                return place_labels(upright, np.eye(4), _shape(case))
            return place_labels(self._load(path), case.affine, _shape(case))
        except CaseFault as fault:
            raise Lost(f"failed: {path.name}: {fault}") from None

    def unused(self) -> list[str]:
        """See :meth:`Predictions.unused`."""
        every = {path for paths in self._files.values() for path in paths}
        return sorted([*(path.relative_to(self._folder).as_posix() for path in every - self._asked), *self._others])

    def _find(self, key: CaseKey) -> Path:
        names = [f"{key.patient}/{key.study}", f"{key.patient}_{key.study}"]
        if self._studies[key.patient] == 1:
            names.append(key.patient)
        found = [path for name in names for path in self._files.get(name, ())]
        if not found:
            raise Lost("missing")
        self._asked.update(found)
        if len(found) > 1:
            raise UsageError(f"case {key} has several predictions: {', '.join(map(str, found))}; keep one")
        return found[0]

    def _reader(self, path: Path) -> tuple[str, ReaderSpec] | None:
        """A file's ending and who reads it, if not the harness."""
        named = ((ending, reader) for ending, reader in self._readers.items() if path.name.lower().endswith(ending))
        return next(named, None)

    def _load(self, path: Path) -> Volume:
        if (named := self._reader(path)) is None:
            return load(path)
        volume: Volume = named[1].load()(path)
        return volume

    def _beside(self, path: Path) -> tuple[str, ...]:
        """Names of the files that may hold the values of a header."""
        if (named := self._reader(path)) is None:
            return ()
        ending, reader = named
        return tuple(path.name[: -len(ending)] + values for values in reader.beside)

    def _array(self, path: Path, case: Case) -> Array:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # whatever a damaged header makes numpy raise
            reason = printable(" ".join(str(error).split()))[:200] or type(error).__name__
            raise Lost(f"failed: {path.name}: cannot be read ({reason})") from None
        if array.dtype.kind not in "iuf":
            raise UsageError(f"{path}: holds {array.dtype}, not numbers")
        _same_shape(array.shape, case, str(path))
        return np.array(array)


def _and_what(others: list[str]) -> str:
    """What a folder holds instead."""
    if not others:
        return ""
    return f"; there is {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}"


def _shape(case: Case) -> tuple[int, int, int]:
    count, rows, columns = case.target.shape
    return count, rows, columns


def _same_shape(shape: tuple[int, ...], case: Case, where: str) -> None:
    if shape != case.target.shape:
        raise UsageError(
            f"{where}: shape {shape}, but the target's slices are {case.target.shape}; give arrays on the data "
            "set's grid, or NIfTI files, whose affine says where they lie"
        )


def _finite(values: Array) -> Array:
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise Lost(f"failed: {bad} of {values.size} voxels are NaN or infinite")
    return values
