"""Translate the test split and store the predictions in the target's physical unit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from benchmark import atomic
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.protocols import Translator
from benchmark.data.format.hdf5 import written
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import PREDICTIONS_SCHEMA, STORED, set_text
from benchmark.errors import BenchmarkError, TrainingDiverged

BATCH = 8


@dataclass(frozen=True)
class Translated:
    """How long translating took, per slice, after one warm-up batch."""

    slices: int
    seconds: float

    @property
    def ms_per_slice(self) -> float:
        """Milliseconds per slice."""
        return 1000.0 * self.seconds / max(1, self.slices)


def translate_volume(
    model: Translator,
    source: NDArray[np.float32],
    source_map: IntensityMap,
    target_map: IntensityMap,
    device: torch.device,
) -> NDArray[np.float64]:
    """Translate ``(Z, H, W)`` in the source's unit to the target's unit. The target is never shown to the model.

    Raises:
        BenchmarkError: the model gives another shape.
        TrainingDiverged: the translation holds NaN or infinite values.
    """
    normalised = torch.from_numpy(source_map.forward(source))[:, None]
    outputs = []
    with torch.no_grad():
        for start in range(0, len(normalised), BATCH):
            batch = normalised[start : start + BATCH]
            output = model.translate(batch.to(device))
            if output.shape != batch.shape:
                raise BenchmarkError(f"translate gave shape {tuple(output.shape)} for input {tuple(batch.shape)}")
            outputs.append(output[:, 0].float().cpu().numpy())
    stacked = np.concatenate(outputs)
    if not np.isfinite(stacked).all():
        raise TrainingDiverged("the translated images hold NaN or infinite values")
    return target_map.inverse(stacked)


def translate_split(
    model: Translator, dataset: Dataset, path: Path, *, cell: str, device: torch.device, split: str = "test"
) -> Translated:
    """Translate all cases of a split into one HDF5 file: ``/<patient>/<study>`` float32 ``(Z, H, W)``."""
    info = dataset.info
    maps = info.source_map, info.target_map
    slices, seconds = 0, 0.0

    def fill(file: h5py.File) -> None:
        nonlocal slices, seconds
        for number, case in enumerate(dataset.iterate(split)):
            if number == 0:
                translate_volume(model, case.source[:BATCH], *maps, device)
            began = time.perf_counter()
            prediction = translate_volume(model, case.source, *maps, device)
            seconds += time.perf_counter() - began
            slices += len(prediction)
            store(file, str(case.key), prediction.astype(np.float32))

    write_predictions(path, dataset, fill, cell=cell, split=split)
    return Translated(slices, seconds)


def write_predictions(
    path: Path, dataset: Dataset, fill: Callable[[h5py.File], None], *, cell: str, split: str = "test"
) -> None:
    """Write a file of predictions atomically: what they are of, then what ``fill`` stores."""
    info = dataset.info

    def write(temporary: Path) -> None:
        with written(temporary, path) as file:
            about = {"schema": PREDICTIONS_SCHEMA, "cell": cell, "split": split}
            for name, value in {**about, "unit": info.target.unit, "dataset": info.content_sha256}.items():
                set_text(file, name, value)
            fill(file)

    atomic.write_with(path, write)


def store(file: h5py.File, name: str, array: NDArray[np.generic]) -> None:
    """Store an array ``(Z, H, W)``, one chunk a slice."""
    file.create_dataset(name, data=array, chunks=(1, *array.shape[1:]), **STORED)
