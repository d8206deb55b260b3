"""Tissue classes of a CT by thresholds in HU, as masks that networks can draw and judge."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark import UsageError
from benchmark.contracts.intensity import IntensityMap

NAMES = {3: ("air", "soft tissue", "bone")}


class TissueClasses:
    """Classes between rising thresholds inside the target's window; class 0 lies below the first.

    Raises:
        UsageError: the thresholds do not rise, or lie outside the window.
    """

    def __init__(
        self, owner: str, thresholds_hu: Sequence[float], window: IntensityMap, device: torch.device | None = None
    ) -> None:
        if not thresholds_hu or any(
            low >= high for low, high in zip((window.low, *thresholds_hu), (*thresholds_hu, window.high), strict=True)
        ):
            raise UsageError(
                f"{owner}.thresholds_hu: {tuple(thresholds_hu)} must rise inside the target's window "
                f"{window.low:g}..{window.high:g} HU"
            )
        self.limits = torch.from_numpy(window.forward(tuple(thresholds_hu))).to(device)
        self.count = len(thresholds_hu) + 1
        self._numbers = torch.arange(self.count, device=device).view(1, -1, 1, 1)
        self.names = NAMES.get(self.count, tuple(f"class {number}" for number in range(self.count)))

    def of(self, target: Tensor) -> Tensor:
        """Class ``(N, H, W)`` of each pixel of a target ``(N, 1, H, W)`` in [-1, 1]: the thresholds that it reaches."""
        return torch.bucketize(target[:, 0].contiguous(), self.limits, right=True)

    def one_hot(self, classes: Tensor) -> Tensor:
        """Mask ``(N, classes, H, W)`` in {0, 1}."""
        return (classes[:, None] == self._numbers).float()


def dice(found: Tensor, true: Tensor, region: Tensor) -> Tensor:
    """Dice of each slice ``(N,)`` for boolean maps ``(N, H, W)`` inside a region: 0 where one side is empty, NaN where
    both are.
    """
    found, true = found & region, true & region
    overlap = (found & true).flatten(1).sum(1)
    return 2.0 * overlap / (found.flatten(1).sum(1) + true.flatten(1).sum(1))
