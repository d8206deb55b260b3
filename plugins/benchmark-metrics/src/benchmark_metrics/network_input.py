"""A study's slices in the range that feature networks see, [-1, 1]: converted from the range that the profile pins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images

Slices = NDArray[np.float64]
SMALLEST_SIDE = 32
"""Below this many pixels a side there are no deep features."""


def network_input(images: Images, metric: str) -> tuple[Slices, Slices]:
    """Prediction and target ``(Z, H, W)`` in [-1, 1].

    Raises:
        ValueError: values lie outside the range, as raw HU do; the profile must pin a range and clip to it.
    """
    low, high = images.data_range
    slack = 1e-6 * (high - low)
    pair = images.prediction, images.target
    if not all(low - slack <= each.min() and each.max() <= high + slack for each in pair if each.size):
        raise ValueError(f"{metric}: values outside {low:g}..{high:g}; use it with clip=True in the profile")
    prediction, target = (np.clip(2.0 * (each - low) / (high - low) - 1.0, -1.0, 1.0) for each in pair)
    return prediction, target
