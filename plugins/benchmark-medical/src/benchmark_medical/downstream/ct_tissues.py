"""Air, soft tissue and bone of a synthetic CT, by thresholds of the true one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy

AIR_BELOW, BONE_FROM = -400.0, 200.0
"""HU. Lung counts as air; both thresholds are far from soft tissue, so partial volume decides little."""


class CtTissues:
    """Mean absolute error in each tissue of the true CT, and how well air and bone are found."""

    def __init__(self, _: None, context: DownstreamContext) -> None:
        pass

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        """MAE in HU, Dice 0..1; a tissue that the study has not is undefined (NaN)."""
        found, true = (image[study.mask].astype(np.float64) for image in (study.prediction, study.target))
        air, bone = true < AIR_BELOW, true >= BONE_FROM
        error = np.abs(found - true)
        return {
            "mae-air": mean(error[air]),
            "mae-soft": mean(error[~air & ~bone]),
            "mae-bone": mean(error[bone]),
            "dice-air": dice(found < AIR_BELOW, air),
            "dice-bone": dice(found >= BONE_FROM, bone),
        }


def mean(values: NDArray[np.float64]) -> float:
    """The mean; NaN of nothing."""
    return float(values.mean()) if values.size else math.nan


def dice(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Dice coefficient; NaN where the truth is empty."""
    if not true.any():
        return math.nan
    return 2 * int((found & true).sum()) / (int(found.sum()) + int(true.sum()))
