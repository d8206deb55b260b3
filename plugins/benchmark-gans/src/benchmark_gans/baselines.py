"""What a translation must at least beat: the source itself, the mean target, the best tone curve.

Means and least squares are taken in the target's unit, also where networks see it along a curve.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark import UsageError
from benchmark.contracts.protocols import ModelContext, TrainingSlices
from benchmark_gans.baseline_options import HistogramOptions


class CopyInput:
    """The source image, taken for the target in normalised intensity."""

    pointwise = True

    def __init__(self, _options: None, _context: ModelContext) -> None:
        pass

    def translate(self, source: Tensor) -> Tensor:
        """The source."""
        return source.clone()


class MeanImage:
    """The pixel-wise mean of the training targets, whatever the source."""

    def __init__(self, _options: None, context: ModelContext) -> None:
        self.window = context.task.target
        self.mean = torch.zeros(context.task.image_size)

    def fit(self, slices: TrainingSlices) -> None:
        """Average the targets in float64."""
        total = np.zeros(tuple(self.mean.shape), np.float64)
        for _, target, _ in slices:
            total += self.window.straighten(target)
        self.mean = torch.from_numpy(self.window.bend((total / len(slices)).astype(np.float32)))

    def translate(self, source: Tensor) -> Tensor:
        """The mean image, once for each source."""
        return self.mean.to(source.device).expand_as(source).clone()

    def state_dict(self) -> dict[str, Any]:
        """The mean image."""
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.mean = state["mean"]


class Histogram:
    """The tone curve from source to target intensity with the least squared error inside the region.

    For each bin of source intensity it is the mean target of the training pixels in that bin: those inside
    the masks, or, where no masked pixel falls into the bin, those outside. Empty bins are interpolated.
    Nothing makes the curve monotone. Between bin centres it is linear.
    """

    pointwise = True

    def __init__(self, options: HistogramOptions, context: ModelContext) -> None:
        if options.bins < 2:
            raise UsageError(f"histogram.bins: {options.bins} is less than 2")
        self.window = context.task.target
        self.bins = options.bins
        self.curve = torch.zeros(options.bins)

    def fit(self, slices: TrainingSlices) -> None:
        """Learn the curve."""
        counts, sums = np.zeros((2, self.bins)), np.zeros((2, self.bins))
        for source, target, mask in slices:
            target = self.window.straighten(target)
            places = np.clip(((source + 1) / 2 * self.bins).astype(np.int64), 0, self.bins - 1)
            for row, region in enumerate((mask, ~mask)):
                counts[row] += np.bincount(places[region], minlength=self.bins)
                sums[row] += np.bincount(places[region], weights=target[region], minlength=self.bins)
        self.curve = torch.from_numpy(self.window.bend(_means(counts, sums).astype(np.float32)))

    def translate(self, source: Tensor) -> Tensor:
        """Map every pixel through the curve."""
        curve = self.curve.to(source.device)
        place = ((source.clamp(-1, 1) + 1) / 2 * self.bins - 0.5).clamp(0, self.bins - 1)
        lower = place.floor().long().clamp(max=self.bins - 2)
        return torch.lerp(curve[lower], curve[lower + 1], (place - lower).to(curve.dtype))

    def state_dict(self) -> dict[str, Any]:
        """The curve."""
        return {"curve": self.curve}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.curve = state["curve"]


def _means(counts: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean per bin; first row inside the masks, second row outside, used where the first has nothing."""
    inside = counts[0] > 0
    count = np.where(inside, counts[0], counts[1])
    total = np.where(inside, sums[0], sums[1])
    known = np.flatnonzero(count)
    curve: NDArray[np.float64] = np.interp(np.arange(len(count)), known, total[known] / count[known])
    return curve
