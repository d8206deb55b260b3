"""What the BraTS local-inpainting challenge adds to the common metrics; images are in 0..1 there.

Written from the definitions of its evaluation; the indices of torchmetrics are the oracle in the tests.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images
from benchmark_metrics.ssim import SSIM


class SagittalSSIM:
    """SSIM of sagittal planes, averaged over the voxels of the mask.

    The challenge hands a volume ``(1, x, y, z)`` to an index of 2-D images, so that the first axis counts as
    channels. Gaussian window of 11 taps, sigma 1.5, on both other axes, the image mirrored at its border; the
    range is the larger of the two images' own spreads. NaN where a plane is smaller than the window.
    """

    def __init__(self) -> None:
        self._index = SSIM(border="reflect")

    def score(self, images: Images) -> float:
        """One number for the study, stored as axial slices."""
        pair = (images.prediction, images.target)
        if not all(np.isfinite(image).all() for image in pair):
            return math.nan
        spread = max(float(np.ptp(image)) for image in pair)
        if spread == 0.0:
            return 1.0 if np.array_equal(*pair) else math.nan
        counts = images.mask.sum(axis=(0, 1))
        filled = np.flatnonzero(counts)

        def sagittal(array: NDArray[Any]) -> NDArray[Any]:
            # columns of axial slices run across the patient: each index there is a sagittal plane
            return np.ascontiguousarray(np.moveaxis(array, 2, 0)[filled])

        turned = Images(sagittal(images.prediction), sagittal(images.target), sagittal(images.mask), (0.0, spread))
        return float(np.average(self._index.score(turned), weights=counts[filled]))


class MSLE:
    """Mean square error of ``log(1 + value)`` over the mask. NaN where a value is not above -1."""

    def score(self, images: Images) -> NDArray[np.float64]:
        """One number a slice."""
        each = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._over(prediction[mask], target[mask]) for prediction, target, mask in each])

    def score_volume(self, images: Images) -> float:
        """One number for all voxels of the mask."""
        return self._over(images.prediction[images.mask], images.target[images.mask])

    def _over(self, prediction: NDArray[np.float64], target: NDArray[np.float64]) -> float:
        if min(prediction.min(), target.min()) <= -1.0:
            return math.nan
        return float(np.square(np.log1p(prediction) - np.log1p(target)).mean())


class PSNROfTargetRange:
    """PSNR whose peak is the spread of the target inside the mask, not a declared range.

    Infinite without error; NaN where the target is constant and the prediction is not equal to it.
    """

    def score(self, images: Images) -> float:
        """One number for all voxels of the mask, in dB."""
        prediction, target = images.prediction[images.mask], images.target[images.mask]
        error, spread = float(np.square(prediction - target).mean()), float(np.ptp(target))
        if error == 0.0:
            return math.inf
        return 20.0 * math.log10(spread) - 10.0 * math.log10(error) if spread else math.nan
