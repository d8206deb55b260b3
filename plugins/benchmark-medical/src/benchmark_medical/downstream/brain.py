"""Can a brain still be segmented, and are its edges as steep? For magnitude MR in arbitrary units.

The segmenter is the simplest that works: every tissue a Gaussian in the logarithm of the signal and of its 3x3
mean, fitted to the patient's own true image and labels after their receive field has been taken out. So it knows
the contrast, and what it misses in the translation was lost there. What it finds in the true image itself is the
ceiling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy
from benchmark.errors import NotApplicable
from benchmark_medical.downstream.ct_tissues import dice
from benchmark_medical.downstream.labelled import labels_named

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TISSUES = {"grey": ("grey matter", "gray matter", "cerebellar cortex"), "white": ("white matter",), "csf": ("csf",)}
"""Words by which the labels of each tissue are known."""
FIELD_MM = 30.0
"""Standard deviation of the smoothing that makes the receive field."""
FEWEST_VOXELS = 20
EDGE_SHARE = 0.1
"""Share of the region's voxels that count as edges."""


class BrainTissues:
    """Dice of grey matter, white matter and CSF, and their mean."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        self.labels = {
            name: labels_named(context.labels, words, f"{name} matter" if name != "csf" else "CSF")
            for name, words in TISSUES.items()
        }

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        """Dice in 0..1 over the voxels that the truth gives to one of the three.

        Raises:
            NotApplicable: the study has no label map, or too little of a tissue.
        """
        if study.labels is None:
            raise NotApplicable("studies without a label map")
        true = np.stack([np.isin(study.labels, labels) & study.mask for labels in self.labels.values()])
        if true.sum((1, 2, 3)).min() < FEWEST_VOXELS:
            raise NotApplicable("studies without enough of each brain tissue")
        brain: Mask = true.any(axis=0)  # type: ignore[assignment]  # never a scalar
        field = _field(study.target, true, study.spacing)
        truth, found = (_features(image, brain) - field for image in (study.target, study.prediction))
        likelihood = np.stack([_log_density(truth[:, tissue], found[:, brain]) for tissue in true])
        guess = likelihood.argmax(0)
        scores = {f"dice-{name}": dice(guess == number, true[number][brain]) for number, name in enumerate(self.labels)}
        return {"dice-mean": float(np.mean(list(scores.values()))), **scores}


def _features(image: NDArray[np.float32], brain: Mask) -> Array:
    """``(2, Z, H, W)``: logarithm of the signal, and of its in-plane 3x3 mean; limited far below the brain's signal."""
    level = float(np.median(np.maximum(image[brain], 0)))
    floor = max(1e-3 * level, 1e-12)
    return np.stack(
        [np.log(np.maximum(each, floor)) for each in (image, uniform_filter(image, (0, 3, 3), mode="nearest"))]
    ).astype(np.float64)


def _field(image: NDArray[np.float32], tissues: Mask, spacing: tuple[float, float, float]) -> Array:
    """Logarithm of the receive field: what is left of the signal when every tissue has its mean, smoothed."""
    brain: Mask = tissues.any(axis=0)  # type: ignore[assignment]
    logarithm = _features(image, brain)[0]
    residual = np.zeros(image.shape)
    for tissue in tissues:
        residual[tissue] = logarithm[tissue] - np.median(logarithm[tissue])
    widths = [FIELD_MM / length for length in spacing]
    weight = gaussian_filter(brain.astype(np.float64), widths, mode="constant")
    smooth: Array = gaussian_filter(residual, widths, mode="constant") / np.maximum(weight, 1e-6)
    return smooth


def _log_density(samples: Array, points: Array) -> Array:
    """Log-density of ``points (D, n)`` under the Gaussian of ``samples (D, m)``, up to a constant."""
    centre = samples.mean(1, keepdims=True)
    covariance = np.cov(samples) + 1e-6 * np.eye(len(samples))
    offset = points - centre
    distance = np.einsum("dn,dn->n", offset, np.linalg.solve(covariance, offset))
    density: Array = -0.5 * (distance + np.linalg.slogdet(covariance)[1])
    return density


class Edges:
    """Are the target's edges as steep in the translation? Slopes along the target's own gradient."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        pass

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        """``sharpness``: 1 for the target, 0 without its edges; edges in other places add nothing."""
        wanted, found = (_gradient(image, study.spacing) for image in (study.target, study.prediction))
        size = np.sqrt((wanted**2).sum(0))
        inside = study.mask & (size > 0)
        if not inside.any():
            raise NotApplicable("studies without an edge")
        edges = inside & (size >= np.quantile(size[inside], 1 - EDGE_SHARE))
        along = (wanted[:, edges] * found[:, edges]).sum(0) / size[edges]
        return {"sharpness": float(along.sum() / size[edges].sum())}


def _gradient(image: NDArray[np.float32], spacing: tuple[float, float, float]) -> Array:
    """In-plane gradient ``(2, Z, H, W)`` per mm, of the image smoothed as central differences need."""
    smooth = gaussian_filter(image.astype(np.float64), (0, 0.5, 0.5), mode="nearest")
    rows, columns = np.gradient(smooth, *spacing[1:], axis=(1, 2))
    return np.stack([rows, columns])
