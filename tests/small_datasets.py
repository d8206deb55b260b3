"""Small data sets for the tests of the data format: a good file, made to be broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.intensity import Window
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter

SOURCE = Side("MR T1", "a.u.", Window(0.5, 99.5, "percentile"))
TARGET = Side("CT", "HU", Window(-1024.0, 2000.0))
SPLITS: Mapping[str, int] = {"train": 3, "val": 1, "test": 10}

Arrays = dict[str, NDArray[Any]]


def anatomy(patient: str, *, slices: int = 2, side: int = 8) -> Arrays:
    """A bright disc in air, different for each patient: source in a.u., target in whole HU (int16), its mask."""
    rng = np.random.default_rng(list(patient.encode()))
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    disc = np.broadcast_to(rows**2 + columns**2 < (0.45 * side) ** 2, (slices, side, side))
    texture = rng.uniform(-300, 1200, disc.shape)
    return {
        "source": np.where(disc, 500 + texture / 4, rng.uniform(0, 20, disc.shape)).astype(np.float32),
        "target": np.where(disc, texture, -1000 + rng.integers(0, 9, disc.shape)).astype(np.int16),
        "mask": disc.copy(),
    }


def write(
    path: Path,
    *,
    splits: Mapping[str, int] = SPLITS,
    source: Side = SOURCE,
    target: Side = TARGET,
    simulated: bool = True,
    change: Callable[[str, Arrays], object] | None = None,
    slices: int = 2,
    side: int = 8,
    task: str = "mr-ct",
) -> Path:
    """Write patients ``train0``, ``train1``, ..., ``val0``, ``test0``, ... with one study each.

    ``change(patient, arrays)`` may alter a patient's arrays in place before they are written.
    """
    names = {split: [f"{split}{number}" for number in range(count)] for split, count in splits.items()}
    with DatasetWriter(
        path,
        task=task,
        name="discs",
        source=source,
        target=target,
        simulated=simulated,
        provenance={"licence": "CC0"},
    ) as writer:
        for patient in [name for split in names.values() for name in split]:
            arrays = anatomy(patient, slices=slices, side=side)
            if change:
                change(patient, arrays)
            writer.add_case(patient, "s1", **arrays, spacing=(3.0, 2.0, 1.0))
        writer.set_splits(names)
    return path
