"""What a synthetic CT does to the PET that is corrected for attenuation with it.

The source PET is taken for the activity: its line integrals are attenuated by the true CT's map and corrected with
the synthetic one's, so each is off by the factor ``exp(P (mu_synthetic - mu_true))``. Filtered back-projection of
both gives the PET with either correction. Maps are limited to the body, binned to pixels of at least 2 mm and
blurred to PET's resolution first, as scanners do. Noise, scatter and their corrections are left out: they are the
same for both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy
from benchmark.errors import NotApplicable
from benchmark_medical.ct import fbp
from benchmark_medical.pet import FWHM, UNCORRECTED, attenuation_511
from benchmark_medical.projector import projector

Array = NDArray[np.float32]

AIR = -1000.0
FINEST_MM = 2.0
RESOLUTION_MM = 5.0
"""FWHM to which attenuation maps and the reconstructed PET are blurred."""


class AttenuationCorrection:
    """Error and bias of the corrected PET inside the body, in percent of the uptake there."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        pass

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        """``error``: sum of absolute differences over sum of uptake; ``bias``: the same with signs.

        Raises:
            NotApplicable: pixels are not square, there is no uptake, or the source PET is not corrected itself and so
                is no activity.
        """
        if study.physics.get("attenuation_correction") == UNCORRECTED:
            raise NotApplicable("the source PET is not corrected for attenuation, so it cannot stand for the activity")
        rows, columns = study.spacing[1:]
        if abs(rows / columns - 1) > 0.01:
            raise NotApplicable(f"pixels of {rows:g} x {columns:g} mm are not square")
        factor = max(1, int(np.ceil(FINEST_MM / rows - 1e-6)))
        pixel = rows * factor
        truth, synthetic = (
            binned(attenuation_511(np.where(study.mask, hu, AIR)), factor) for hu in (study.target, study.prediction)
        )
        activity = binned(np.where(study.mask, np.maximum(study.source, 0), 0).astype(np.float32), factor)
        inside = binned(study.mask.astype(np.float32), factor) > 0.5
        if not activity[inside].sum() > 0:
            raise NotApplicable("there is no uptake inside the body")
        right, wrong = corrected(activity, truth, synthetic, pixel)
        total = float(right[inside].sum(dtype=np.float64))
        difference = (wrong - right)[inside].astype(np.float64)
        return {"error": 100 * float(np.abs(difference).sum()) / total, "bias": 100 * float(difference.sum()) / total}


def corrected(activity: Array, true_mu: Array, used_mu: Array, pixel_mm: float) -> tuple[Array, Array]:
    """PET ``(Z, N, N)`` of an activity behind ``true_mu`` (1/cm), corrected with it and with ``used_mu``."""
    size = activity.shape[1]
    system = projector(size, pixel_mm / 10, max(90, size // 2))
    blur = RESOLUTION_MM / FWHM / pixel_mm
    change = gaussian_filter(used_mu - true_mu, (0, blur, blur), mode="constant")
    integrals = system.forward(activity)
    right = fbp(integrals, system)
    wrong = fbp((integrals * np.exp(system.forward(change))).astype(np.float32), system)
    smooth = [gaussian_filter(image, (0, blur, blur), mode="constant") for image in (right, wrong)]
    return smooth[0], smooth[1]


def binned(image: Array, factor: int) -> Array:
    """Slices ``(Z, H, W)`` padded with zeros to squares, then averaged over blocks of ``factor`` pixels."""
    slices, height, width = image.shape
    side = -(-max(height, width) // factor) * factor
    square = np.zeros((slices, side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = image
    blocks: Array = square.reshape(slices, side // factor, factor, side // factor, factor).mean((2, 4))
    return blocks
