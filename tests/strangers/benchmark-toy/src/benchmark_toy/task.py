"""The embedded data of ``toy-shift``: smooth blobs, and the same after an affine change of intensity."""

from __future__ import annotations

import numpy as np

from benchmark.contracts.intensity import Window
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter


def build(request: BuildRequest) -> None:
    """Write the data set: 16x16 slices, whatever the preset."""
    if request.options.fault == "raise":
        raise RuntimeError("the builder was asked to fail")
    side = 16
    names: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    rows, columns = np.mgrid[:side, :side]
    with DatasetWriter(
        request.path,
        task=request.task,
        name="toy",
        source=Side("A", "a.u.", Window(0, 400)),
        target=Side("B", "a.u.", Window(0, 400)),
        simulated=True,
    ) as writer:
        counts = {"train": request.size.train, "val": request.size.validation, "test": request.size.test}
        for split, count in counts.items():
            for number in range(count):
                patient = f"{split}{number:02d}"
                rng = np.random.default_rng([request.seed, sum(map(ord, split)), number])
                centre = rng.uniform(4, side - 4, (request.size.slices, 2, 1, 1))
                distance = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2
                image = 300 * np.exp(-distance / 20) + rng.uniform(0, 20, distance.shape)
                target = request.options.gain * image + 100
                if request.options.fault == "nan":
                    target[0, 0, 0] = np.nan
                writer.add_case(patient, "s1", source=image, target=target, mask=distance < 60, spacing=(1.0, 1.0, 1.0))
                names[split].append(patient)
        writer.set_splits(names)
