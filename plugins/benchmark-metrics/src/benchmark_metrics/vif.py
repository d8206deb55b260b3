"""Visual information fidelity in the pixel domain (Sheikh, Bovik, IEEE TIP 2006; the authors' pixel-domain variant)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images
from benchmark_metrics.windows import Array, Window, counted_from, gaussian_taps


class VIFP:
    """VIF-P over four scales, the target being the reference.

    The noise variance of the model, sigma_n^2 = 2, presumes grey values of 0..255. Regions that are constant
    in the target carry no information and do not count, so a background set to one value needs no mask. A
    target without any variance: 1 if the prediction equals it, else 0. NaN: less than 41 voxels a side (no
    window at the coarsest scale), or a value that is not finite.

    Args:
        scale: ``0..255``: the declared range is mapped there. ``as-is``: values are taken as they are, counted
            from the lower end of the range (ldct-benchmark); the number then depends on the unit.
    """

    SCALES = 4
    NOISE = 2.0
    SMALLEST_SIDE = 41
    EPSILON = 1e-10
    """Variances below this, on the 0..255 scale, are taken as none."""

    def __init__(self, scale: Literal["0..255", "as-is"] = "0..255") -> None:
        if scale not in ("0..255", "as-is"):
            raise ValueError(f"vif-p: scale {scale!r} is none of 0..255, as-is")
        self._rescales = scale == "0..255"
        # sigma is a fifth of the length, as in the authors' program
        sizes = [2 ** (self.SCALES - scale) + 1 for scale in range(self.SCALES)]
        self._windows = [Window(gaussian_taps(size, size / 5.0)) for size in sizes]

    def score(self, images: Images) -> NDArray[np.float64]:
        """Information about the target that the prediction keeps, as a fraction; above 1 when enhanced."""
        pairs = zip(images.prediction, images.target, strict=True)
        return np.array([self._fraction(prediction, target, images.data_range) for prediction, target in pairs])

    def _fraction(self, prediction: Array, target: Array, data_range: tuple[float, float]) -> float:
        finite = np.isfinite(prediction).all() and np.isfinite(target).all()
        if min(target.shape) < self.SMALLEST_SIDE or not finite:
            return math.nan
        if np.ptp(target) == 0.0:
            return _without_reference(prediction, target)
        low, high = data_range
        factor = 255.0 / (high - low) if self._rescales else 1.0
        pair = np.stack([counted_from(low, image) * factor for image in (target, prediction)], axis=1)
        kept = total = 0.0
        for scale, window in enumerate(self._windows):
            if scale:
                pair = np.ascontiguousarray(window.means(pair)[::2, :, ::2])
            kept_here, total_here = self._information(pair, window)
            kept, total = kept + kept_here, total + total_here
        return kept / total if total > 0.0 else _without_reference(prediction, target)

    def _information(self, pair: Array, window: Window) -> tuple[float, float]:
        """Information of one scale: what reaches the viewer through the distortion, and without it.

        Per window, distorted = gain * reference + noise of variance ``rest``.
        """
        rows, _, columns = pair.shape
        planes = np.empty((rows, 5, columns))
        planes[:, :2] = pair
        np.multiply(pair, pair, out=planes[:, 2:4])
        np.multiply(pair[:, 0], pair[:, 1], out=planes[:, 4])
        mean_r, mean_d, variance_r, variance_d, covariance = np.moveaxis(window.means(planes), 1, 0)
        variance_r = np.maximum(variance_r - mean_r * mean_r, 0.0)
        variance_d = np.maximum(variance_d - mean_d * mean_d, 0.0)
        covariance = covariance - mean_r * mean_d
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


def _without_reference(prediction: Array, target: Array) -> float:
    """0/0 decided: a target that carries no information is matched by its copy and by nothing else."""
    return 1.0 if np.array_equal(prediction, target) else 0.0
