"""Patients of the embedded data sets: drawn, painted, imaged, and written into one ``mi2i/1`` file.

Every patient has random streams of its own, spawned from the seed, the task's name and the patient's number,
so a patient does not change when others are added or left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from benchmark.contracts.presets import TUNING_SEEDS, DataSize
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.schema import Side
from benchmark.data.format.writer import DatasetWriter
from benchmark_medical import head, torso
from benchmark_medical.canvas import Canvas, Grid
from benchmark_medical.tissues import TISSUES

Array = NDArray[np.float32]
Tables = Callable[[np.random.Generator], Mapping[str, tuple[Array, Array]]]
"""Draws a patient's properties: by name, the values of all tissues and their variation inside."""

LICENCE = "CC0-1.0"
_SLAB_VOXELS = 400_000


@dataclass(frozen=True)
class Object:
    """What there is to image, on the patient's grid: arrays ``(Z, H, W)``."""

    grid: Grid
    labels: NDArray[np.uint8]
    body: NDArray[np.bool_]
    maps: Mapping[str, Array]
    """Rendered properties by name (HU, 1/cm, SUV, signal)."""
    sex: str


@dataclass(frozen=True)
class Streams:
    """Independent random generators of one patient."""

    anatomy: np.random.Generator
    physics: np.random.Generator


@dataclass(frozen=True)
class Pair:
    """One simulated case and how it came about."""

    source: NDArray[np.generic]
    target: NDArray[np.generic]
    physics: Mapping[str, Any]


def streams(seed: int, task: str, number: int) -> Streams:
    """The generators of patient ``number`` (from 1)."""
    root = np.random.SeedSequence([seed, zlib.crc32(task.encode()), number])
    anatomy, physics = (np.random.default_rng(child) for child in root.spawn(2))
    return Streams(anatomy, physics)


def write(
    request: BuildRequest,
    region: Any,
    source: Side,
    target: Side,
    tables: Tables,
    simulate: Callable[[Object, np.random.Generator], Pair],
    options: Any,
    remarks: tuple[str, ...] = (),
) -> None:
    """Draw, paint and image all patients. ``region``: the module of the anatomy, head or torso.

    ``remarks``: what a reader of a table made from the data must know.
    """
    size = request.size
    splits = numbered(size)
    names = [name for names in splits.values() for name in names]
    total = len(names)
    with DatasetWriter(
        request.path,
        task=request.task,
        name=f"{request.task}-phantom",
        source=source,
        target=target,
        simulated=True,
        provenance={
            "generator": "benchmark-medical",
            "seed": request.seed,
            "options": asdict(options),
            "labels": [tissue.name for tissue in TISSUES],
            "licence": LICENCE,
            "remarks": [*remarks, *seed_remarks(request.seed)],
        },
    ) as writer:
        for number, name in enumerate(names, start=1):
            random = streams(request.seed, request.task, number)
            subject = _subject(region, size.image_size, size.slices, random.anatomy, tables)
            pair = simulate(subject, random.physics)
            writer.add_case(
                name,
                "s1",
                source=pair.source,
                target=pair.target,
                mask=subject.body,
                labels=subject.labels,
                spacing=subject.grid.spacing,
                affine=subject.grid.affine,
                physics={"sex": subject.sex, **pair.physics},
            )
            if number % 10 == 0 or number == total:
                request.report(f"{request.task}: {number} of {total} patients")
        writer.set_splits(splits)


def seed_remarks(seed: int) -> list[str]:
    """What a table says of patients on which recipes were tuned."""
    if seed not in TUNING_SEEDS:
        return []
    return [f"Data seed {seed} is for tuning: models and tasks may have been tuned on these very patients."]


def numbered(size: DataSize) -> dict[str, list[str]]:
    """Patients by split: p001, p002, ... in the order of training, validation and test."""
    splits: dict[str, list[str]] = {}
    first = 1
    for split, count in (("train", size.train), ("val", size.validation), ("test", size.test)):
        splits[split] = [f"p{number:03d}" for number in range(first, first + count)]
        first += count
    return splits


def _subject(
    region: Any,
    image_size: int,
    slices: int,
    rng: np.random.Generator,
    tables: Tables,
) -> Object:
    """Draw a patient and render the tables' properties, a slab of slices at a time."""
    body = (head.Head if region is head else torso.Torso)(rng)
    low, high = region.HEIGHTS
    jitter = rng.uniform(-3, 3)
    heights = np.linspace(low, high, slices) + jitter if slices > 1 else np.array([(low + high) / 2 + jitter])
    grid = Grid(image_size, region.FIELD_OF_VIEW / image_size, tuple(float(h) for h in heights))
    properties = tables(rng)
    shape = (slices, image_size, image_size)
    labels = np.empty(shape, np.uint8)
    maps = {name: np.empty(shape, np.float32) for name in properties}
    step = max(1, _SLAB_VOXELS // image_size**2)
    for start in range(0, slices, step):
        part = slice(start, min(start + step, slices))
        canvas = Canvas((part.stop - part.start, image_size, image_size), grid.pixel)
        points = body.paint(canvas, grid.points(grid.z[part]))
        labels[part] = canvas.labels()
        grain = 0.6 * body.fine(points) + 0.8 * body.coarse(points)
        for name, (values, texture) in properties.items():
            plain = np.tensordot(values, canvas.fractions, axes=1)
            maps[name][part] = plain + np.tensordot(texture, canvas.fractions, axes=1) * grain
    return Object(grid, labels, _filled(labels), maps, "female" if body.female else "male")


def _filled(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The body with its cavities, slice by slice."""
    return np.stack([binary_fill_holes(layer != 0) for layer in labels])


def column(name: str) -> Array:
    return np.array([getattr(tissue, name) for tissue in TISSUES], np.float32)


def density(rng: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    """HU and attenuation at 511 keV with the density's variation per patient and inside tissues."""
    bone = np.array(["bone" in tissue.name for tissue in TISSUES])
    factor = np.where(bone, rng.normal(1, 0.05), 1.0).astype(np.float32)
    density = (column("hu") + 1000) * factor
    mu = column("mu") * np.where(bone, 1 + 0.4 * (factor - 1), 1).astype(np.float32)
    texture = column("density_texture")
    return {"hu": (density - 1000, density * texture), "mu": (mu, mu * texture)}
