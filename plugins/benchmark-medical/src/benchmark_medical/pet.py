"""PET of axial slices: attenuation, point spread, scatter and randoms, Poisson counts, OSEM.

The model of one slice's sinogram is ``y ~ Poisson(c * (a * P G x) + s + r)`` with activity ``x`` (SUV), point
spread ``G``, line integrals ``P``, attenuation factors ``a = exp(-P mu)``, scatter ``s``, randoms ``r`` and
``c`` set so that the expected total is the requested count. Reconstruction knows ``c``, ``s``, ``r`` and an
attenuation map, so images come out in SUV. Low counts are a binomial thinning of the same acquisition, which
is what decimation of list-mode data does.

Not modelled: 3-D acquisition, positron range, dead time, motion, noise in the estimates of scatter and
randoms. The object is projected on the reconstruction's own grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from benchmark_medical.options import PetOptions
from benchmark_medical.projector import Projector

FWHM = 2.3548200450309493
"""FWHM of a Gaussian in standard deviations."""

Array = NDArray[np.float32]

HU_BREAK = 50.0
SOFT_SLOPE, SOFT_OFFSET = 9.6e-5, 0.096
BONE_SLOPE, BONE_OFFSET = 5.11e-5, 0.0982


@dataclass(frozen=True)
class Acquisition:
    """Sinograms ``(Z, views, rays)``: ``counts`` measured, ``sensitivity`` (counts per SUV cm) and
    ``background`` (expected scatter and randoms) known to the reconstruction."""

    counts: Array
    sensitivity: Array
    background: Array


def attenuation_511(hu: NDArray[np.generic]) -> Array:
    """HU to linear attenuation at 511 keV (1/cm): bilinear, for a CT at 120 kVp (STIR, ct_slopes.json, GE)."""
    value = np.asarray(hu, np.float32)
    soft, bone = SOFT_OFFSET + SOFT_SLOPE * value, BONE_OFFSET + BONE_SLOPE * value
    return np.maximum(np.where(value <= HU_BREAK, soft, bone), 0).astype(np.float32)


def hounsfield(mu: NDArray[np.floating]) -> Array:
    """The inverse of :func:`attenuation_511` for mu > 0."""
    mu = np.asarray(mu, np.float64)
    soft, bone = (mu - SOFT_OFFSET) / SOFT_SLOPE, (mu - BONE_OFFSET) / BONE_SLOPE
    return np.where(soft <= HU_BREAK, soft, bone).astype(np.float32)


def acquire(
    activity: Array, mu: Array, projector: Projector, options: PetOptions, rng: np.random.Generator
) -> Acquisition:
    """Measure slices ``(Z, H, W)`` of activity (SUV) behind attenuation ``mu`` (1/cm).

    Every slice gets ``options.counts`` expected counts, of which ``scatter_fraction`` and
    ``randoms_fraction`` are background.
    """
    expected, sensitivity, background = expectation(activity, mu, projector, options)
    return Acquisition(rng.poisson(expected).astype(np.float32), sensitivity, background)


def expectation(
    activity: Array, mu: Array, projector: Projector, options: PetOptions
) -> tuple[NDArray[np.float64], Array, Array]:
    """Expected counts, sensitivity and background of :func:`acquire`."""
    blur = options.resolution_mm / FWHM / (projector.pixel_cm * 10)
    blurred = gaussian_filter(activity, (0, blur, blur), mode="constant")
    factors = np.exp(-projector.forward(mu))
    trues = factors * projector.forward(blurred)
    total = trues.sum((1, 2), keepdims=True, dtype=np.float64)
    if not (total > 0).all():
        raise ValueError("a slice without activity cannot be given counts")
    share = 1 - options.scatter_fraction - options.randoms_fraction
    if share <= 0:
        raise ValueError("scatter and randoms leave no true counts: their fractions must sum to less than 1")
    scale = options.counts * share / total
    # scatter: a broad, smooth copy of the trues (FWHM about 20 cm), as single-scatter estimates look
    wide = 20.0 / FWHM / projector.pixel_cm
    scatter = gaussian_filter1d(gaussian_filter1d(trues, wide, axis=2, mode="constant"), 2.0, axis=1, mode="wrap")
    scatter = scatter / scatter.sum((1, 2), keepdims=True) * options.counts * options.scatter_fraction
    randoms = options.counts * options.randoms_fraction / (trues.shape[1] * trues.shape[2])
    background = scatter + randoms
    return scale * trues + background, (scale * factors).astype(np.float32), background.astype(np.float32)


def thin(acquisition: Acquisition, fraction: float, rng: np.random.Generator) -> Acquisition:
    """The same acquisition with each count kept with probability ``fraction``."""
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction {fraction} must be above 0 and at most 1")
    kept = rng.binomial(acquisition.counts.astype(np.int64), fraction).astype(np.float32)
    return Acquisition(
        kept, acquisition.sensitivity * np.float32(fraction), acquisition.background * np.float32(fraction)
    )


def corrected(acquisition: Acquisition, true_mu: Array, used_mu: Array, projector: Projector) -> Acquisition:
    """The acquisition as a reconstruction sees it that takes ``used_mu`` for the attenuation map."""
    change = np.exp(projector.forward(true_mu - used_mu))
    return Acquisition(acquisition.counts, acquisition.sensitivity * change, acquisition.background)


def osem(acquisition: Acquisition, projector: Projector, options: PetOptions) -> Array:
    """Ordered-subset EM (Hudson & Larkin 1994) from a uniform start; images ``(Z, H, W)`` in SUV.

    No resolution modelling; a Gaussian filter of ``options.filter_mm`` follows.
    """
    slices, size = len(acquisition.counts), projector.size
    image = np.ones((size * size, slices), np.float32)
    counts, sensitivity, background = (
        np.ascontiguousarray(np.moveaxis(part, 0, 2))  # (views, rays, Z): a sparse product takes all slices at once
        for part in (acquisition.counts, acquisition.sensitivity, acquisition.background)
    )
    subsets = [range(first, projector.views, options.subsets) for first in range(options.subsets)]
    scales = [sum(projector.blocks[view].T @ sensitivity[view] for view in views) for views in subsets]
    for _ in range(options.iterations):
        for views, scale in zip(subsets, scales, strict=True):
            update = np.zeros_like(image)
            for view in views:
                model = sensitivity[view] * (projector.blocks[view] @ image) + background[view]
                ratio = sensitivity[view] * counts[view] / np.maximum(model, 1e-6)
                update += projector.blocks[view].T @ ratio
            image *= update / np.maximum(scale, 1e-12)
    result = np.ascontiguousarray(image.T).reshape(slices, size, size)
    blur = options.filter_mm / FWHM / (projector.pixel_cm * 10)
    return gaussian_filter(result, (0, blur, blur), mode="constant") if blur > 0 else result


def log_likelihood(image: Array, acquisition: Acquisition, projector: Projector) -> NDArray[np.float64]:
    """Poisson log-likelihood of images ``(Z, H, W)``, one number per slice, up to a constant."""
    model = np.maximum(acquisition.sensitivity * projector.forward(image) + acquisition.background, 1e-6)
    return (acquisition.counts * np.log(model) - model).sum((1, 2), dtype=np.float64)
