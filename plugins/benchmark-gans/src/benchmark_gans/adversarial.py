"""A U-block generator against a conditional patch discriminator: the common part of MedGAN's comparison."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.protocols import ModelContext
from benchmark_gans.networks.discriminators import PatchDiscriminator, Verdict, normalise_spectrally
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.ublock import CasNet, depth_for
from benchmark_gans.options import PairedGanOptions
from benchmark_gans.training import Trainable, apply


class ConditionalGan(Trainable):
    """Source to target; the discriminator judges (source, image) pairs (MedGAN Eq. 3 and 6)."""

    def __init__(self, options: PairedGanOptions, context: ModelContext, *, spectral_norm: bool = False) -> None:
        super().__init__(context)
        recipe = context.recipe
        self.generator = CasNet(
            blocks=options.blocks,
            filters=recipe.filters,
            depth=depth_for(context.task.image_size),
            dropout=options.dropout,
        )
        self.discriminator = PatchDiscriminator(
            2,
            filters=recipe.discriminator_filters,
            patch=options.patch,
            norm=options.discriminator_norm,
            norm_first=options.discriminator_norm_first,
        )
        self.add("generator", self.generator)
        initialise(self.discriminator)
        if spectral_norm:
            normalise_spectrally(self.discriminator)
        self.keep("discriminator", self.discriminator)
        self.optimise("discriminator", self.discriminator)

    def judge(self, source: Tensor, image: Tensor) -> Verdict:
        """The discriminator on the pair."""
        verdict: Verdict = self.discriminator(torch.cat([source, image], 1))
        return verdict

    def translate(self, source: Tensor) -> Tensor:
        """Source to target, both ``(N, 1, H, W)`` in [-1, 1]."""
        return apply(self.generator, source)
