"""Overlap and surface distance of structures: label maps, or tissue found by thresholds in both images.

A structure that is missed, or that only the prediction has, is the worst case and counts as such: Dice 0, distance
the diagonal of the volume. Leaving it out of a mean would reward erasing an organ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from benchmark.contracts.protocols import Images

Mask = NDArray[np.bool_]
Spacing = tuple[float, ...]
Present = Literal["either", "target"]


def dice(prediction: Mask, target: Mask) -> float:
    """``2 |P and T| / (|P| + |T|)`` of two masks; NaN when both are empty."""
    together = int(np.count_nonzero(prediction)) + int(np.count_nonzero(target))
    return 2.0 * int(np.count_nonzero(prediction & target)) / together if together else math.nan


def hausdorff(prediction: Mask, target: Mask, spacing: Spacing, percentile: float) -> float:
    """Larger of the two directed percentiles of the distances between the surfaces of two masks, in mm.

    The surface is every voxel of the structure with a face neighbour outside it; beyond the array is outside.
    Percentiles are interpolated linearly; 100 gives the Hausdorff distance. One mask empty: the diagonal of the
    array; both: NaN.
    """
    if not (prediction.any() and target.any()):
        return diagonal(target.shape, spacing) if prediction.any() or target.any() else math.nan
    box = _bounding_box(prediction | target)
    surfaces = [surface(np.pad(structure[box], 1)) for structure in (prediction, target)]
    distances = [distance_transform_edt(~each, sampling=spacing) for each in surfaces]
    directed = (distances[1][surfaces[0]], distances[0][surfaces[1]])
    return max(float(np.percentile(each, percentile)) for each in directed)


def surface(structure: Mask) -> Mask:
    """Voxels of a mask with a face neighbour outside it."""
    outside: Mask = structure & ~binary_erosion(structure)
    return outside


def diagonal(shape: tuple[int, ...], spacing: Spacing) -> float:
    """Length of the diagonal of an array in mm, from outer face to outer face."""
    return math.hypot(*(size * step for size, step in zip(shape, spacing, strict=True)))


def _bounding_box(structure: Mask) -> tuple[slice, ...]:
    box = []
    for axis in range(structure.ndim):
        filled = np.flatnonzero(structure.any(axis=tuple(other for other in range(structure.ndim) if other != axis)))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)


class _Structures:
    """Pairs of masks of a study, one pair a structure; a study of one slice is compared in its plane.

    Args:
        labels: which labels count; empty: all but 0.
        present: ``either``: structures found in the target or in the prediction; ``target``: only those in the
            target (SynthRAD2025, which does not see structures that the prediction invented).
    """

    def __init__(self, labels: Sequence[int] = (), present: Present = "either") -> None:
        if present not in ("either", "target"):
            raise ValueError(f"present {present!r} is none of either, target")
        self._labels, self._present = frozenset(labels), present

    def pairs(self, images: Images) -> Iterator[tuple[Mask, Mask, Spacing]]:
        """Prediction, target and spacing of each structure."""
        if images.labels is None or images.predicted_labels is None:
            raise ValueError("label maps of target and prediction are needed")
        found = set(np.unique(images.labels).tolist())
        if self._present == "either":
            found |= set(np.unique(images.predicted_labels).tolist())
        for label in sorted(found - {0}):
            if not self._labels or label in self._labels:
                yield flattened(images.predicted_labels == label, images.labels == label, images.spacing)


def flattened(prediction: Mask, target: Mask, spacing: Spacing) -> tuple[Mask, Mask, Spacing]:
    """Without the first axis where it is one slice deep: every voxel would be surface there."""
    return (prediction[0], target[0], spacing[1:]) if len(target) == 1 else (prediction, target, spacing)


class Dice(_Structures):
    """Mean Dice coefficient over the structures of a study; missed and invented ones count 0, no structure: NaN."""

    def score(self, images: Images) -> float:
        """One number for the study."""
        values = [dice(prediction, target) for prediction, target, _ in self.pairs(images)]
        return fmean(values) if values else math.nan


class HD95(_Structures):
    """Mean over the structures of a study of the 95th percentile of surface distances, in mm; missed and invented
    ones count the diagonal of the volume, no structure: NaN.

    Args:
        labels, present: see the class it is made of.
        percentile: 100 for the Hausdorff distance itself.
    """

    def __init__(
        self,
        labels: Sequence[int] = (),
        present: Present = "either",
        percentile: float = 95.0,
    ) -> None:
        super().__init__(labels, present)
        if not 0.0 <= percentile <= 100.0:
            raise ValueError(f"hd95: percentile {percentile} is not between 0 and 100")
        self._percentile = percentile

    def score(self, images: Images) -> float:
        """One number for the study."""
        values = [hausdorff(*pair, self._percentile) for pair in self.pairs(images)]
        return fmean(values) if values else math.nan


class _Tissue:
    """One structure: the voxels of the region whose value lies within thresholds, in each image.

    Args:
        low, high: in the unit of the images, both included. The default is bone in HU.
    """

    def __init__(self, low: float = 200.0, high: float = math.inf) -> None:
        if not low < high:
            raise ValueError(f"tissue between {low:g} and {high:g}: low must be below high")
        self._low, self._high = low, high

    def pair(self, images: Images) -> tuple[Mask, Mask, Spacing]:
        """Prediction, target and spacing."""
        masks = [
            images.mask & (image >= self._low) & (image <= self._high) for image in (images.prediction, images.target)
        ]
        return flattened(masks[0], masks[1], images.spacing)


class TissueDice(_Tissue):
    """Dice coefficient of a tissue found by thresholds; 0 where one image has none, NaN where neither has."""

    def score(self, images: Images) -> float:
        """One number for the study."""
        return dice(*self.pair(images)[:2])


class TissueHD95(_Tissue):
    """95th percentile of the surface distances of a tissue found by thresholds, in mm; the diagonal of the volume
    where one image has none, NaN where neither has.
    """

    def score(self, images: Images) -> float:
        """One number for the study."""
        return hausdorff(*self.pair(images), 95.0)
