"""A metric, and one whose weights are missing."""

from __future__ import annotations

import numpy as np

from benchmark import Unavailable
from benchmark.contracts.protocols import Estimate, Images


class Error:
    """Mean absolute error inside the region."""

    def score(self, images: Images) -> np.ndarray:
        errors = np.abs(images.prediction - images.target)
        return np.array([error[mask].mean() for error, mask in zip(errors, images.mask, strict=True)])


class Share:
    """Share of pixels that the drawn masks mark; it needs the masks."""

    def reset(self) -> None:
        self.shares: list[float] = []

    def update(self, images: Images) -> None:
        if images.predicted_labels is None:
            raise Unavailable("the predictions come without masks")
        self.shares.append(float(images.predicted_labels[images.mask].mean()))

    def compute(self) -> Estimate:
        value = float(np.mean(self.shares))
        return Estimate(value, min(self.shares), max(self.shares), len(self.shares))


def unavailable() -> Error:
    """Would need weights that are not there."""
    raise Unavailable("weights missing: toy-metric.pth")
