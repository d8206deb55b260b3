"""A generator against a conditional discriminator: the common part of MedGAN's comparison."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.protocols import Batch, ModelContext
from benchmark_gans.losses import judged_fake, judged_real
from benchmark_gans.networks.discriminators import PatchDiscriminator, Verdict
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.ublock import CasNet, depth_for
from benchmark_gans.options import PairedGanOptions
from benchmark_gans.refusals import check_numbers, rehearse
from benchmark_gans.training import Trainable, apply, frozen


def protocol_networks(options: PairedGanOptions, context: ModelContext) -> dict[str, nn.Module]:
    """The generator and discriminator that MedGAN's comparison shares (section 3.2.2), with initial weights.

    Without ``adversarial_weight`` there is no discriminator.
    """
    networks: dict[str, nn.Module] = {
        "generator": CasNet(
            blocks=options.blocks,
            filters=context.recipe.filters,
            depth=depth_for(context.task.image_size),
            dropout=options.dropout,
        )
    }
    if options.adversarial_weight:
        networks["discriminator"] = PatchDiscriminator(
            2,
            filters=context.recipe.discriminator_filters,
            patch=options.patch,
            norm="instance" if options.discriminator_norm else "none",
            norm_first=options.discriminator_norm_first,
        )
    for network in networks.values():
        initialise(network)
    return networks


class ConditionalGan(Trainable):
    """Source to target; the discriminator judges (source, image) pairs (MedGAN Eq. 3 and 6).

    With ``adversarial_weight`` 0 there is no discriminator, and the terms that need one are left out.
    """

    owner: ClassVar[str]
    """The model's name, for errors."""

    def __init__(self, options: PairedGanOptions, context: ModelContext) -> None:
        super().__init__(context)
        check_numbers(self.owner, options)
        rehearse(self.owner, self.build_networks, options, context, self.pass_once)
        self.adversarial_weight = options.adversarial_weight
        networks = self.build_networks(options, context)
        for name, network in networks.items():
            self.keep(name, network)
            self.optimise(name, network)
        self.generator = networks["generator"]
        self.discriminator = networks.get("discriminator")

    @staticmethod
    def build_networks(options: Any, context: ModelContext) -> dict[str, nn.Module]:
        """The model's networks by name, with initial weights; ``discriminator`` only where there is an adversary."""
        return protocol_networks(options, context)

    @staticmethod
    def pass_once(networks: Mapping[str, nn.Module], source: Tensor) -> None:
        """A batch through all networks once."""
        made = networks["generator"](source)
        if "discriminator" in networks:
            networks["discriminator"](torch.cat([source, made], 1))

    def judge(self, source: Tensor, image: Tensor) -> Verdict:
        """The discriminator on the pair."""
        assert self.discriminator is not None
        verdict: Verdict = self.discriminator(torch.cat([source, image], 1))
        return verdict

    def teach_discriminator(self, batch: Batch, made: Tensor, *, halved: bool = True) -> dict[str, Tensor]:
        """One update of the discriminator on the made and the real image; its two terms, none without adversary.

        ``halved``: the objective is divided by 2, which slows the discriminator (pix2pix section 3.3).
        """
        if self.discriminator is None:
            return {}
        fake = judged_fake(self.judge(batch.source, made.detach()).logits)
        real = judged_real(self.judge(batch.source, batch.target).logits)
        self.descend("discriminator", (0.5 if halved else 1.0) * (fake + real))
        return {"discriminator_real": real, "discriminator_fake": fake}

    def resting_discriminator(self) -> AbstractContextManager[None]:
        """Inside, the discriminator asks for no gradient; see :func:`benchmark_gans.training.frozen`."""
        return nullcontext() if self.discriminator is None else frozen(self.discriminator)

    def adversarial(self, source: Tensor, made: Tensor) -> dict[str, Tensor]:
        """The generator's adversarial term, weighted; none without adversary."""
        if self.discriminator is None:
            return {}
        return {"adversarial": self.adversarial_weight * judged_real(self.judge(source, made).logits)}

    def translate(self, source: Tensor) -> Tensor:
        """Source to target, both ``(N, 1, H, W)`` in [-1, 1]."""
        return apply(self.generator, source)
