"""Do neighbouring slices of a translation fit together? Change from slice to slice beyond the target's own."""

from __future__ import annotations

import math

import numpy as np

from benchmark.contracts.protocols import Images


class ThroughPlane:
    """Mean of ``max(0, |p[z+1] - p[z]| - |t[z+1] - t[z]|)``, in the target's unit; 0 is best.

    Over all pairs of voxels that lie above each other in neighbouring slices, both in the region. What changes in the
    target too costs nothing, so anatomy that begins or ends between slices is no fault; what is smoother than the
    target costs nothing either, which is why it ranks nothing: the mean image scores 0.

    NaN: no such pair (a study of one slice, say), or a value of one that is not finite.
    """

    def score(self, images: Images) -> float:
        """One number for the study."""
        excess, pairs = 0.0, 0
        for lower in range(len(images) - 1):
            both = images.mask[lower] & images.mask[lower + 1]
            with np.errstate(invalid="ignore"):  # infinities outside the region
                predicted, true = (
                    np.abs(np.subtract(image[lower + 1][both], image[lower][both], dtype=np.float64))
                    for image in (images.prediction, images.target)
                )
                excess += float(np.maximum(predicted - true, 0.0).sum())
            pairs += predicted.size
        if not pairs or not math.isfinite(excess):
            return math.nan
        return excess / pairs
