"""A simulator that adds noise to clean images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark import DatasetError
from benchmark.contracts.protocols import CleanStudy, Degraded

if TYPE_CHECKING:
    from benchmark_toy import NoiseOptions


class Noise:
    """Gaussian noise; refuses dark studies."""

    def __init__(self, options: NoiseOptions) -> None:
        self.options = options

    def degrade(self, study: CleanStudy, rng: np.random.Generator) -> Degraded:
        if study.image.mean() < self.options.darkest:
            raise DatasetError("too dark")
        noise = rng.normal(0, self.options.noise, study.image.shape)
        return Degraded(
            study.image + noise, study.image, {"noise": self.options.noise, "pair": study.other is not None}
        )
