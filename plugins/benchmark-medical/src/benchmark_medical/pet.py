"""PET of axial slices: attenuation, point spread, scatter and randoms, Poisson counts, OSEM.

The model of one slice's sinogram is ``y ~ Poisson(c * (a * P G x) + s + r)`` with activity ``x`` (SUV), point
spread ``G``, line integrals ``P``, attenuation factors ``a = exp(-P mu)``, scatter ``s``, randoms ``r`` and
``c`` set so that the expected total is the requested count. Reconstruction knows ``c``, ``s``, ``r`` and an
attenuation map, so images come out in SUV. Low counts are a binomial thinning of the same acquisition, which
is what decimation of list-mode data does.

The object is projected with twice the reconstruction's pixels per side, so that the reconstruction does not know the
pixels it was made of. Left out: 3-D acquisition and the axial point spread, time of flight, positron range, dead time,
motion, noise in the estimates of scatter and randoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from benchmark_medical.options import PetOptions
from benchmark_medical.projector import Projector, projector, refined

FWHM = 2.3548200450309493
"""FWHM of a Gaussian in standard deviations."""

Array = NDArray[np.float32]

FINER = 2
"""The object has this many times the reconstruction's pixels per side."""

WITH_CT = "bilinear from the CT at 120 kV, blurred to the PET"
UNCORRECTED = "none"
"""What a study's ``physics`` says of its ``attenuation_correction``."""

HU_BREAK = 50.0
"""Where bone begins for :func:`attenuation_511`."""
SOFT = (0.096, 9.6e-5)
"""Offset (1/cm) and slope (1/cm per HU) of the line below the break: mixtures of air and water."""
BONE = {80: (0.0989, 3.84e-5), 100: (0.0985, 4.56e-5), 120: (0.0982, 5.11e-5), 140: (0.0980, 5.60e-5)}
"""Offset and slope above the break by the CT's tube voltage in kV: STIR's ``ct_slopes.json``, GE scanners."""


@dataclass(frozen=True)
class Acquisition:
    """Sinograms ``(Z, views, rays)``: ``counts`` measured, ``sensitivity`` (counts per SUV cm) and
    ``background`` (expected scatter and randoms) known to the reconstruction."""

    counts: Array
    sensitivity: Array
    background: Array


def attenuation_511(hu: NDArray[np.generic], kvp: int = 120) -> Array:
    """HU to linear attenuation at 511 keV (1/cm): two lines, the upper one by the CT's tube voltage.

    Raises:
        ValueError: no line is known for this voltage.
    """
    value = np.asarray(hu, np.float32)
    soft, bone = (offset + slope * value for offset, slope in (SOFT, _bone(kvp)))
    return np.maximum(np.where(value <= HU_BREAK, soft, bone), 0).astype(np.float32)


def hounsfield(mu: NDArray[np.floating], kvp: int = 120) -> Array:
    """The inverse of :func:`attenuation_511` for mu > 0."""
    mu = np.asarray(mu, np.float64)
    soft, bone = ((mu - offset) / slope for offset, slope in (SOFT, _bone(kvp)))
    return np.where(soft <= HU_BREAK, soft, bone).astype(np.float32)


def _bone(kvp: int) -> tuple[float, float]:
    try:
        return BONE[kvp]
    except KeyError:
        raise ValueError(f"attenuation at 511 keV is known from CT at {sorted(BONE)} kV, not at {kvp} kV") from None


def attenuation_map(hu: NDArray[np.generic], pixel_mm: float, resolution_mm: float, kvp: int = 120) -> Array:
    """The map (1/cm) that a scanner corrects with: bilinear from the CT ``(Z, H, W)``, blurred to the PET's FWHM."""
    blur = resolution_mm / FWHM / pixel_mm
    return gaussian_filter(attenuation_511(hu, kvp), (0, blur, blur), mode="nearest")


def acquire(
    activity: Array, mu: Array, system: Projector, options: PetOptions, rng: np.random.Generator
) -> Acquisition:
    """Measure slices ``(Z, H, W)`` of activity (SUV) behind attenuation ``mu`` (1/cm).

    Every slice gets ``options.counts`` expected counts, of which ``scatter_fraction`` and
    ``randoms_fraction`` are background.
    """
    expected, sensitivity, background = expectation(activity, mu, system, options)
    return Acquisition(rng.poisson(expected).astype(np.float32), sensitivity, background)


def expectation(
    activity: Array, mu: Array, system: Projector, options: PetOptions
) -> tuple[NDArray[np.float64], Array, Array]:
    """Expected counts, sensitivity and background of :func:`acquire`."""
    finer = _finer(system)
    blur = options.resolution_mm / FWHM / (finer.pixel_cm * 10)
    blurred = gaussian_filter(refined(activity, FINER), (0, blur, blur), mode="constant")
    factors = np.exp(-finer.forward(refined(mu, FINER)))
    trues = factors * finer.forward(blurred)
    total = trues.sum((1, 2), keepdims=True, dtype=np.float64)
    if not (total > 0).all():
        raise ValueError("a slice without activity cannot be given counts")
    share = 1 - options.scatter_fraction - options.randoms_fraction
    if share <= 0:
        raise ValueError("scatter and randoms leave no true counts: their fractions must sum to less than 1")
    scale = options.counts * share / total
    # scatter: a broad, smooth copy of the trues (FWHM about 20 cm), as single-scatter estimates look
    wide = 20.0 / FWHM / system.pixel_cm
    scatter = gaussian_filter1d(gaussian_filter1d(trues, wide, axis=2, mode="constant"), 2.0, axis=1, mode="wrap")
    scatter = scatter / scatter.sum((1, 2), keepdims=True) * options.counts * options.scatter_fraction
    randoms = options.counts * options.randoms_fraction / (trues.shape[1] * trues.shape[2])
    background = scatter + randoms
    return scale * trues + background, (scale * factors).astype(np.float32), background.astype(np.float32)


def _finer(system: Projector) -> Projector:
    """The same rays over an image of smaller pixels."""
    return projector(
        system.size * FINER, system.pixel_cm / FINER, system.views, system.ray_cm, system.rays, system.source_cm
    )


def thin(acquisition: Acquisition, fraction: float, rng: np.random.Generator) -> Acquisition:
    """The same acquisition with each count kept with probability ``fraction``."""
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction {fraction} must be above 0 and at most 1")
    kept = rng.binomial(acquisition.counts.astype(np.int64), fraction).astype(np.float32)
    return Acquisition(
        kept, acquisition.sensitivity * np.float32(fraction), acquisition.background * np.float32(fraction)
    )


def corrected(acquisition: Acquisition, true_mu: Array, used_mu: Array, system: Projector) -> Acquisition:
    """The acquisition as a reconstruction sees it that takes ``used_mu`` for the attenuation map."""
    change = np.exp(_finer(system).forward(refined(true_mu, FINER)) - system.forward(used_mu))
    return Acquisition(acquisition.counts, acquisition.sensitivity * change, acquisition.background)


def osem(acquisition: Acquisition, system: Projector, options: PetOptions) -> Array:
    """Ordered-subset EM (Hudson & Larkin 1994) from a uniform start; images ``(Z, H, W)`` in SUV.

    With ``options.model_resolution`` the point spread is part of the model (Reader et al. 2003, IEEE TNS 50:1392),
    else not; a Gaussian filter of ``options.filter_mm`` follows.
    """
    slices, size, blocks = len(acquisition.counts), system.size, system.blocks
    counts, sensitivity, background = (
        np.ascontiguousarray(np.moveaxis(part, 0, 2))  # (views, rays, Z): a sparse product takes all slices at once
        for part in (acquisition.counts, acquisition.sensitivity, acquisition.background)
    )
    modelled = options.resolution_mm / FWHM / (system.pixel_cm * 10) if options.model_resolution else 0.0

    def spread(flat: Array) -> Array:
        if modelled == 0:
            return flat
        smooth = gaussian_filter(flat.reshape(size, size, slices), (modelled, modelled, 0), mode="constant")
        return smooth.reshape(size * size, slices)

    image = np.ones((size * size, slices), np.float32)
    subsets = [range(first, system.views, options.subsets) for first in range(options.subsets)]
    scales = [spread(sum(blocks[view].T @ sensitivity[view] for view in views)) for views in subsets]
    for _ in range(options.iterations):
        for views, scale in zip(subsets, scales, strict=True):
            seen = spread(image)
            update = np.zeros_like(image)
            for view in views:
                model = sensitivity[view] * (blocks[view] @ seen) + background[view]
                ratio = sensitivity[view] * counts[view] / np.maximum(model, 1e-6)
                update += blocks[view].T @ ratio
            image *= spread(update) / np.maximum(scale, 1e-12)
    result = np.ascontiguousarray(image.T).reshape(slices, size, size)
    blur = options.filter_mm / FWHM / (system.pixel_cm * 10)
    return gaussian_filter(result, (0, blur, blur), mode="constant") if blur > 0 else result


def log_likelihood(image: Array, acquisition: Acquisition, system: Projector) -> NDArray[np.float64]:
    """Poisson log-likelihood of images ``(Z, H, W)``, one number per slice, up to a constant."""
    model = np.maximum(acquisition.sensitivity * system.forward(image) + acquisition.background, 1e-6)
    total: NDArray[np.float64] = (acquisition.counts * np.log(model) - model).sum((1, 2), dtype=np.float64)
    return total
