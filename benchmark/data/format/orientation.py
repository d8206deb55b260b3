"""To which sides of the patient the axes of stored slices run."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray


def view_of(affine: NDArray[np.float64]) -> str:
    """To which sides columns, rows and slices run, from the affine (column, row, slice) to RAS mm: ``LPS``, say.

    As nibabel's ``aff2axcodes``, which every process that trains would load together with pydicom.
    """
    along = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    sides = max(permutations(range(3)), key=lambda axes: np.abs(along[axes, range(3)]).sum())
    return "".join(("LR", "PA", "IS")[axis][int(along[axis, index] > 0)] for index, axis in enumerate(sides))
