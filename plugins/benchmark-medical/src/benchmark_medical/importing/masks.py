"""Files that say which voxels count: read as two values, and refused where it is not plain which of them is which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.data.volumes.geometry import CaseFault, Volume

MOST_STRUCTURES = 64
"""Whole numbers of up to so many kinds are structures; more, or fractions, are shades between inside and outside."""


def region_of(mask: Volume, name: str) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which voxels a mask sets, and what a person should know about it.

    Zero and one other value say it plainly. Several structures count together; of shades (a network's probabilities,
    leftovers of resampling, JPEG) those count that reach half of the largest; both are told, and so is a mask that sets
    the whole image.

    Raises:
        CaseFault: nothing is set, or the smallest value is not 0, so that nobody can say what is background.
    """
    values = mask.data
    low, high = float(values.min()), float(values.max())
    if low == high == 0:
        raise CaseFault(f"the mask {name} is empty")
    if low == high:
        return np.ones(values.shape, bool), (
            f"the mask is {high:g} everywhere: the region is the whole image, air included",
        )
    if low != 0:
        raise CaseFault(
            f"the mask {name} holds {low:.3g} to {high:.3g}; its smallest value is not 0, so it is not plain what is "
            "background: write 0 and 1"
        )
    inside = values != 0
    if (values[inside] == high).all():
        return inside, ()
    kinds = np.unique(values[inside])
    if len(kinds) <= MOST_STRUCTURES and not (kinds % 1).any():
        return inside, (f"the mask holds {len(kinds)} values beside 0: all of them count as inside",)
    half = high / 2
    return values >= half, (f"the mask holds shades from 0 to {high:.3g}: what reaches {half:.3g} counts as inside",)
