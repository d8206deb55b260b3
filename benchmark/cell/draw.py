"""Draw as many images as the test split has slices, and store them as predictions are, with the structures in them.

An image stands in the place of a test slice but has nothing to do with it: such files are only scored as a set.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from benchmark.cell.batches import seed_for
from benchmark.cell.translate import Translated
from benchmark.contracts.protocols import Sampler
from benchmark.data.format.reader import Dataset
from benchmark.errors import BenchmarkError, TrainingDiverged
from benchmark.store.predictions import write_predictions


def draw_split(model: Sampler, dataset: Dataset, path: Path, *, cell: str, seed: int) -> Translated:
    """Draw images and labels into one HDF5 file; the same for the same model and seed.

    Raises:
        BenchmarkError: the model gives other shapes.
        TrainingDiverged: the images hold NaN or infinite values.
    """
    info = dataset.info
    generator = torch.Generator().manual_seed(seed_for(seed, "samples"))
    count, seconds = 0, 0.0
    with write_predictions(path, info, cell=cell) as stored:
        for key in info.in_split("test"):
            shape = (info.slices[key], *info.image_size)
            began = time.perf_counter()
            with torch.no_grad():
                drawn = model.sample(shape[0], generator)
            images, labels = drawn.images[:, 0].float().cpu().numpy(), drawn.labels.cpu().numpy()
            seconds += time.perf_counter() - began
            count += shape[0]
            if images.shape != shape or labels.shape != shape:
                raise BenchmarkError(f"sample gave shapes {images.shape} and {labels.shape}, asked for {shape}")
            if not np.isfinite(images).all():
                raise TrainingDiverged("the drawn images hold NaN or infinite values")
            stored.add(key, info.target_map.inverse(images), labels=labels)
    return Translated(count, seconds)
