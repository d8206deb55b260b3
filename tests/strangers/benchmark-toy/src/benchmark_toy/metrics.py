"""A metric, and one whose weights are missing."""

from __future__ import annotations

import numpy as np

from benchmark import Unavailable
from benchmark.protocols import Images


class Error:
    """Mean absolute error inside the region."""

    def score(self, images: Images) -> np.ndarray:
        errors = np.abs(images.prediction - images.target)
        return np.array([error[mask].mean() for error, mask in zip(errors, images.mask, strict=True)])


def unavailable() -> Error:
    """Would need weights that are not there."""
    raise Unavailable("weights missing: toy-metric.pth")
