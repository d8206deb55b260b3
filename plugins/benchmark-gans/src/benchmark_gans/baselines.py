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
from benchmark_gans.baseline_options import CopyOptions, HistogramOptions
from benchmark_gans.source_channel import input_of, source_channel


class CopyInput:
    """The source image, of several channels one, taken for the target in normalised intensity."""

    pointwise = True

    def __init__(self, options: CopyOptions, context: ModelContext) -> None:
        self.channel = input_of(source_channel("copy-input", options.channel, context), context)

    def translate(self, source: Tensor) -> Tensor:
        """The source."""
        return source[:, self.channel : self.channel + 1].clone()


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
        return self.mean.to(source.device).expand(len(source), 1, -1, -1).clone()

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
    Nothing makes the curve monotone. Between bin centres it is linear. Of several channels it is of the one whose curve
    has the smallest error.
    """

    pointwise = True

    def __init__(self, options: HistogramOptions, context: ModelContext) -> None:
        if options.bins < 2:
            raise UsageError(f"histogram.bins: {options.bins} is less than 2")
        self.window = context.task.target
        self.bins = options.bins
        self.curve = torch.zeros(options.bins)
        choices = range(len(context.task.sources))
        if options.channel:
            choices = range(first := source_channel("histogram", options.channel, context), first + 1)
        self.choices = [input_of(number, context) for number in choices]
        self.channel = self.choices[0]

    def fit(self, slices: TrainingSlices) -> None:
        """Learn the curve."""
        counts, sums = np.zeros((2, len(self.choices), 2, self.bins))
        for source, target, mask in slices:
            images = source[None] if source.ndim == 2 else source
            target = self.window.straighten(target)
            for count, total, choice in zip(counts, sums, self.choices, strict=True):
                places = np.clip(((images[choice] + 1) / 2 * self.bins).astype(np.int64), 0, self.bins - 1)
                for row, region in enumerate((mask, ~mask)):
                    count[row] += np.bincount(places[region], minlength=self.bins)
                    total[row] += np.bincount(places[region], weights=target[region], minlength=self.bins)
        # the squared error inside the region is the same sum of squares less this, whatever the channel
        explained = (sums[:, 0] ** 2 / np.maximum(counts[:, 0], 1)).sum(1)
        best = int(explained.argmax())
        self.channel = self.choices[best]
        self.curve = torch.from_numpy(self.window.bend(_means(counts[best], sums[best]).astype(np.float32)))

    def translate(self, source: Tensor) -> Tensor:
        """Map every pixel through the curve."""
        curve, image = self.curve.to(source.device), source[:, self.channel : self.channel + 1]
        place = ((image.clamp(-1, 1) + 1) / 2 * self.bins - 0.5).clamp(0, self.bins - 1)
        lower = place.floor().long().clamp(max=self.bins - 2)
        return torch.lerp(curve[lower], curve[lower + 1], (place - lower).to(curve.dtype))

    def state_dict(self) -> dict[str, Any]:
        """The curve, and the channel that it is of."""
        return {"curve": self.curve, "channel": self.channel}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.curve = state["curve"]
        self.channel = int(state.get("channel", self.channel))


def _means(counts: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean per bin; first row inside the masks, second row outside, used where the first has nothing."""
    inside = counts[0] > 0
    count = np.where(inside, counts[0], counts[1])
    total = np.where(inside, sums[0], sums[1])
    known = np.flatnonzero(count)
    curve: NDArray[np.float64] = np.interp(np.arange(len(count)), known, total[known] / count[known])
    return curve
