"""Low-contrast discs at known places, half of which only could hold one: what a model observer is asked about.

They are planted into the object before it is scanned, so that full and low dose see the same signals. Places lie in
soft tissue, far enough from its borders and from one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter, minimum_filter

Array = NDArray[np.float32]

SOFT_HU = (10.0, 110.0)
MOST_SPAN_HU = 50.0
"""HU of even soft tissue lie between the one and differ from those next to them by no more than the other."""
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


def even_object(hu: Array) -> NDArray[np.bool_]:
    """Where an object without noise ``(Z, H, W)`` in HU is even soft tissue: no neighbour is far off."""
    span = maximum_filter(hu, (1, 3, 3)) - minimum_filter(hu, (1, 3, 3))
    return (span < MOST_SPAN_HU) & (hu > SOFT_HU[0]) & (hu < SOFT_HU[1])


def even_scan(hu: NDArray[np.generic], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a CT ``(Z, H, W)`` shows even soft tissue inside the mask, once its noise is smoothed."""
    return even_object(gaussian_filter(hu.astype(np.float32), (0, 2.0, 2.0))) & mask


def choose(soft: NDArray[np.bool_], radius: float, most: int, rng: np.random.Generator) -> list[Site]:
    """Places in slices of soft tissue ``(Z, H, W)``, at most ``most`` a slice, by chance; every other has a signal.

    ``radius`` in pixels.
    """
    sites: list[Site] = []
    for index, layer in enumerate(soft):
        # an even pixel has even neighbours: the border is a pixel further away than it seems
        free = distance_transform_edt(np.pad(layer, 1))[1:-1, 1:-1] > radius + MARGIN_PIXELS - 1
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
