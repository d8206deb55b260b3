"""CT of axial slices: the true HU under the scanner's blur, plus noise as filtered back-projection leaves it.

The transmitted photons of every ray follow Beer and Lambert; their Poisson noise becomes noise of the line
integrals with variance ``1/N``, and the ramp-filtered back-projection of that noise is added to the blurred
object (reconstruction is linear). So noise is correlated and larger behind bone, as in a real CT. Beam
hardening, scatter, aliasing and electronic noise are not modelled: the target of a translation should not
hold artefacts that no network can foresee.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmark_medical.pet import FWHM
from benchmark_medical.projector import Projector

MU_WATER = 0.193
"""Linear attenuation of water at 70 keV, about the mean energy at 120 kVp (NIST XCOM), in 1/cm."""

Array = NDArray[np.float32]


def mu_from_hu(hu: NDArray[np.floating]) -> Array:
    """HU to linear attenuation (1/cm) at the CT's effective energy; air is 0."""
    return (MU_WATER * np.maximum(1 + np.asarray(hu, np.float32) / 1000, 0)).astype(np.float32)


def hu_from_mu(mu: NDArray[np.floating]) -> Array:
    """The definition of the Hounsfield unit."""
    return (1000 * (np.asarray(mu, np.float32) / MU_WATER - 1)).astype(np.float32)


def ramp(rays: int, spacing_cm: float) -> NDArray[np.float64]:
    """The band-limited ramp filter in space, taps -(rays - 1)..(rays - 1) (Kak & Slaney 1988, eq. 3.61)."""
    taps = np.arange(-(rays - 1), rays)
    odd = taps % 2 == 1
    kernel = np.zeros(taps.size)
    kernel[rays - 1] = 0.25
    kernel[odd] = -1 / (np.pi * taps[odd]) ** 2
    return kernel / spacing_cm**2


def filtered(sinograms: NDArray[np.floating], projector: Projector) -> Array:
    """Line integrals ``(Z, views, rays)`` after the ramp filter."""
    rays = projector.rays
    length = 1 << int(np.ceil(np.log2(3 * rays)))
    response = np.fft.rfft(ramp(rays, projector.pixel_cm), length)
    result = np.fft.irfft(np.fft.rfft(sinograms, length, axis=2) * response, length, axis=2)
    return result[:, :, rays - 1 : 2 * rays - 1].astype(np.float32) * np.float32(projector.pixel_cm)


def fbp(sinograms: Array, projector: Projector) -> Array:
    """Filtered back-projection: line integrals ``(Z, views, rays)`` to images ``(Z, H, W)`` in 1/cm."""
    # the back-projector's weights carry the pixel size, as line integrals need; here they interpolate
    scale = np.float32(np.pi / projector.views / projector.pixel_cm)
    return projector.backward(filtered(sinograms, projector)) * scale


def photons_for(noise_hu: float, projector: Projector) -> float:
    """Unattenuated photons per ray that give this noise in the centre of a 20 cm water disc.

    The central pixel is a weighted sum of all rays; its weights are the filter's answer to the pixel's shadow.
    """
    pixel = projector.size // 2 * (projector.size + 1)
    shadow = np.stack([block[:, [pixel]].toarray().ravel() for block in projector.blocks])
    weights = filtered(shadow[None], projector) * (np.pi / projector.views / projector.pixel_cm)
    gain = float(np.sqrt((weights.astype(np.float64) ** 2).sum()))
    return float(np.exp(MU_WATER * 20) * (gain / (MU_WATER * noise_hu / 1000)) ** 2)


def scan(
    hu: Array, projector: Projector, noise_hu: float, resolution_mm: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    """CT slices ``(Z, H, W)`` in whole HU of an object given in HU."""
    blur = resolution_mm / FWHM / (projector.pixel_cm * 10)
    image = gaussian_filter(hu, (0, blur, blur), mode="nearest")
    if noise_hu > 0:
        photons = photons_for(noise_hu, projector) * np.exp(-projector.forward(mu_from_hu(hu)))
        noise = rng.standard_normal(photons.shape, dtype=np.float32) / np.sqrt(np.maximum(photons, 1))
        image = image + fbp(noise.astype(np.float32), projector) * np.float32(1000 / MU_WATER)
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)
