"""Are edges as steep as the target's, and in the same place? Gradients at the target's own edges, compared.

Gradients are central differences per mm. Edges are the tenth of the region's voxels where the target's gradient is
largest; only voxels count whose neighbours are all in the region, so nothing outside is read.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from benchmark.contracts.protocols import Images

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

EDGES = 90.0
"""Edges are the voxels whose gradient in the target is at or above this percentile of the region."""


class _AtEdges:
    """Scores slices by gradients in the plane, studies by gradients in space.

    NaN: no voxel of the region has all its neighbours there, or a gradient is not finite.
    """

    def score(self, images: Images) -> Array:
        """One number a slice."""
        slices = zip(images.prediction, images.target, images.mask, strict=True)
        return np.array([self._over(*each, images.spacing[1:]) for each in slices])

    def score_volume(self, images: Images) -> float:
        """One number for the study."""
        return self._over(images.prediction, images.target, images.mask, images.spacing)

    def _over(self, prediction: Array, target: Array, mask: Mask, spacing: tuple[float, ...]) -> float:
        inner = binary_erosion(mask)  # the image's border is outside too
        if not inner.any():
            return math.nan
        predicted, true = _gradients(prediction, inner, spacing), _gradients(target, inner, spacing)
        if not (np.isfinite(predicted).all() and np.isfinite(true).all()):
            return math.nan
        strength = _lengths(true)
        edges = strength >= np.percentile(strength, EDGES)
        return self._of(predicted[:, edges], true[:, edges])

    def _of(self, predicted: Array, true: Array) -> float:
        """The score from the gradient vectors at the edges, ``(axes, voxels)``."""
        raise NotImplementedError


class EdgeSharpness(_AtEdges):
    """Agreement of gradients at the target's edges, ``1 - sum |gp - gt| / sum (|gp| + |gt|)``: 0 to 1, 1 is best.

    Blur, noise, over-sharpening and displaced edges all lower it; edges half or twice as steep score 2/3, no edges
    0. Neither image has any gradient there: 1.
    """

    def _of(self, predicted: Array, true: Array) -> float:
        strengths = float(_lengths(predicted).sum() + _lengths(true).sum())
        return 1.0 - float(_lengths(predicted - true).sum()) / strengths if strengths else 1.0


class EdgeRatio(_AtEdges):
    """Mean gradient magnitude of the prediction over that of the target, at the target's edges: 1 is as steep,
    below is blurred, above is noisy or over-sharpened.

    Target without any gradient: 1 if the prediction has none there either, else NaN.
    """

    def _of(self, predicted: Array, true: Array) -> float:
        strength, reference = float(_lengths(predicted).mean()), float(_lengths(true).mean())
        if reference == 0.0:
            return 1.0 if strength == 0.0 else math.nan
        return strength / reference


def _gradients(image: Array, inner: Mask, spacing: tuple[float, ...]) -> Array:
    """Gradient vectors ``(axes, voxels)`` of the voxels of ``inner``, all of which have neighbours on every axis."""
    middle = tuple(slice(1, -1) for _ in image.shape)
    vectors = np.empty((image.ndim, int(np.count_nonzero(inner))))
    for axis, step in enumerate(spacing):
        after, before = list(middle), list(middle)
        after[axis], before[axis] = slice(2, None), slice(None, -2)
        with np.errstate(invalid="ignore"):  # infinities outside the region
            difference = np.subtract(image[tuple(after)], image[tuple(before)], dtype=np.float64)
        vectors[axis] = difference[inner[middle]] / (2.0 * step)
    return vectors


def _lengths(vectors: Array) -> Array:
    """Of each vector."""
    lengths: Array = np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
    return lengths
