"""The embedded data of ``filaments``: masks of procedural filaments and simulated photographs of them."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from benchmark.contracts.intensity import Window
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark_medical.filaments.photographs import camera, photograph
from benchmark_medical.options import FilamentOptions
from benchmark_medical.subjects import LICENCE, numbered, seed_remarks, streams

MASK = Side("filament mask", "mask", Window(0, 1))
PHOTOGRAPH = Side("photograph", "a.u.", Window(0, 255))


def build(request: BuildRequest) -> None:
    """Masks (share of the pixel, 0..1) and photographs (one channel, 0..255), each slice another place of a patient.

    Pixels have no size in mm; spacing is 1.
    """
    options = request.options or FilamentOptions()
    size = request.size
    splits = numbered(size)
    names = [name for patients in splits.values() for name in patients]
    with DatasetWriter(
        request.path,
        task=request.task,
        name=f"{request.task}-{options.kind}",
        source=MASK,
        target=PHOTOGRAPH,
        simulated=True,
        mirror_safe=True,
        provenance={
            "generator": "benchmark-medical",
            "seed": request.seed,
            "options": asdict(options),
            "licence": LICENCE,
            "remarks": seed_remarks(request.seed),
        },
    ) as writer:
        for number, name in enumerate(names, start=1):
            random = streams(request.seed, request.task, number)
            by = camera(random.physics, options.kind)
            shots = [photograph(random.anatomy, options.kind, size.image_size, by) for _ in range(size.slices)]
            writer.add_case(
                name,
                "s1",
                source=np.stack([shot.mask for shot in shots]),
                target=np.stack([shot.image for shot in shots]),
                mask=np.stack([shot.field for shot in shots]),
                spacing=(1.0, 1.0, 1.0),
                physics={"camera": asdict(by), "assumptions": "one channel; no colour, no compression"},
            )
            if number % 10 == 0 or number == len(names):
                request.report(f"{request.task}: {number} of {len(names)} patients")
        writer.set_splits(splits)
