"""Translate the test split and store the predictions in the target's physical unit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.protocols import Translator
from benchmark.data.format.reader import Dataset
from benchmark.errors import BenchmarkError, TrainingDiverged
from benchmark.store.predictions import write_predictions

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
    translated = np.empty(source.shape, np.float64)
    with torch.no_grad():
        for start in range(0, len(source), BATCH):  # maps, too, make several copies: of a batch, not of the study
            batch = torch.from_numpy(source_map.forward(source[start : start + BATCH]))[:, None]
            output = model.translate(batch.to(device))
            if output.shape != batch.shape:
                raise BenchmarkError(f"translate gave shape {tuple(output.shape)} for input {tuple(batch.shape)}")
            images = output[:, 0].float().cpu().numpy()
            if not np.isfinite(images).all():
                raise TrainingDiverged("the translated images hold NaN or infinite values")
            translated[start : start + BATCH] = target_map.inverse(images)
    return translated


def translate_split(
    model: Translator, dataset: Dataset, path: Path, *, cell: str, device: torch.device, split: str = "test"
) -> Translated:
    """Translate all cases of a split into a file of predictions."""
    info = dataset.info
    maps = info.source_map, info.target_map
    slices, seconds = 0, 0.0
    with write_predictions(path, info, cell=cell, split=split) as stored:
        for number, case in enumerate(dataset.iterate(split)):
            if number == 0:
                translate_volume(model, case.source[:BATCH], *maps, device)
            began = time.perf_counter()
            prediction = translate_volume(model, case.source, *maps, device)
            seconds += time.perf_counter() - began
            slices += len(prediction)
            stored.add(case.key, prediction)
    return Translated(slices, seconds)
