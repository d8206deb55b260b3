"""Are edges as steep as the target's? Gradients at the target's own edges, compared."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from benchmark.protocols import Images

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

EDGES = 90.0
"""Edges are the voxels whose gradient in the target is at or above this percentile of the region."""


class EdgeRatio:
    """Mean gradient magnitude of the prediction over that of the target, at the target's edges: 1 is as sharp,
    below is blurred, above is noisy or over-sharpened.

    Gradients are central differences per mm. Edges are the tenth of the region's voxels where the target's is
    largest; only voxels count whose neighbours are in the region too, so nothing outside is read. Target without
    any gradient: 1 if the prediction has none there either, else NaN. No such voxel, or a value there that is not
    finite: NaN.
    """

    def score(self, images: Images) -> Array:
        """One number a slice, from gradients in the plane."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._value(*_strengths(*each, images.spacing[1:])) for each in slices])

    def score_volume(self, images: Images) -> float:
        """One number for the study, from gradients in space."""
        strengths = _strengths(images.prediction, images.target, images.mask, images.spacing)
        return self._value(*strengths)

    def _value(self, predicted: float, true: float) -> float:
        if true == 0.0:
            return 1.0 if predicted == 0.0 else math.nan
        return predicted / true


class EdgeSharpness(EdgeRatio):
    """Agreement of edge steepness, 0 to 1: the smaller of :class:`EdgeRatio` and its inverse.

    1 is best; half as steep and twice as steep both score 0.5. Target without any gradient: 1 if the prediction
    has none there either, else 0.
    """

    def _value(self, predicted: float, true: float) -> float:
        if math.isnan(predicted) or math.isnan(true):
            return math.nan
        largest = max(predicted, true)
        return min(predicted, true) / largest if largest else 1.0


def _strengths(prediction: Array, target: Array, mask: Mask, spacing: tuple[float, ...]) -> tuple[float, float]:
    """Mean gradient magnitudes of prediction and target at the target's edges; NaN where there is no voxel."""
    inner = binary_erosion(mask)  # the image's border is outside too
    if not inner.any():
        return math.nan, math.nan
    true = _magnitude(target, inner, spacing)
    edges = true >= np.percentile(true, EDGES)
    if not edges.any():  # not finite
        return math.nan, math.nan
    return float(_magnitude(prediction, inner, spacing)[edges].mean()), float(true[edges].mean())


def _magnitude(image: Array, inner: Mask, spacing: tuple[float, ...]) -> Array:
    """Gradient magnitudes of the voxels of ``inner``, all of which have neighbours on every axis."""
    squares: Array = np.zeros(int(np.count_nonzero(inner)))
    middle = tuple(slice(1, -1) for _ in image.shape)
    for axis, step in enumerate(spacing):
        after, before = list(middle), list(middle)
        after[axis], before[axis] = slice(2, None), slice(None, -2)
        difference = (image[tuple(after)] - image[tuple(before)])[inner[middle]]
        squares += (difference / (2.0 * step)) ** 2
    return np.sqrt(squares)
