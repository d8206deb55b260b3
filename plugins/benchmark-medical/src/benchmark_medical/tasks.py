"""Builders of the embedded data sets that image heads and torsos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.intensity import Window
from benchmark.contracts.protocols import BuildRequest
from benchmark.data.format.schema import Side
from benchmark_medical import ct, head, mr, pet, torso
from benchmark_medical.canvas import Grid
from benchmark_medical.moved_heads import move
from benchmark_medical.option_limits import require_usable
from benchmark_medical.options import (
    CtOptions,
    MrCtOptions,
    MrMotionOptions,
    MrOptions,
    PetCtOptions,
    PetDenoiseOptions,
)
from benchmark_medical.projector import Projector, projector
from benchmark_medical.subjects import Object, Pair, column, density, write
from benchmark_medical.tissues import TISSUES

Array = NDArray[np.float32]

HU_WINDOW = Window(-1024, 2000)
HEAD_SUV_WINDOW = Window(0, 12, curve="root")
TORSO_SUV_WINDOW = Window(0, 8, curve="root")
UNCORRECTED_WINDOW = Window(0, 99.9, "percentile", "root")
"""How much attenuation takes from an uptake depends on the patient, so the window is fitted."""
MR_WINDOW = Window(0.5, 99.5, "percentile")


def _uptake(rng: np.random.Generator) -> dict[str, tuple[Array, Array]]:
    """FDG uptake (SUV): every tissue's level varies between patients by 28 %, most of it common to all tissues.

    So much do cerebellum (2.2 of 8.0) and liver (0.41 of 1.87) vary in the sources of the table.
    """
    common = rng.lognormal(0, 0.25)
    levels = column("suv") * (common * rng.lognormal(0, 0.12, len(TISSUES))).astype(np.float32)
    return {"suv": (levels, levels * column("uptake_texture"))}


def _mr_signal(rng: np.random.Generator, options: MrOptions) -> dict[str, tuple[Array, Array]]:
    """MR signal: relaxation times vary between patients, proton density inside tissues."""
    t1, t2 = (column(name) * rng.lognormal(0, 0.05, len(TISSUES)).astype(np.float32) for name in ("t1", "t2"))
    fat = np.array([tissue.fat for tissue in TISSUES], np.float32)
    values = mr.signal(t1, t2, column("pd"), options) * (1 - options.fat_suppression * fat)
    return {"signal": (values, values * np.float32(0.05))}


def _pet_projector(grid: Grid) -> Projector:
    return projector(grid.size, grid.pixel / 10, max(60, grid.size // 2))


def _ct(subject: Object, noise_hu: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """The subject's CT in whole HU, as scanners store it."""
    image = ct.scan(subject.maps["hu"], subject.grid.pixel, rng, CtOptions(noise_hu=noise_hu))
    return np.rint(image).astype(np.int16)


def _activity(subject: Object) -> tuple[Array, Array]:
    """Activity and attenuation, never negative, and nothing outside the patient."""
    return np.maximum(subject.maps["suv"], 0), np.maximum(subject.maps["mu"], 0)


WITH_TARGET = (
    "The source PET was corrected for attenuation with the target CT, as on a PET/CT scanner; with "
    "-p pet-ct.attenuation_correction=none it is not corrected."
)
UNCORRECTED_SOURCE = "The source PET is not corrected for attenuation: nothing of the target CT is in it."
_PET_LIMITS = "2-D slices, known scatter and randoms, no time of flight, no positron range"


def build_pet_ct(request: BuildRequest) -> None:
    """FDG-PET (SUV) and CT (HU) of heads; the PET is reconstructed with the attenuation map of its CT, or without."""
    options = request.options or PetCtOptions()
    require_usable(request.task, options)
    with_ct = options.attenuation_correction == "ct"

    def simulate(subject: Object, rng: np.random.Generator) -> Pair:
        activity, mu = _activity(subject)
        image = _ct(subject, options.ct_noise_hu, rng)
        system = _pet_projector(subject.grid)
        measured = pet.acquire(activity, mu, system, options, rng)
        used = pet.attenuation_map(image, subject.grid.pixel, options.resolution_mm) if with_ct else np.zeros_like(mu)
        measured = pet.corrected(measured, mu, used, system)
        return Pair(
            pet.osem(measured, system, options),
            image,
            {
                "counts_per_slice": [float(count) for count in measured.counts.sum((1, 2))],
                "attenuation_correction": pet.WITH_CT if with_ct else pet.UNCORRECTED,
                "assumptions": _PET_LIMITS,
            },
        )

    write(
        request,
        head,
        Side("FDG-PET", "SUV", HEAD_SUV_WINDOW if with_ct else UNCORRECTED_WINDOW),
        Side("CT", "HU", HU_WINDOW),
        lambda rng: {**density(rng), **_uptake(rng)},
        simulate,
        options,
        remarks=(WITH_TARGET if with_ct else UNCORRECTED_SOURCE,),
    )


def build_pet_denoise(request: BuildRequest) -> None:
    """Low- and full-count FDG-PET (SUV) of torsos from one acquisition each; the target is the full-count image."""
    options = request.options or PetDenoiseOptions()
    require_usable(request.task, options)

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

    write(
        request,
        torso,
        Side("low-count FDG-PET", "SUV", TORSO_SUV_WINDOW),
        Side("FDG-PET", "SUV", TORSO_SUV_WINDOW),
        lambda rng: {**density(rng), **_uptake(rng)},
        simulate,
        options,
    )


def build_mr_motion(request: BuildRequest) -> None:
    """T1-weighted heads (a.u.) with rigid motion during the acquisition, and the same without; equal noise."""
    options = request.options or MrMotionOptions()
    require_usable(request.task, options)

    def simulate(subject: Object, rng: np.random.Generator) -> Pair:
        clean, sigma, gain = _coil_image(subject, options, rng)
        moved, path = move(clean, options, subject.grid.pixel, rng)
        return Pair(
            mr.rician(moved, sigma, rng),
            mr.rician(clean, sigma / np.sqrt(options.averages), rng),
            {
                **path,
                "gain": gain,
                "assumptions": "single coil, in-plane rigid motion, no spin history, no field changes",
            },
        )

    write(
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
    require_usable(request.task, options)

    def simulate(subject: Object, rng: np.random.Generator) -> Pair:
        clean, sigma, gain = _coil_image(subject, options, rng)
        image = _ct(subject, options.ct_noise_hu, rng)
        return Pair(
            mr.rician(clean, sigma, rng),
            image,
            {"gain": gain, "assumptions": "aligned, no geometric distortion; CT without beam hardening"},
        )

    write(
        request,
        head,
        Side("MR T1", "a.u.", MR_WINDOW),
        Side("CT", "HU", HU_WINDOW),
        lambda rng: {"hu": density(rng)["hu"], **_mr_signal(rng, options)},
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
