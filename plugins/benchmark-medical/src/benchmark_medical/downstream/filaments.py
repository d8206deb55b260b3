"""Do made photographs teach a segmenter what real ones look like? (Zhao et al. 2018, section 4.3)

A segmenter is trained on pairs of mask and made photograph of one half of the patients and tested on the real
photographs of the other half, and the other way round. It is a pixel classifier, the same to the last digit whoever
asks: brightness, edges and ridges at several scales, all relative to their surroundings, and logistic regression with
pairs of features; the threshold is the best on what it was trained on. Trained on real photographs in the same
way it gives the ceiling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude
from scipy.optimize import minimize

from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy
from benchmark.errors import NotApplicable

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SCALES = (0.7, 1.4, 2.8)
"""Standard deviations of the features, in pixels."""
SURROUNDINGS = 8.0
TRAINING_PIXELS = 40_000
PENALTY = 1e-3
SEED = 2018
FILAMENT = 0.5
"""Share of a pixel from which on it counts as filament."""
LEAST_PATIENTS = 2


@dataclass(frozen=True)
class _Pixels:
    """Features ``(n, d)`` of a study's pixels inside its region, and whether each is filament."""

    features: Array
    filament: Mask


class TaughtSegmenter:
    """F1 of the segmenter on every study's real photographs."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        pass

    def evaluate(self, studies: Iterable[DownstreamStudy]) -> Mapping[tuple[str, str], Mapping[str, float]]:
        """``f1``, ``precision`` and ``recall`` in 0..1 by study.

        Raises:
            NotApplicable: fewer than two patients, or masks that are all empty or all full.
        """
        patients = sorted({study.patient for study in studies})
        if len(patients) < LEAST_PATIENTS:
            raise NotApplicable(f"{len(patients)} test patient: needs {LEAST_PATIENTS}, one to train on, one to test")
        found: dict[tuple[str, str], Mapping[str, float]] = {}
        for half in (0, 1):
            taught = set(patients[half::2])
            classifier = _Classifier([_pixels(s, s.prediction) for s in studies if s.patient in taught])
            for study in studies:
                if study.patient not in taught:
                    real = _pixels(study, study.target)
                    found[study.patient, study.study] = _agreement(classifier(real.features), real.filament)
        return found


def _pixels(study: DownstreamStudy, photograph: NDArray[np.float32]) -> _Pixels:
    inside = study.mask
    features = np.concatenate([_features(image, mask) for image, mask in zip(photograph, inside, strict=True)])
    return _Pixels(features, study.source[inside] >= FILAMENT)


def _features(image: NDArray[np.float32], inside: Mask) -> Array:
    """``(n, d)`` of the pixels inside: by scale, brightness over the surroundings, edge and both curvatures.

    What lies outside the region is filled with the surroundings' mean, so that its rim is no edge; all is divided by
    the standard deviation of the photograph, so that gain and offset do not matter.
    """
    if not inside.any():
        return np.empty((0, 4 * len(SCALES)))
    weight = gaussian_filter(inside.astype(np.float64), SURROUNDINGS, mode="constant")
    values = np.where(inside, image, 0).astype(np.float64)
    around = gaussian_filter(values, SURROUNDINGS, mode="constant") / np.maximum(weight, 1e-6)
    plain = np.where(inside, image - around, 0.0)
    plain /= max(float(plain[inside].std()), 1e-6)
    columns = []
    for scale in SCALES:
        second = [gaussian_filter(plain, scale, order=order) * scale**2 for order in ((2, 0), (0, 2), (1, 1))]
        middle, root = (second[0] + second[1]) / 2, np.hypot((second[0] - second[1]) / 2, second[2])
        columns += [gaussian_filter(plain, scale), gaussian_gradient_magnitude(plain, scale) * scale]
        columns += [middle + root, middle - root]
    return np.stack([column[inside] for column in columns], 1)


class _Classifier:
    """Logistic regression on features and their products, L2-penalised, with the threshold of the best F1."""

    def __init__(self, taught: list[_Pixels]) -> None:
        features = np.concatenate([pixels.features for pixels in taught])
        filament = np.concatenate([pixels.filament for pixels in taught])
        if not 0 < filament.sum() < len(filament):
            raise NotApplicable("the masks have no filaments, or nothing else")
        random = np.random.default_rng(SEED)
        chosen = random.permutation(len(filament))[:TRAINING_PIXELS]
        self._centre, self._scale = features[chosen].mean(0), np.maximum(features[chosen].std(0), 1e-9)
        inputs, wanted = self._expand(features[chosen]), filament[chosen].astype(np.float64)

        def loss(weights: Array) -> tuple[float, Array]:
            logits = inputs @ weights
            value = np.mean(np.logaddexp(0, logits) - wanted * logits) + PENALTY * float(weights[1:] @ weights[1:])
            slope = inputs.T @ (1 / (1 + np.exp(-np.clip(logits, -60, 60))) - wanted) / len(wanted)
            slope[1:] += 2 * PENALTY * weights[1:]
            return float(value), slope

        self._weights: Array = minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
        self._threshold = _best_threshold(inputs @ self._weights, filament[chosen])

    def __call__(self, features: Array) -> Mask:
        """Which pixels are filament."""
        return np.asarray(self._expand(features) @ self._weights > self._threshold)

    def _expand(self, features: Array) -> Array:
        scaled = np.clip((features - self._centre) / self._scale, -6, 6)
        rows, columns = np.triu_indices(scaled.shape[1])
        return np.concatenate([np.ones((len(scaled), 1)), scaled, scaled[:, rows] * scaled[:, columns]], 1)


def _best_threshold(logits: Array, filament: Mask) -> float:
    """The threshold of the greatest F1."""
    order = np.argsort(-logits, kind="stable")
    hits = np.cumsum(filament[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + filament.sum())
    best = int(f1.argmax())
    below = logits[order[min(best + 1, len(order) - 1)]]
    return float((logits[order[best]] + below) / 2)


def _agreement(found: Mask, true: Mask) -> dict[str, float]:
    """F1, precision and recall; undefined where there is no filament to find."""
    if not true.any():
        return {"f1": np.nan, "precision": np.nan, "recall": np.nan}
    hits = int((found & true).sum())
    precision = hits / int(found.sum()) if found.any() else 0.0
    return {"f1": 2 * hits / (int(found.sum()) + int(true.sum())), "precision": precision, "recall": hits / true.sum()}
