"""Low-contrast discs at known places, half of which only could hold one: what a model observer is asked about.

They are planted into the object before it is scanned, so that full and low dose see the same signals. Places lie in
soft tissue, far enough from its borders and from one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from benchmark_medical.tissues import TISSUES

Array = NDArray[np.float32]

SOFT_HU = (40.0, 65.0)
"""Tissues with HU between these (muscle, liver, spleen, blood, heart) make an even ground."""
MARGIN_PIXELS = 1.5
"""Even tissue around a disc, in pixels: what an observer compares it with."""
SMALLEST_PIXELS = 1.5
"""No disc has a smaller radius than this many pixels, whatever is asked for in mm."""


@dataclass(frozen=True)
class Site:
    """A place where a signal is or could be."""

    slice: int
    row: int
    column: int
    present: bool

    def to_json(self) -> list[int]:
        """Slice, row, column, and 1 where there is a signal."""
        return [self.slice, self.row, self.column, int(self.present)]


def radius_in_pixels(radius_mm: float, pixel_mm: float) -> float:
    """A disc's radius on a grid."""
    return max(radius_mm / pixel_mm, SMALLEST_PIXELS)


def soft_labels(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where labels say soft tissue."""
    low, high = SOFT_HU
    return np.isin(labels, [number for number, tissue in enumerate(TISSUES) if low <= tissue.hu <= high])


def soft_scan(hu: NDArray[np.generic], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a CT ``(Z, H, W)`` shows even soft tissue inside the mask: smoothed, it stays within 60 HU of 40."""
    smooth = gaussian_filter(hu.astype(np.float32), (0, 2.0, 2.0))
    return (np.abs(smooth - 40) < 60) & mask


def choose(soft: NDArray[np.bool_], radius: float, most: int, rng: np.random.Generator) -> list[Site]:
    """Places in slices of soft tissue ``(Z, H, W)``, at most ``most`` a slice, by chance; every other has a signal.

    ``radius`` in pixels.
    """
    sites: list[Site] = []
    for index, layer in enumerate(soft):
        free = distance_transform_edt(np.pad(layer, 1))[1:-1, 1:-1] > radius + MARGIN_PIXELS
        rows, columns = np.indices(layer.shape)
        for _ in range(most):
            places = np.flatnonzero(free)
            if not places.size:
                break
            row, column = np.unravel_index(int(rng.choice(places)), layer.shape)
            sites.append(Site(index, int(row), int(column), len(sites) % 2 == 0))
            free &= np.hypot(rows - row, columns - column) > 2 * (radius + MARGIN_PIXELS)
    return sites


def plant(hu: Array, sites: list[Site], radius: float, contrast_hu: float) -> Array:
    """The object with its signals: discs of ``radius`` pixels, their rims partial."""
    planted = hu.copy()
    rows, columns = np.indices(hu.shape[1:])
    for site in sites:
        if site.present:
            planted[site.slice] += contrast_hu * disc(np.hypot(rows - site.row, columns - site.column), radius)
    return planted


def disc(distance: NDArray[np.float64], radius: float) -> Array:
    """Share of each pixel that lies in a disc, by its distance from the middle, to first order."""
    share: Array = np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)
    return share
