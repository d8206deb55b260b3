"""CT of axial slices: attenuation, Beer and Lambert, photon and electronic noise, filtered back-projection.

A slice in HU becomes attenuation at the CT's effective energy; it is projected at twice the image's resolution, so
that the reconstruction does not know the pixels it was made of; every ray counts photons,
``N ~ Poisson(N0 exp(-p)) + Normal(0, sigma)``; and ``-ln(N / N0)`` goes through filtered back-projection. A dose is a
share of the full one's photons: the low-dose scan is a binomial thinning of the same acquisition, so that a pair
differs by noise alone, with the electronic noise filled up to what the detector has at any dose.

Left out: the tube's spectrum and beam hardening, scatter, bow-tie filter, tube current modulation, helical pitch, the
patient's motion, and vendors' filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmark_medical.options import CtOptions
from benchmark_medical.pet import FWHM
from benchmark_medical.projector import Projector, projector, refined

MU_WATER = 0.193
"""Linear attenuation of water at 70 keV, about the mean energy at 120 kVp (NIST XCOM), in 1/cm."""
FEWEST_PHOTONS = 0.1
"""Rays that count less are taken to count this (as LoDoPaB-CT does): there is a logarithm."""
LOWEST_HU, HIGHEST_HU = -1024, 3071
"""The range of 12-bit CT."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Counts:
    """Photons ``(Z, views, rays)`` of one acquisition, electronic noise included, in whole photons or not."""

    photons: NDArray[np.float64]
    unattenuated: float
    """Expected photons of a ray through air."""
    electronic: float
    """Standard deviation of the electronic noise, in photons."""


def scan(
    hu: NDArray[np.generic],
    pixel_mm: float,
    rng: np.random.Generator,
    options: CtOptions | None = None,
    dose: float = 1.0,
) -> Array:
    """CT slices in HU of objects given in HU.

    Args:
        hu: the object ``(Z, N, N)`` in HU; what lies outside the picture counts as air.
        pixel_mm: side of a square pixel in mm.
        rng: all noise comes from here.
        options: the scanner; default: :class:`CtOptions`.
        dose: share of the full dose's photons, above 0.

    Returns:
        ``(Z, N, N)`` float32 in HU, not rounded, limited to -1024..3071.

    Raises:
        ValueError: slices that are not square, or a dose of 0 or less.
    """
    options = options or CtOptions()
    scanner = Scanner(_side(hu), pixel_mm, options)
    return limited(scanner.reconstruct(scanner.measure(hu, rng, dose)))


def scan_pair(
    hu: NDArray[np.generic],
    pixel_mm: float,
    dose: float,
    rng: np.random.Generator,
    options: CtOptions | None = None,
) -> tuple[Array, Array]:
    """The full-dose scan of objects ``(Z, N, N)`` in HU, and the same scan at a share ``dose`` (0..1) of its photons.

    Both as :func:`scan` gives them.
    """
    options = options or CtOptions()
    scanner = Scanner(_side(hu), pixel_mm, options)
    full = scanner.measure(hu, rng)
    return limited(scanner.reconstruct(full)), limited(scanner.reconstruct(scanner.thin(full, dose, rng)))


def lower_dose(
    hu: NDArray[np.generic],
    pixel_mm: float,
    dose: float,
    rng: np.random.Generator,
    options: CtOptions | None = None,
) -> Array:
    """A real (or simulated) full-dose CT as it would look at a share ``dose`` (0..1) of its photons.

    The photons behind the image are taken to be those of ``options`` (``noise_hu``: the noise this scanner had at
    full dose); they are thinned, and the change of the line integrals is reconstructed and added to the image
    (reconstruction is linear). So the image keeps its own resolution and noise, and gains the noise that is missing.

    Args:
        hu: ``(Z, N, N)`` in HU, whole body inside the picture.
        pixel_mm: side of a square pixel in mm.
        dose: share of photons to keep.
        rng: all noise comes from here.
        options: the scanner; its resolution is not applied again.

    Returns:
        ``(Z, N, N)`` float32 in HU, limited to -1024..3071 and the image's own range.
    """
    options = options or CtOptions()
    image = np.asarray(hu, np.float32)
    scanner = Scanner(_side(hu), pixel_mm, options, finer=1, blur=False)
    integrals = scanner.fine.forward(mu_from_hu(image))
    ideal = scanner.unattenuated * np.exp(-integrals.astype(np.float64))
    full = Counts(_rounded(ideal, rng), scanner.unattenuated, scanner.electronic)
    low = scanner.thin(full, dose, rng)
    change = scanner.integrals(low) - scanner.integrals(full)
    image = image + fbp(change, scanner.image, options.kernel) * np.float32(1000 / MU_WATER)
    return np.clip(image, min(LOWEST_HU, float(np.min(hu))), max(HIGHEST_HU, float(np.max(hu))))


class Scanner:
    """A scanner for images of one size.

    Args:
        size: pixels per side of the images.
        pixel_mm: pixel size.
        options: beam, noise and filter.
        finer: the object is projected with this many times the image's pixels and rays per side.
        blur: apply the scanner's resolution to the object.
    """

    def __init__(self, size: int, pixel_mm: float, options: CtOptions, finer: int = 2, blur: bool = True) -> None:
        self.size, self.options, self.finer = size, options, finer
        self.blur = options.resolution_mm / FWHM / pixel_mm if blur else 0.0
        fan = options.geometry == "fan"
        source = options.source_cm if fan else np.inf
        views = options.views or (2 if fan else 1) * max(120, 4 * int(0.3125 * size))
        pixel = pixel_mm / 10
        self.fine: Projector = projector(size * finer, pixel / finer, views, source_cm=source)
        """For the object."""
        self.image: Projector = projector(size, pixel, views, pixel / finer, self.fine.rays, source)
        """For the image."""
        self.unattenuated = photons_for(options.noise_hu, self.image, options.kernel) if options.noise_hu > 0 else 0.0
        """Photons of a ray through air at full dose; 0: without noise."""
        self.electronic = float(np.sqrt(options.electronic_noise * self.unattenuated))

    def measure(self, hu: NDArray[np.generic], rng: np.random.Generator, dose: float = 1.0) -> Counts:
        """Photons of objects ``(Z, N, N)`` in HU."""
        if dose <= 0:
            raise ValueError(f"dose {dose:g} must be above 0")
        blurred = gaussian_filter(np.asarray(hu, np.float32), (0, self.blur, self.blur), mode="nearest")
        integrals = self.fine.forward(refined(mu_from_hu(blurred), self.finer)).astype(np.float64)
        photons = self.unattenuated * dose
        if photons == 0:
            return Counts(np.exp(-integrals), 1.0, 0.0)
        counted = rng.poisson(photons * np.exp(-integrals)) + self.electronic * _normal(integrals.shape, rng)
        return Counts(counted, photons, self.electronic)

    @staticmethod
    def thin(full: Counts, dose: float, rng: np.random.Generator) -> Counts:
        """The same acquisition with each photon kept with probability ``dose`` and the same electronic noise."""
        if not 0 < dose <= 1:
            raise ValueError(f"dose {dose:g} must be above 0 and at most 1")
        whole = np.maximum(np.rint(full.photons), 0)
        kept = rng.binomial(whole.astype(np.int64), dose) + dose * (full.photons - whole)
        missing = full.electronic * np.sqrt(1 - dose**2)
        return Counts(kept + missing * _normal(kept.shape, rng), full.unattenuated * dose, full.electronic)

    @staticmethod
    def integrals(counts: Counts) -> Array:
        """Line integrals ``(Z, views, rays)`` as measured, ``-ln(N / N0)``."""
        floor = min(FEWEST_PHOTONS, 0.1 * counts.unattenuated) if counts.unattenuated > 1 else 1e-30
        return -np.log(np.maximum(counts.photons, floor) / counts.unattenuated).astype(np.float32)

    def reconstruct(self, counts: Counts) -> Array:
        """Images ``(Z, N, N)`` in HU."""
        return hu_from_mu(fbp(self.integrals(counts), self.image, self.options.kernel))


def mu_from_hu(hu: NDArray[np.generic]) -> Array:
    """HU to linear attenuation (1/cm) at the CT's effective energy; air is 0."""
    return (MU_WATER * np.maximum(1 + np.asarray(hu, np.float32) / 1000, 0)).astype(np.float32)


def hu_from_mu(mu: NDArray[np.floating]) -> Array:
    """The definition of the Hounsfield unit."""
    return (1000 * (np.asarray(mu, np.float32) / MU_WATER - 1)).astype(np.float32)


def limited(hu: Array) -> Array:
    """HU inside the range of 12-bit CT."""
    return np.clip(hu, LOWEST_HU, HIGHEST_HU)


def ramp(rays: int, spacing: float) -> NDArray[np.float64]:
    """The band-limited ramp filter in space, taps -(rays - 1)..(rays - 1) (Kak & Slaney 1988, eq. 3.61)."""
    taps = np.arange(-(rays - 1), rays)
    odd = taps % 2 == 1
    kernel = np.zeros(taps.size)
    kernel[rays - 1] = 0.25
    kernel[odd] = -1 / (np.pi * taps[odd]) ** 2
    return kernel / spacing**2


def filtered(sinograms: NDArray[np.floating], projector: Projector, kernel: str = "ramp") -> Array:
    """Line integrals ``(Z, views, rays)`` after the ramp filter, in a fan that of eq. 3.94.

    ``kernel`` *hann* takes the ramp down to zero at the image's own highest frequency.
    """
    rays = projector.rays
    spacing = projector.ray_cm
    taps = ramp(rays, spacing)
    if np.isfinite(projector.source_cm):
        turn = np.arange(-(rays - 1), rays) * spacing / projector.source_cm
        taps = taps * (turn / np.where(turn == 0, 1, np.sin(turn))) ** 2
        taps[rays - 1] = 0.25 / spacing**2
    length = 1 << int(np.ceil(np.log2(3 * rays)))
    response = np.fft.rfft(np.roll(np.pad(taps, (0, length - taps.size)), 1 - rays)).real
    if kernel == "hann":
        highest = 0.5 * projector.ray_cm / projector.pixel_cm
        frequency = np.fft.rfftfreq(length)
        response = response * np.where(frequency < highest, 0.5 + 0.5 * np.cos(np.pi * frequency / highest), 0)
    result = np.fft.irfft(np.fft.rfft(sinograms, length, axis=2) * response, length, axis=2)
    return result[:, :, :rays].astype(np.float32) * np.float32(spacing)


def fbp(sinograms: NDArray[np.floating], projector: Projector, kernel: str = "ramp") -> Array:
    """Filtered back-projection: line integrals ``(Z, views, rays)`` to images ``(Z, H, W)`` in 1/cm.

    Every pixel is the mean over its shadow, so rays may be finer than pixels. A fan is weighted as in Kak & Slaney
    1988, eq. 3.93: the cosine of the fan angle before, the inverse square of the distance after.
    """
    # the back-projector's weights carry lengths, as line integrals need; here they interpolate
    scale = np.float32(np.pi / projector.views * projector.ray_cm / projector.pixel_cm**2)
    if np.isinf(projector.source_cm):
        return projector.spread(filtered(sinograms, projector, kernel)) * scale
    weighted = sinograms * np.cos(projector.fan_angles()).astype(np.float32)
    return projector.spread(filtered(weighted, projector, kernel), 1) * (scale * np.float32(projector.source_cm))


@lru_cache(maxsize=8)
def photons_for(noise_hu: float, projector: Projector, kernel: str = "ramp") -> float:
    """Unattenuated photons per ray that give this noise in the middle of a 20 cm water disc.

    A pixel is a weighted sum of all rays; its weights are the filter's answer to the pixel's shadow. Variances are
    averaged over some pixels within 2 cm, since how a pixel lies between the rays matters.
    """
    middle = (projector.size - 1) // 2
    reach = max(1, int(2.0 / projector.pixel_cm))
    steps = np.unique(np.rint(np.linspace(0, reach, 3)).astype(int))
    rows = np.minimum(middle + steps, projector.size - 1)
    pixels = (rows[:, None] * projector.size + (middle - steps)[None, :]).ravel()
    shadows = np.zeros((pixels.size, projector.views, projector.rays))
    for view in range(projector.views):
        rays, weights = projector.weights(view, pixels)
        inside = (weights > 0) & (rays >= 0) & (rays < projector.rays)
        shadows[np.broadcast_to(np.arange(pixels.size), rays.shape)[inside], view, rays[inside]] = weights[inside]
    # near the centre of a fan the weights of cosine and distance cancel
    scale = np.pi / projector.views * projector.ray_cm / projector.pixel_cm**2
    answers = [filtered(shadow[None], projector, kernel).astype(np.float64) * scale for shadow in shadows]
    gain = np.mean([(answer**2).sum() for answer in answers])
    return float(np.exp(MU_WATER * 20) * gain / (MU_WATER * noise_hu / 1000) ** 2)


def _side(hu: NDArray[np.generic]) -> int:
    if hu.ndim != 3 or hu.shape[1] != hu.shape[2]:
        raise ValueError(f"slices of shape {hu.shape}: a scan needs (slices, N, N); pad them with air (-1000 HU)")
    return int(hu.shape[1])


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)


def _rounded(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Whole numbers with these values in the mean: rounded up or down by chance."""
    return np.floor(values + rng.random(values.shape))
