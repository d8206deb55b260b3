"""The simulators on imported clean images: motion, low counts, low dose. The clean image is the target, untouched.

Real images have noise and resolution of their own. Motion acts on them in k-space; what fewer counts or photons do is
simulated as a difference of two reconstructions of one acquisition and added, so that the image keeps what it has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import CleanStudy, Degraded
from benchmark.errors import DatasetError
from benchmark_medical import ct, inserts, pet
from benchmark_medical.moved_heads import move
from benchmark_medical.option_limits import require_usable
from benchmark_medical.options import LowCountOptions, LowDoseOptions, MotionOptions
from benchmark_medical.projector import projector

Array = NDArray[np.float32]

MU_WATER_511 = 0.096
"""Attenuation of water at 511 keV, in 1/cm."""
AIR_HU = -1000.0
SAME_SLICES = 16
"""Slices that are projected together: bounds the memory of large studies."""


class Motion:
    """Rigid motion during the acquisition of a magnitude image: phase and coils are not known, so there are none."""

    def __init__(self, options: MotionOptions) -> None:
        require_usable("motion", options)
        self.options = options

    def degrade(self, study: CleanStudy, rng: np.random.Generator) -> Degraded:
        """The magnitude after motion; without motion the image itself.

        Raises:
            DatasetError: pixels are not square.
        """
        moved, path = move(study.image, self.options, _pixel(study), rng)
        magnitude = np.abs(moved).astype(np.float32)
        limits = "magnitude image taken for a single coil's, in-plane rigid motion, no noise added"
        return Degraded(magnitude, study.image, {**path, "assumptions": limits})


class LowCounts:
    """Fewer counts of the acquisition that is taken to lie behind a PET."""

    def __init__(self, options: LowCountOptions) -> None:
        require_usable("low-counts", options)
        self.options = options

    def degrade(self, study: CleanStudy, rng: np.random.Generator) -> Degraded:
        """The image and the change that thinning makes to the reconstruction of its own acquisition; never negative.

        Attenuation comes from the file's CT where its other side is one, else the body is water.

        Raises:
            DatasetError: pixels are not square, or there is no uptake.
        """
        pixel = _pixel(study)
        activity, corner = _square(np.maximum(study.image, 0), 0.0)
        with_ct = study.other is not None and study.other_unit == "HU"
        hu = study.other if with_ct else np.where(study.mask, 0.0, AIR_HU).astype(np.float32)
        assert hu is not None
        mu = pet.attenuation_511(_square(hu, AIR_HU)[0]) if with_ct else _square(study.mask * MU_WATER_511, 0.0)[0]
        used = np.flatnonzero(activity.sum((1, 2)) > 0)
        if not used.size:
            raise DatasetError("there is no uptake in any slice")
        size = activity.shape[1]
        system = projector(size, pixel / 10, max(60, size // 2))
        change = np.zeros_like(activity)
        for start in range(0, len(used), SAME_SLICES):
            part = used[start : start + SAME_SLICES]
            full = pet.acquire(activity[part], mu[part].astype(np.float32), system, self.options, rng)
            low = pet.thin(full, self.options.low_count_fraction, rng)
            change[part] = pet.osem(low, system, self.options) - pet.osem(full, system, self.options)
        source = np.maximum(study.image + change[corner], 0)
        return Degraded(
            np.where(study.image < 0, study.image, source),
            study.image,
            {
                "counts_per_slice": self.options.counts,
                "low_count_fraction": self.options.low_count_fraction,
                "attenuation": "the file's CT" if with_ct else "water in the body",
                "assumptions": "2-D slices, OSEM, the image taken for the activity; counts are not the scanner's",
            },
        )


class LowDose:
    """Fewer photons of the acquisition that is taken to lie behind a CT."""

    def __init__(self, options: LowDoseOptions) -> None:
        require_usable("low-dose", options)
        self.options = options

    def degrade(self, study: CleanStudy, rng: np.random.Generator) -> Degraded:
        """The image with the noise that is missing; with signals, they are planted into the target first.

        Raises:
            DatasetError: pixels are not square.
        """
        options, pixel = self.options, _pixel(study)
        target = study.image
        physics: dict[str, Any] = {"dose": options.dose, "noise_hu": options.noise_hu}
        if options.signals:
            radius = inserts.radius_in_pixels(options.signal_mm, pixel)
            sites = inserts.choose(inserts.even_scan(target, study.mask), radius, options.signals, rng)
            target = np.rint(inserts.plant(target, sites, radius, options.signal_hu))
            physics |= {
                "signals": [site.to_json() for site in sites],
                "signal_radius_pixels": radius,
                "signal_hu": options.signal_hu,
                "target": "the scan with planted discs",
            }
        square, corner = _square(target, AIR_HU)
        low = np.concatenate(
            [
                ct.lower_dose(square[start : start + SAME_SLICES], pixel, options.dose, rng, options)
                for start in range(0, len(square), SAME_SLICES)
            ]
        )
        limits = (
            "what lies outside the picture counts as air; the scanner's own noise, spectrum and filter are not known"
        )
        return Degraded(np.rint(low[corner]), target, {**physics, "assumptions": limits})


def _pixel(study: CleanStudy) -> float:
    rows, columns = study.spacing[1:]
    if abs(rows / columns - 1) > 0.01:
        raise DatasetError(f"pixels of {rows:g} x {columns:g} mm are not square; import it resampled")
    return rows


def _square(images: NDArray[np.generic], outside: float) -> tuple[Array, tuple[slice, slice, slice]]:
    """Slices padded to squares, and where the images lie in them."""
    height, width = images.shape[1:]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padded = np.full((len(images), side, side), outside, np.float32)
    place = (slice(None), slice(top, top + height), slice(left, left + width))
    padded[place] = images
    return padded, place
