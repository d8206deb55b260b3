"""The predictions file, ``mi2i-predictions/1``: its one writer and its one reader.

HDF5 with an array ``/<patient>/<study>`` float32 ``(Z, H, W)`` in the target's unit for each study, one chunk a slice.
Label maps lie under ``/@labels/<patient>/<study>`` (uint8, same shape), several translations of one source under
``/@samples/<patient>/<study>`` ``(K, Z, H, W)``; a patient cannot be called that. Attributes: ``schema``, ``unit``,
``dataset`` (hash of the data set's content), ``cell``, ``split``, and ``lost``, a JSON object with the state of every
study that has no usable prediction: ``missing``, or ``failed: `` and the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import atomic
from benchmark.data.format.chunks import read_array
from benchmark.data.format.hdf5 import written
from benchmark.data.format.opening import guarded, open_file
from benchmark.data.format.schema import LABELS, PREDICTIONS_SCHEMA, STORED, CaseKey, set_text, text
from benchmark.errors import BenchmarkError, DatasetError

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.data.format.cases import DatasetInfo

SAMPLES = "@samples"

AGAIN = "run the cell again"


class PredictionsWriter:
    """Predictions of one split, study by study; see :func:`write_predictions`."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._lost: dict[str, str] = {}

    def add(
        self,
        key: CaseKey,
        values: NDArray[np.floating],
        *,
        labels: NDArray[np.integer] | None = None,
        samples: NDArray[np.floating] | None = None,
    ) -> None:
        """Store a study in the target's unit: ``values``, ``labels`` ``(Z, H, W)``, ``samples`` ``(K, Z, H, W)``."""
        import numpy as np

        parts = ((str(key), values, np.float32), (f"{LABELS}/{key}", labels, np.uint8))
        for name, array, dtype in (*parts, (f"{SAMPLES}/{key}", samples, np.float32)):
            if array is not None:
                one_slice = (*(1,) * (array.ndim - 2), *array.shape[-2:])
                self._file.create_dataset(name, data=array.astype(dtype, copy=False), chunks=one_slice, **STORED)

    def lose(self, key: CaseKey, state: str) -> None:
        """Note a study without a usable prediction: ``missing``, or ``failed: `` and the reason."""
        self._lost[str(key)] = state

    def close(self) -> None:
        """Store what is lost."""
        set_text(self._file, "lost", json.dumps(self._lost))


@contextmanager
def write_predictions(
    path: Path, info: DatasetInfo, *, cell: str = "", split: str = "test"
) -> Iterator[PredictionsWriter]:
    """Write predictions of a data set's split, atomically: the file is there once the block has ended.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    with atomic.writing(path) as temporary, written(temporary, path) as file:
        about = {"schema": PREDICTIONS_SCHEMA, "cell": cell, "split": split}
        for name, value in {**about, "unit": info.target.unit, "dataset": info.content_sha256}.items():
            set_text(file, name, value)
        writer = PredictionsWriter(file)
        yield writer
        writer.close()


class PredictionsReader:
    """An open predictions file. Every study is read when it is asked for.

    Raises:
        DatasetError: the file is missing, damaged or of another schema.
    """

    def __init__(self, path: Path, advice: str = AGAIN) -> None:
        self.path = path
        self._advice = advice
        self._file = open_file(path, advice)
        try:
            with self._guarded(str(path)):
                schema = self._attribute("schema")
                if schema != PREDICTIONS_SCHEMA:
                    raise DatasetError(f"{path}: schema is {schema!r}, expected {PREDICTIONS_SCHEMA!r}")
                self.unit = self._attribute("unit")
                self.split = self._attribute("split")
                """The patients that were translated: ``test``, or ``val`` in a tuning."""
                if self.split not in ("test", "val"):
                    raise DatasetError(f"{path}: predictions of {self.split!r}, expected test or val")
                self.dataset = self._attribute("dataset")
                """Hash of the content of the data set that they are of; empty where it is not said."""
                self.lost = self._lost()
                """State of the studies without a usable prediction."""
                self.keys = tuple(self._studies())
                """The studies that have one, in the order of the file."""
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> PredictionsReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def require(self, info: DatasetInfo) -> None:
        """Make sure that they are of this data set.

        Raises:
            BenchmarkError: they are of another.
        """
        if self.dataset != info.content_sha256:
            raise BenchmarkError(f"{self.path}: made from another data set; {self._advice}")

    def read(self, key: CaseKey, shape: tuple[int, ...] | None = None) -> NDArray[np.float32]:
        """A study ``(Z, H, W)`` in :attr:`unit`; ``shape`` is what it has to be.

        Raises:
            BenchmarkError: there is none, or it has another shape.
            DatasetError: it is damaged.
        """
        name = str(key)
        with self._guarded(f"{self.path}: case {name}"):
            if name not in self._file:
                raise BenchmarkError(f"{self.path}: case {name} is missing; {self._advice}")
            data = self._file[name]
            if data.dtype.kind not in "iuf" or data.ndim != 3:
                raise DatasetError(f"{self.path}: case {name} holds {data.ndim}-D {data.dtype}; expected 3-D numbers")
            if shape is not None and data.shape != shape:
                raise BenchmarkError(f"{self.path}: case {name} has shape {data.shape}, target {shape}")
            return read_array(data).astype("float32", copy=False)

    def labels(self, key: CaseKey) -> NDArray[np.uint8] | None:
        """The label map ``(Z, H, W)`` of a study, if it has one."""
        labels: NDArray[np.uint8] | None = self._read_if_there(f"{LABELS}/{key}")
        return labels

    def samples(self, key: CaseKey) -> NDArray[np.float32] | None:
        """Several translations ``(K, Z, H, W)`` of one source, where a model gave them."""
        samples: NDArray[np.float32] | None = self._read_if_there(f"{SAMPLES}/{key}")
        return samples

    def image(self, key: CaseKey, row: int) -> NDArray[np.float32]:
        """One slice ``(H, W)`` of a study."""
        with self._guarded(f"{self.path}: case {key}"):
            image: NDArray[np.float32] = self._file[str(key)][row]
            return image

    def count(self, key: CaseKey) -> int:
        """How many slices a study has."""
        with self._guarded(f"{self.path}: case {key}"):
            return len(self._file[str(key)])

    def _read_if_there(self, name: str) -> Any:
        with self._guarded(f"{self.path}: {name}"):
            return self._file[name][()] if name in self._file else None

    def _studies(self) -> Iterator[CaseKey]:
        for patient, studies in self._file.items():
            if patient not in (LABELS, SAMPLES):
                for study in studies:
                    yield CaseKey(patient, study)

    def _lost(self) -> Mapping[str, str]:
        lost = json.loads(self._attribute("lost") or "{}")
        if not isinstance(lost, dict) or not all(isinstance(state, str) for state in lost.values()):
            raise DatasetError(f"{self.path}: 'lost' is no table of texts; {self._advice}")
        return lost

    def _attribute(self, name: str) -> str:
        return text(self._file.attrs[name]) if name in self._file.attrs else ""

    def _guarded(self, where: str) -> AbstractContextManager[None]:
        return guarded(where, self._advice)
