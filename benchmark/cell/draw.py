"""Draw as many images as the test split has slices, and store them as predictions are, with the structures in them.

An image stands in the place of a test slice but has nothing to do with it: such files are only scored as a set.
"""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import torch

from benchmark.cell.batches import seed_for
from benchmark.cell.translate import Translated, store, write_predictions
from benchmark.contracts.protocols import Sampler
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import LABELS
from benchmark.errors import BenchmarkError, TrainingDiverged


def draw_split(model: Sampler, dataset: Dataset, path: Path, *, cell: str, seed: int) -> Translated:
    """Draw images and labels into one HDF5 file; the same for the same model and seed.

    Raises:
        BenchmarkError: the model gives other shapes.
        TrainingDiverged: the images hold NaN or infinite values.
    """
    info = dataset.info
    generator = torch.Generator().manual_seed(seed_for(seed, "samples"))
    count, seconds = 0, 0.0

    def fill(file: h5py.File) -> None:
        nonlocal count, seconds
        for key in info.in_split("test"):
            wanted = (info.slices[key], *info.image_size)
            began = time.perf_counter()
            with torch.no_grad():
                drawn = model.sample(wanted[0], generator)
            images, labels = drawn.images[:, 0].float().cpu().numpy(), drawn.labels.cpu().numpy()
            seconds += time.perf_counter() - began
            count += wanted[0]
            if images.shape != wanted or labels.shape != wanted:
                raise BenchmarkError(f"sample gave shapes {images.shape} and {labels.shape}, asked for {wanted}")
            if not np.isfinite(images).all():
                raise TrainingDiverged("the drawn images hold NaN or infinite values")
            store(file, str(key), info.target_map.inverse(images).astype(np.float32))
            store(file, f"{LABELS}/{key}", labels.astype(np.uint8))

    write_predictions(path, dataset, fill, cell=cell)
    return Translated(count, seconds)
