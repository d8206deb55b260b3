"""The metric: the absolute error that most voxels stay below. Put your own in its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark import UsageError
from benchmark.contracts.protocols import Images


class PercentileError:
    """A percentile of the absolute error inside the region, slice by slice, in the target's unit."""

    def __init__(self, percentile: float = 95.0) -> None:
        if not 0 < percentile <= 100:
            raise UsageError(f"example-error.percentile: {percentile} is not above 0 and at most 100")
        self.percentile = percentile

    def score(self, images: Images) -> NDArray[np.float64]:
        """One number a slice; undefined is NaN."""
        errors = np.abs(images.prediction - images.target)
        return np.array(
            [
                np.percentile(error[mask], self.percentile) if mask.any() else np.nan
                for error, mask in zip(errors, images.mask, strict=True)
            ]
        )
