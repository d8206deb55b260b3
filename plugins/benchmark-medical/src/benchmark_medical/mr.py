"""MR magnitude images: signal equations, receive field, Rician noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark_medical.options import MrOptions

Array = NDArray[np.float32]


def spin_echo(t1: Array, t2: Array, pd: Array, repetition: float, echo: float) -> Array:
    """Signal of a spin echo, ``PD (1 - exp(-TR/T1)) exp(-TE/T2)``; times in ms."""
    image: Array = pd * (1 - np.exp(-repetition / t1)) * np.exp(-echo / t2)
    return image


def mprage(t1: Array, t2: Array, pd: Array, repetition: float, echo: float, inversion: float) -> Array:
    """Magnitude of an inversion-prepared gradient echo at the centre of k-space.

    ``PD |1 - 2 exp(-TI/T1) / (1 + exp(-(TI + TR)/T1))| exp(-TE/T2)`` with TR the recovery after the readout: the
    steady state of inversion recovery, the small flip angles of the readout neglected.
    """
    recovery = 1 - 2 * np.exp(-inversion / t1) / (1 + np.exp(-(inversion + repetition) / t1))
    image: Array = pd * np.abs(recovery) * np.exp(-echo / t2)
    return image


def signal(t1: Array, t2: Array, pd: Array, options: MrOptions) -> Array:
    """Signal of the chosen sequence, relative to fully relaxed water."""
    if options.sequence == "mprage":
        return mprage(t1, t2, pd, options.repetition_ms, options.echo_ms, options.inversion_ms)
    return spin_echo(t1, t2, pd, options.repetition_ms, options.echo_ms)


def bias_field(points: tuple[Array, Array, Array], strength: float, rng: np.random.Generator) -> Array:
    """A smooth receive field: the exponential of a random quadratic of the position, ``strength`` its standard
    deviation (in the logarithm) over a sphere of 100 mm."""
    x, y, z = (axis / np.float32(100) for axis in points)
    terms = (x, y, z, x * x - y * y, x * y, y * z, x * z, x * x + y * y - 2 * z * z)
    weights = rng.normal(size=len(terms)) * strength / np.sqrt(2.0)
    field: Array = np.exp(sum(np.float32(w) * term for w, term in zip(weights, terms, strict=True)))
    return field


def rician(image: NDArray[np.generic], sigma: float, rng: np.random.Generator) -> Array:
    """Magnitude of an image with complex Gaussian noise of standard deviation ``sigma`` per channel."""
    shape = image.shape
    real, imaginary = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(sigma)
    magnitude: Array = np.abs(image + real + 1j * imaginary).astype(np.float32)
    return magnitude
