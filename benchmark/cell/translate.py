"""Translate the test split and store the predictions in the target's physical unit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.contracts.channels import SourceStack
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
    source: SourceStack,
    target_map: IntensityMap,
    device: torch.device,
    *,
    most: int | None = None,
) -> NDArray[np.float64]:
    """Translate all slices of a source, or ``most`` of them, to ``(Z, H, W)`` in the target's unit.

    The target is never shown to the model.

    Raises:
        BenchmarkError: the model gives another shape.
        TrainingDiverged: the translation holds NaN or infinite values.
    """
    count = len(source) if most is None else min(most, len(source))
    translated = np.empty((count, *source.image_size), np.float64)
    with torch.no_grad():
        for start in range(0, count, BATCH):
            batch = torch.from_numpy(source[start : min(start + BATCH, count)])
            output = model.translate(batch.to(device))
            if output.shape != (len(batch), 1, *batch.shape[2:]):
                raise BenchmarkError(f"translate gave shape {tuple(output.shape)} for input {tuple(batch.shape)}")
            images = output[:, 0].float().cpu().numpy()
            if not np.isfinite(images).all():
                raise TrainingDiverged("the translated images hold NaN or infinite values")
            translated[start : start + BATCH] = target_map.inverse(images)
    return translated


def translate_split(
    model: Translator,
    dataset: Dataset,
    path: Path,
    *,
    cell: str,
    device: torch.device,
    split: str = "test",
    context: int = 0,
) -> Translated:
    """Translate all cases of a split into a file of predictions, each slice with ``context`` neighbours a side."""
    info = dataset.info
    slices, seconds = 0, 0.0
    with write_predictions(path, info, cell=cell, split=split) as stored:
        for number, case in enumerate(dataset.iterate(split)):
            if number == 0:
                first = SourceStack(case.source, info.source_maps, context)
                translate_volume(model, first, info.target_map, device, most=BATCH)
            began = time.perf_counter()
            source = SourceStack(case.source, info.source_maps, context)
            prediction = translate_volume(model, source, info.target_map, device)
            seconds += time.perf_counter() - began
            slices += len(prediction)
            stored.add(case.key, prediction)
    return Translated(slices, seconds)
