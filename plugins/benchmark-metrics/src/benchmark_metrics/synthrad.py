"""What SynthRAD2025's evaluation of structures does differently: a profile's copy of one evaluation."""

from __future__ import annotations

import math
from statistics import fmean

from benchmark.contracts.protocols import Images
from benchmark_metrics.structures import HD95, hausdorff


class HD95WithoutMissed(HD95):
    """HD95 over the structures that both label maps have; structures that the prediction lacks are left out.

    Erasing an organ that lies badly *improves* this number. It is here to reproduce the challenge's, whose code
    averages over what its library could compute. NaN where no structure of the target was found.
    """

    def __init__(self) -> None:
        super().__init__(present="target")

    def score(self, images: Images) -> float:
        """One number for the study, in mm."""
        values = [hausdorff(*pair, self._percentile) for pair in self.pairs(images) if pair[0].any()]
        return fmean(values) if values else math.nan
