"""The region of a study: the body, from the target image where no mask is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label

BODY_HU = -500.0
_BINS = 128


def body_mask(data: NDArray[np.float32], unit: str, axis: int) -> NDArray[np.bool_]:
    """The body in a volume: above -500 HU, or above the lower of two Otsu thresholds for other units.

    Only the largest connected part is kept, and its holes (lungs, sinuses) are filled slice by slice across
    ``axis``.
    """
    inside = data > (BODY_HU if unit == "HU" else air_threshold(data))
    if not inside.any():
        return inside
    parts, count = label(inside)
    if count > 1:
        sizes = np.zeros(count + 1, np.int64)
        for layer in parts:  # all at once would take eight bytes a voxel
            sizes += np.bincount(layer.ravel(), minlength=count + 1)
        sizes[0] = 0
        inside = parts == sizes.argmax()
    return filled(inside, axis)


def filled(inside: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """A region without its holes, slice by slice across ``axis``."""
    layers = np.moveaxis(inside, axis, 0)
    return np.moveaxis(np.stack([_without_holes(layer) for layer in layers]), 0, axis)


def _without_holes(layer: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What scipy's ``binary_fill_holes`` gives, in a fraction of its time: all but the outside that meets a border."""
    outside, count = label(~layer)
    meets_border = np.zeros(count + 1, bool)
    for border in (outside[0], outside[-1], outside[:, 0], outside[:, -1]):
        meets_border[border] = True
    meets_border[0] = False  # the region itself
    return ~meets_border[outside]


def air_threshold(data: NDArray[np.float32]) -> float:
    """The lower threshold of three-class Otsu (Otsu 1979) on square roots: air, faint and bright tissue.

    With two classes, hot organs in PET or fat in MR would make the second class, and the body be lost.
    """
    low = float(data.min())
    roots = gaussian_filter(data, 1.0)
    roots -= np.float32(low)
    np.sqrt(np.maximum(roots, 0, out=roots), out=roots)
    counts, edges = np.histogram(roots, _BINS)
    centres = (edges[1:] + edges[:-1]) / 2
    weight = np.concatenate([[0.0], np.cumsum(counts)])
    total = np.concatenate([[0.0], np.cumsum(counts * centres)])

    def between(first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
        mass = weight[last] - weight[first]
        return np.where(mass > 0, (total[last] - total[first]) ** 2 / np.maximum(mass, 1e-12), 0)

    first, second = np.triu_indices(_BINS - 1, k=1)
    first, second = first + 1, second + 1
    ends = np.full_like(first, _BINS)
    score = between(np.zeros_like(first), first) + between(first, second) + between(second, ends)
    return float(edges[first[score.argmax()]] ** 2 + low)
