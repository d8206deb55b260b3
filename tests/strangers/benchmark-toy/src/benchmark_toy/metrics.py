"""A metric, and one whose weights are missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark import Unavailable


class Error:
    """Mean absolute error inside the region."""

    def score(self, prediction: Any, target: Any, mask: Any, data_range: tuple[float, float]) -> float:
        return float(np.abs(prediction - target)[mask].mean())


def unavailable() -> Error:
    """Would need weights that are not there."""
    raise Unavailable("weights missing: toy-metric.pth")
