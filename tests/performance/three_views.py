"""Does it help to average models of axial, coronal and sagittal slices? Against one model, and as many axial ones.

    python tests/performance/three_views.py SCANS AXIAL CORONAL SAGITTAL --source mr.nii.gz --target ct.nii.gz

AXIAL, CORONAL and SAGITTAL are RUN/TASK/MODEL of cells trained on the same patients in three directions, three seeds
each. Patients of their common test split are translated from SCANS/PATIENT as `benchmark translate` does and compared
with the target inside its body, on the source's own grid: mean absolute error, and change from slice to slice beyond
the target's along each direction. Three axial seeds averaged say what averaging alone gives.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
from benchmark_medical.importing.region import body_mask
from numpy.typing import NDArray

from benchmark.data.format.reader import Dataset
from benchmark.data.volumes.geometry import common_box, crop, resample
from benchmark.data.volumes.nifti import read
from benchmark.inference.trained_cell import TrainedCell, load_cell
from benchmark.inference.translate import voxels
from benchmark.registry.plugins import registry
from benchmark.store.address import finished_cell

SEEDS = 3
DIRECTIONS = ("sagittal", "coronal", "axial")
"""Of a RAS volume's axes."""


def excess(prediction: NDArray[np.float64], target: NDArray[np.float64], mask: NDArray[np.bool_], axis: int) -> float:
    """Mean change to the next slice along an axis beyond the target's own, inside the region."""
    first, second = [slice(None)] * 3, [slice(None)] * 3
    first[axis], second[axis] = slice(None, -1), slice(1, None)
    both = mask[tuple(first)] & mask[tuple(second)]
    made, true = (np.abs(np.diff(image, axis=axis))[both] for image in (prediction, target))
    return float(np.maximum(made - true, 0).mean())


def figures(made: NDArray[np.float64], target: NDArray[np.float64], mask: NDArray[np.bool_]) -> list[float]:
    """Mean absolute error, and the excess along each direction."""
    return [float(np.abs(made - target)[mask].mean()), *(excess(made, target, mask, axis) for axis in range(3))]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", type=Path)
    parser.add_argument("--source", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("cells", nargs=3, metavar="AXIAL CORONAL SAGITTAL")
    arguments = parser.parse_args()
    cells: list[list[TrainedCell]] = [
        [load_cell(f"{place}/s{seed}", registry(), "cpu") for seed in range(SEEDS)] for place in arguments.cells
    ]
    tested = [set(_test_patients(f"{place}/s0")) for place in arguments.cells]
    patients = sorted(set.intersection(*tested))
    print(f"{len(patients)} patients: {', '.join(patients)}", flush=True)
    found: dict[str, list[list[float]]] = {}
    for patient in patients:
        source, scan = (read(arguments.scans / patient / name).volume for name in (arguments.source, arguments.target))
        target = resample(scan, crop(source, common_box(scan, source)))[0].data.astype(np.float64)
        assert target.shape == source.data.shape
        mask = body_mask(target.astype(np.float32), "HU", 2)
        views = [[voxels(cell, source)[0] for cell in seeds] for seeds in cells]
        for seed in range(SEEDS):
            single = [view[seed] for view in views]
            for name, made in (
                *zip(("axial", "coronal", "sagittal"), single, strict=True),
                ("three views, averaged", np.mean(single, axis=0)),
                ("three views, median", np.median(single, axis=0)),
            ):
                found.setdefault(name, []).append(figures(made, target, mask))
        found.setdefault("three axial seeds, averaged", []).append(figures(np.mean(views[0], axis=0), target, mask))
        print(patient, {name: round(values[-1][0], 1) for name, values in found.items()}, flush=True)
    print(f"| | MAE, HU | {' | '.join(f'change along {name}' for name in DIRECTIONS)} |")
    print("|---|---|---|---|---|")
    for name, values in found.items():
        columns = [f"{statistics.mean(column):.1f}" for column in zip(*values, strict=True)]
        print(f"| {name} | {' | '.join(columns)} |")


def _test_patients(place: str) -> tuple[str, ...]:
    path = finished_cell(place)[1].spec.dataset.path
    with Dataset(Path(path)) as dataset:
        return dataset.info.splits["test"]


if __name__ == "__main__":
    main()
