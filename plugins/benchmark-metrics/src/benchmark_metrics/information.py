"""Visual information fidelity in the pixel domain (Sheikh, Bovik 2006; pixel-domain variant of the authors)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from benchmark.protocols import Images

Image = NDArray[np.float64]


class VIFP:
    """VIF-P over four scales, the target being the reference.

    The model's noise variance, sigma_n^2 = 2, presumes grey values of 0..255: the declared range is scaled
    to that. Regions that are constant in the target carry no information and do not count, so a background
    set to one value needs no mask. A target without any variance: 1 if the prediction equals it, else 0.
    Images below 41 voxels a side have no window at the coarsest scale: NaN.
    """

    SCALES = 4
    NOISE = 2.0
    SMALLEST_SIDE = 41
    EPSILON = 1e-10
    """Variances below this, on the 0..255 scale, are taken as none."""

    def __init__(self) -> None:
        self._taps = [_gaussian(2 ** (self.SCALES - scale) + 1) for scale in range(self.SCALES)]

    def score(self, images: Images) -> Image:
        """Information about the target that the prediction keeps, as a fraction; above 1 when enhanced."""
        pairs = zip(images.prediction, images.target, strict=True)
        return np.array([self._fraction(prediction, target, images.data_range) for prediction, target in pairs])

    def _fraction(self, prediction: Image, target: Image, data_range: tuple[float, float]) -> float:
        if min(target.shape) < self.SMALLEST_SIDE:
            return math.nan
        if np.ptp(target) == 0.0:
            return _without_reference(prediction, target)
        low, high = data_range
        reference = (target - low) * (255.0 / (high - low))
        distorted = (prediction - low) * (255.0 / (high - low))
        kept = total = 0.0
        for scale, taps in enumerate(self._taps):
            if scale:
                reference, distorted = _smooth(np.stack([reference, distorted]), taps)[:, ::2, ::2]
            kept_here, total_here = self._information(reference, distorted, taps)
            kept, total = kept + kept_here, total + total_here
        return kept / total if total > 0.0 else _without_reference(prediction, target)

    def _information(self, reference: Image, distorted: Image, taps: Image) -> tuple[float, float]:
        """Information of one scale: what reaches the viewer through the distortion, and without it.

        Per window, distorted = gain * reference + noise of variance ``rest``.
        """
        products = [reference * reference, distorted * distorted, reference * distorted]
        mean_r, mean_d, rr, dd, rd = _smooth(np.stack([reference, distorted, *products]), taps)
        variance_r = np.maximum(rr - mean_r * mean_r, 0.0)
        variance_d = np.maximum(dd - mean_d * mean_d, 0.0)
        covariance = rd - mean_r * mean_d
        gain = covariance / (variance_r + self.EPSILON)
        rest = variance_d - gain * covariance
        flat_r, flat_d = variance_r < self.EPSILON, variance_d < self.EPSILON
        gain[flat_r | flat_d] = 0.0
        rest[flat_r] = variance_d[flat_r]
        rest[flat_d] = 0.0
        variance_r[flat_r] = 0.0
        inverted = gain < 0
        rest[inverted] = variance_d[inverted]
        gain[inverted] = 0.0
        rest = np.maximum(rest, self.EPSILON)
        kept = np.log1p(gain * gain * variance_r / (rest + self.NOISE)).sum()
        total = np.log1p(variance_r / self.NOISE).sum()
        return float(kept), float(total)


def _without_reference(prediction: Image, target: Image) -> float:
    """0/0 decided: a target that carries no information is matched by its copy and by nothing else."""
    return 1.0 if np.array_equal(prediction, target) else 0.0


def _gaussian(taps: int) -> Image:
    """Normalised Gaussian window whose sigma is a fifth of its length, as the authors' program has it."""
    offsets = np.arange(taps) - (taps - 1) / 2
    window = np.exp(-0.5 * (offsets / (taps / 5.0)) ** 2)
    normalised: Image = window / window.sum()
    return normalised


def _smooth(stack: Image, taps: Image) -> Image:
    """Weighted local means of each image ``(H, W)`` of a stack, windows fully inside."""
    radius = len(taps) // 2
    rows = correlate1d(stack, taps, axis=1)[:, radius:-radius]
    inside: Image = correlate1d(rows, taps, axis=2)[:, :, radius:-radius]
    return inside
