"""Builders of the four embedded data sets: anatomy, physics, one ``mi2i/1`` file.

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

from benchmark.data.intensity import Window
from benchmark.data.schema import Side
from benchmark.data.writer import DatasetWriter
from benchmark.protocols import BuildRequest
from benchmark_medical import ct, head, motion, mr, pet, torso
from benchmark_medical.canvas import Canvas, Grid
from benchmark_medical.options import MrCtOptions, MrMotionOptions, MrOptions, PetCtOptions, PetDenoiseOptions
from benchmark_medical.projector import Projector, projector
from benchmark_medical.tissues import TISSUES

Array = NDArray[np.float32]

HU_WINDOW = Window(-1024, 2000)
HEAD_SUV_WINDOW = Window(0, 10)
TORSO_SUV_WINDOW = Window(0, 8)
MR_WINDOW = Window(0.5, 99.5, "percentile")
CT_RESOLUTION_MM = 1.2
_SLAB_VOXELS = 400_000


@dataclass(frozen=True)
class Object:
    """What there is to image, on the patient's grid: arrays ``(Z, H, W)``."""

    grid: Grid
    labels: NDArray[np.uint8]
    body: NDArray[np.bool_]
    maps: Mapping[str, Array]
    """Rendered properties by name (HU, 1/cm, SUV, signal)."""


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


def _write(
    request: BuildRequest,
    region: Any,
    source: Side,
    target: Side,
    tables: Callable[[np.random.Generator], Mapping[str, tuple[Array, Array]]],
    simulate: Callable[[Object, np.random.Generator], Pair],
    options: Any,
) -> None:
    size = request.size
    counts = {"train": size.train, "val": size.validation, "test": size.test}
    total = sum(counts.values())
    names = [f"p{number:03d}" for number in range(1, total + 1)]
    splits, start = {}, 0
    for split, count in counts.items():
        splits[split] = names[start : start + count]
        start += count
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
            "licence": "CC0-1.0",
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
                physics=pair.physics,
            )
            if number % 10 == 0 or number == total:
                request.report(f"{request.task}: {number} of {total} patients")
        writer.set_splits(splits)


def _subject(
    region: Any,
    image_size: int,
    slices: int,
    rng: np.random.Generator,
    tables: Callable[[np.random.Generator], Mapping[str, tuple[Array, Array]]],
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
    return Object(grid, labels, _filled(labels), maps)


def _filled(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The body with its cavities, slice by slice."""
    return np.stack([binary_fill_holes(layer != 0) for layer in labels])


def _column(name: str) -> Array:
    return np.array([getattr(tissue, name) for tissue in TISSUES], np.float32)


def _density(rng: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    """HU and attenuation at 511 keV with the density's variation per patient and inside tissues."""
    bone = np.array(["bone" in tissue.name for tissue in TISSUES])
    factor = np.where(bone, rng.normal(1, 0.05), 1.0).astype(np.float32)
    density = (_column("hu") + 1000) * factor
    mu = _column("mu") * np.where(bone, 1 + 0.4 * (factor - 1), 1).astype(np.float32)
    texture = _column("density_texture")
    return {"hu": (density - 1000, density * texture), "mu": (mu, mu * texture)}


def _uptake(rng: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    """FDG uptake (SUV): every tissue's level varies between patients, all with a common factor."""
    common = rng.lognormal(0, 0.4)
    levels = _column("suv") * (common * rng.lognormal(0, 0.2, len(TISSUES))).astype(np.float32)
    return {"suv": (levels, levels * _column("uptake_texture"))}


def _mr_signal(rng: np.random.Generator, options: MrOptions) -> dict[str, tuple[Array, Array]]:
    """MR signal: relaxation times vary between patients, proton density inside tissues."""
    t1, t2 = (_column(name) * rng.lognormal(0, 0.05, len(TISSUES)).astype(np.float32) for name in ("t1", "t2"))
    fat = np.array([tissue.fat for tissue in TISSUES], np.float32)
    values = mr.signal(t1, t2, _column("pd"), options) * (1 - options.fat_suppression * fat)
    return {"signal": (values, values * np.float32(0.05))}


def _pet_projector(grid: Grid) -> Projector:
    return projector(grid.size, grid.pixel / 10, max(60, grid.size // 2))


def _ct_projector(grid: Grid) -> Projector:
    return projector(grid.size, grid.pixel / 10, max(90, grid.size // 2))


def _activity(subject: Object) -> tuple[Array, Array]:
    """Activity and attenuation, never negative, and nothing outside the patient."""
    return np.maximum(subject.maps["suv"], 0), np.maximum(subject.maps["mu"], 0)


_PET_LIMITS = "2-D slices, known scatter and randoms, no positron range, projected on the reconstruction grid"


def build_pet_ct(request: BuildRequest) -> None:
    """FDG-PET (SUV) and CT (HU) of heads; the PET is reconstructed with the attenuation map of its CT."""
    options = request.options or PetCtOptions()

    def simulate(subject: Object, rng: np.random.Generator) -> Pair:
        activity, mu = _activity(subject)
        image = ct.scan(subject.maps["hu"], _ct_projector(subject.grid), options.ct_noise_hu, CT_RESOLUTION_MM, rng)
        system = _pet_projector(subject.grid)
        measured = pet.acquire(activity, mu, system, options, rng)
        measured = pet.corrected(measured, mu, pet.attenuation_511(image), system)
        return Pair(
            pet.osem(measured, system, options),
            image,
            {
                "counts_per_slice": [float(count) for count in measured.counts.sum((1, 2))],
                "attenuation_correction": "bilinear from the CT",
                "assumptions": _PET_LIMITS,
            },
        )

    _write(
        request,
        head,
        Side("FDG-PET", "SUV", HEAD_SUV_WINDOW),
        Side("CT", "HU", HU_WINDOW),
        lambda rng: {**_density(rng), **_uptake(rng)},
        simulate,
        options,
    )


def build_pet_denoise(request: BuildRequest) -> None:
    """Low- and full-count FDG-PET (SUV) of torsos from one acquisition each; the target is the full-count image."""
    options = request.options or PetDenoiseOptions()

    def simulate(subject: Object, rng: np.random.Generator) -> Pair:
        activity, mu = _activity(subject)
        system = _pet_projector(subject.grid)
        full = pet.acquire(activity, mu, system, options, rng)
        low = pet.thin(full, options.low_count_fraction, rng)
        return Pair(
            pet.osem(low, system, options),
            pet.osem(full, system, options),
            {
                "counts_per_slice": [float(count) for count in full.counts.sum((1, 2))],
                "low_counts_per_slice": [float(count) for count in low.counts.sum((1, 2))],
                "low_count_fraction": options.low_count_fraction,
                "target": "full-count reconstruction, same settings",
                "assumptions": _PET_LIMITS,
            },
        )

    _write(
        request,
        torso,
        Side("low-count FDG-PET", "SUV", TORSO_SUV_WINDOW),
        Side("FDG-PET", "SUV", TORSO_SUV_WINDOW),
        lambda rng: {**_density(rng), **_uptake(rng)},
        simulate,
        options,
    )


def build_mr_motion(request: BuildRequest) -> None:
    """T1-weighted heads (a.u.) with rigid motion during the acquisition, and the same without; equal noise."""
    options = request.options or MrMotionOptions()
    along = 0 if options.phase_axis == "rows" else 1

    def simulate(subject: Object, rng: np.random.Generator) -> Pair:
        clean, sigma, gain = _coil_image(subject, options, rng)
        times = motion.line_times(subject.grid.size, options.line_order)
        moved, paths, severities = np.empty_like(clean, np.complex64), [], []
        for index, layer in enumerate(clean):
            path = motion.draw(rng, options.severity, options.trajectory)
            weights = motion.line_weights(layer, along)
            positions = motion.recentred(path.at(times), weights)
            spectrum = motion.corrupt(layer, positions, options.phase_axis, subject.grid.pixel)
            moved[index] = np.fft.ifft2(spectrum)
            paths.append(path.to_json())
            severities.append(round(motion.severity(positions, weights, 70.0), 4))
        return Pair(
            mr.rician(moved, sigma, rng),
            mr.rician(clean, sigma / np.sqrt(options.averages), rng),
            {
                "severity_mm": severities,
                "trajectories": paths,
                "line_order": options.line_order,
                "phase_axis": options.phase_axis,
                "gain": gain,
                "assumptions": "single coil, in-plane rigid motion, no spin history, no field changes",
            },
        )

    _write(
        request,
        head,
        Side("MR T1 with motion", "a.u.", MR_WINDOW),
        Side("MR T1", "a.u.", MR_WINDOW),
        lambda rng: _mr_signal(rng, options),
        simulate,
        options,
    )


def build_mr_ct(request: BuildRequest) -> None:
    """T1-weighted MR (a.u.) and CT (HU) of heads, perfectly aligned."""
    options = request.options or MrCtOptions()

    def simulate(subject: Object, rng: np.random.Generator) -> Pair:
        clean, sigma, gain = _coil_image(subject, options, rng)
        image = ct.scan(subject.maps["hu"], _ct_projector(subject.grid), options.ct_noise_hu, CT_RESOLUTION_MM, rng)
        return Pair(
            mr.rician(clean, sigma, rng),
            image,
            {"gain": gain, "assumptions": "aligned, no geometric distortion; CT without beam hardening"},
        )

    _write(
        request,
        head,
        Side("MR T1", "a.u.", MR_WINDOW),
        Side("CT", "HU", HU_WINDOW),
        lambda rng: {"hu": _density(rng)["hu"], **_mr_signal(rng, options)},
        simulate,
        options,
    )


def _coil_image(subject: Object, options: MrOptions, rng: np.random.Generator) -> tuple[Array, float, float]:
    """The noise-free image under the receive field, the noise's standard deviation, and the receiver gain.

    Signals are scaled to about 1000 for white matter; gain and field differ from patient to patient.
    """
    white = next(tissue for tissue in TISSUES if tissue.name == "white matter")
    t1, t2, pd = (np.array(value, np.float32) for value in (white.t1, white.t2, white.pd))
    reference = mr.signal(t1, t2, pd, options)
    gain = float(rng.lognormal(0, 0.2))
    points = subject.grid.points(subject.grid.z)
    scale = np.float32(1000 * gain / reference)
    image = np.maximum(subject.maps["signal"], 0) * mr.bias_field(points, options.bias_field, rng) * scale
    return image, 1000 * gain * options.noise, gain
