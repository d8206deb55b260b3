"""The shared U-block generator trained with L1 alone: what the adversarial losses must be compared with."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from benchmark.protocols import Batch, ModelContext
from benchmark_gans.networks.ublock import CasNet, depth_for
from benchmark_gans.options import UnetL1Options
from benchmark_gans.training import Trainable, apply, logged


class UnetL1(Trainable):
    """One U-block, mean absolute error in [-1, 1] over the whole slice."""

    def __init__(self, options: UnetL1Options, context: ModelContext) -> None:
        super().__init__(context)
        self.generator = CasNet(
            blocks=options.blocks,
            filters=context.recipe.filters,
            depth=depth_for(context.task.image_size),
            dropout=options.dropout,
        )
        self.add("generator", self.generator)

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        pixel = F.l1_loss(self.generator(batch.source), batch.target)
        self.descend("generator", pixel)
        return logged(pixel=pixel)

    def translate(self, source: Tensor) -> Tensor:
        """Source to target, both ``(N, 1, H, W)`` in [-1, 1]."""
        return apply(self.generator, source)
