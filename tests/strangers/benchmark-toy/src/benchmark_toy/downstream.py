"""A downstream evaluation that always applies, and one that never does."""

from __future__ import annotations

import numpy as np

from benchmark import NotApplicable
from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy


class Volume:
    """How much of the prediction is brighter than the target's median, in ml, and its error."""

    def __init__(self, options: None, context: DownstreamContext) -> None:
        self.context = context

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        threshold = np.median(study.target[study.mask])
        voxel = float(np.prod(study.spacing)) / 1000
        found, true = (
            np.count_nonzero((image > threshold) & study.mask) * voxel for image in (study.prediction, study.target)
        )
        return {"size": found, "error": 100 * abs(found - true) / true}


class Structures:
    """Counts labelled structures."""

    def __init__(self, options: None, context: DownstreamContext) -> None:
        if not context.labels:
            raise NotApplicable("the data set has no labels")

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        assert study.labels is not None
        return {"count": len(np.unique(study.labels)) - 1}
