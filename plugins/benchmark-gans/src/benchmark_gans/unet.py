"""The shared U-block generator without an adversary: what the adversarial losses must be compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.ublock import CasNet, depth_for
from benchmark_gans.options import UnetOptions
from benchmark_gans.training import Trainable, apply, logged


class UnetL1(Trainable):
    """U-blocks trained with the mean absolute error in [-1, 1] over the whole slice."""

    capturable = True
    loss: Callable[[Tensor, Tensor], Tensor] = staticmethod(F.l1_loss)

    def __init__(self, options: UnetOptions, context: ModelContext) -> None:
        super().__init__(context)
        self.generator = self.build_networks(options, context)["generator"]
        self.keep("generator", self.generator)
        self.optimise("generator", self.generator)

    @staticmethod
    def build_networks(options: UnetOptions, context: ModelContext) -> dict[str, nn.Module]:
        """The generator of MedGAN's comparison, with initial weights."""
        generator = CasNet(
            inputs=context.inputs,
            blocks=options.blocks,
            filters=context.recipe.filters,
            depth=depth_for(context.task.image_size),
            dropout=options.dropout,
        )
        initialise(generator)
        return {"generator": generator}

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        pixel = self.loss(self.generator(batch.source), batch.target)
        self.descend("generator", pixel)
        return logged(pixel=pixel)

    def translate(self, source: Tensor) -> Tensor:
        """Source ``(N, C, H, W)`` to target ``(N, 1, H, W)`` in [-1, 1]."""
        return apply(self.generator, source)


class UnetL2(UnetL1):
    """The same with the mean squared error, whose best answer is the mean of what a source may mean."""

    loss = staticmethod(F.mse_loss)
