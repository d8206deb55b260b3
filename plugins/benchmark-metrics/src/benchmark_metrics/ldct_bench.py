"""VIF-P as LDCT-bench computes it: a profile's copy of one evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images
from benchmark_metrics.vif import VIFP


class SwappedVIFP(VIFP):
    """VIF-P with the *prediction* as the reference, on values that are not brought to 0..255.

    The package hands its two images to a function whose arguments stand the other way round. A blurred
    prediction, which holds less information than the target, is flattered by that.
    """

    def __init__(self) -> None:
        super().__init__("as-is")

    def score(self, images: Images) -> NDArray[np.float64]:
        """How much of the prediction's information the target holds, by slice."""
        return super().score(replace(images, prediction=images.target, target=images.prediction))
