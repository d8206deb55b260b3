"""Predictions made anywhere: an HDF5 file, or a folder of NIfTI or NumPy files named by patient and study."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.data.format.reader import Case, DatasetInfo, guarded, open_file
from benchmark.data.format.schema import PREDICTIONS_SCHEMA, CaseKey, text
from benchmark.data.volumes.geometry import CaseFault, Volume
from benchmark.data.volumes.nifti import SUFFIXES, load
from benchmark.data.volumes.placing import place, place_labels
from benchmark.errors import UsageError

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


def open_predictions(path: Path, info: DatasetInfo) -> Predictions:
    """Predictions of a data set's test split.

    Raises:
        UsageError: there is nothing, or it is not for this data set.
    """
    if path.is_dir():
        return PredictionFolder(path, info)
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
    """Files named ``patient``, ``patient_study`` or ``patient/study``, with ``.nii``, ``.nii.gz`` or ``.npy``.

    The patient alone will do where there is one study of it in the test split. NIfTI files may lie on the
    stored slices' grid or on any other, such as the scan's own; they are brought to the stored slices by their
    affines. NumPy arrays have to have the stored shape.
    """

    ENDINGS = (*SUFFIXES, ".npy")

    def __init__(self, folder: Path, info: DatasetInfo) -> None:
        self._folder, self._info = folder, info
        self._files: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            for ending in self.ENDINGS:
                if path.is_file() and name.endswith(ending) and not path.name.startswith("."):
                    self._files.setdefault(name.removesuffix(ending), []).append(path)
        if not self._files:
            raise UsageError(f"{folder}: holds no {', '.join(self.ENDINGS)} file")
        self._studies: dict[str, int] = {}
        for key in info.in_split("test"):
            self._studies[key.patient] = self._studies.get(key.patient, 0) + 1
        self._asked: set[Path] = set()

    def prediction(self, case: Case) -> Array:
        """See :meth:`Predictions.prediction`."""
        path = self._find(case.key)
        if path.suffix == ".npy":
            return _finite(self._array(path, case))
        low = self._info.target_map.low
        try:
            placed, covered = place(load(path), case.affine, _shape(case), low)
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
            if path.suffix == ".npy":
                upright = Volume(self._array(path, case).astype(np.float32).T, np.eye(4))
                return place_labels(upright, np.eye(4), _shape(case))
            return place_labels(load(path), case.affine, _shape(case))
        except CaseFault as fault:
            raise Lost(f"failed: {path.name}: {fault}") from None

    def unused(self) -> list[str]:
        """See :meth:`Predictions.unused`."""
        every = {path for paths in self._files.values() for path in paths}
        return sorted(path.relative_to(self._folder).as_posix() for path in every - self._asked)

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

    def _array(self, path: Path, case: Case) -> Array:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise Lost(f"failed: {path.name}: cannot be read ({error})") from None
        if array.dtype.kind not in "iuf":
            raise UsageError(f"{path}: holds {array.dtype}, not numbers")
        _same_shape(array.shape, case, str(path))
        return np.array(array)


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


def require_plausible(prediction: Array, case: Case, unit: str) -> None:
    """Refuse predictions that are plainly not in the target's unit: normalised, 8-bit, or shifted.

    Raises:
        UsageError: says what was found; nothing is ever rescaled here.
    """
    # only the region: around it a prediction may be padded with the lower end of the window
    region = case.mask if case.mask.any() else np.ones_like(case.mask)
    target, inside = case.target[region], prediction[region]
    low, high = (float(value) for value in np.percentile(target, [1, 99]))
    least, most = float(inside.min()), float(inside.max())
    span, padded = high - low, float(prediction.min()) < 0 <= least
    found = ""
    if max(abs(least), abs(most)) <= 1.001 and least != most and span > 20:
        found = f"they lie in {least:.3g}..{most:.3g}, as network outputs do"
    elif least >= 0 and most > 0 and low < -20 and float((target if padded else case.target).min()) < -0.5 * span:
        found = f"they are never below 0 (8 bit? counted from the lower end?) while targets go down to {low:.4g}"
    elif max(abs(least), abs(most)) > 20 * max(abs(float(target.min())), abs(float(target.max()))) > 0:
        found = f"they reach {most if abs(most) > abs(least) else least:.4g}, targets {high:.4g}"
    if found:
        raise UsageError(
            f"predictions of case {case.key} cannot be in {unit}: {found}. Convert them to {unit}; "
            "nothing is rescaled here. (--trust-unit scores them as they are)"
        )
