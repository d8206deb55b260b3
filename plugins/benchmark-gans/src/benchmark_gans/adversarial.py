"""A generator against a conditional discriminator: the common part of MedGAN's comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.losses import ADVERSARIES
from benchmark_gans.networks.discriminators import PatchDiscriminator, Verdict
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.ublock import CasNet, depth_for
from benchmark_gans.options import PairedGanOptions
from benchmark_gans.refusals import check_numbers, check_unused, rehearse
from benchmark_gans.training import Trainable, apply, frozen

PROTOCOL_OPTIONS = ("blocks", "dropout", "patch", "discriminator_norm", "discriminator_norm_first")
"""Options of the shared networks."""


def protocol_networks(
    options: PairedGanOptions, context: ModelContext, *, inputs: int | None = None, judged: int | None = None
) -> dict[str, nn.Module]:
    """The generator and discriminator that MedGAN's comparison shares (section 3.2.2), with initial weights.

    The generator sees ``inputs`` channels, by default those of the source; the discriminator ``judged``, by default
    one more.
    """
    inputs = inputs or context.inputs
    generator = CasNet(
        inputs=inputs,
        blocks=options.blocks,
        filters=context.recipe.filters,
        depth=depth_for(context.task.image_size),
        dropout=options.dropout,
    )
    discriminator = PatchDiscriminator(
        judged or inputs + 1,
        filters=context.recipe.discriminator_filters,
        patch=options.patch,
        norm="instance" if options.discriminator_norm else "none",
        norm_first=options.discriminator_norm_first,
    )
    return opponents(options, generator, discriminator)


def opponents(options: PairedGanOptions, generator: nn.Module, discriminator: nn.Module) -> dict[str, nn.Module]:
    """The two networks by name, with initial weights; without ``adversarial_weight`` the generator alone."""
    networks = {"generator": generator}
    if options.adversarial_weight:
        networks["discriminator"] = discriminator
    for network in networks.values():
        initialise(network)
    return networks


class ConditionalGan(Trainable):
    """Source to target; the discriminator judges (source, image) pairs (MedGAN Eq. 3 and 6).

    With ``adversarial_weight`` 0 there is no discriminator, and the terms that need one are left out.
    """

    owner: ClassVar[str]
    """The model's name, for errors."""
    lacking: ClassVar[Mapping[str, Sequence[str]]] = MappingProxyType({})
    """Per architecture, the options that it does not have."""
    options: PairedGanOptions

    def __init__(self, options: PairedGanOptions, context: ModelContext) -> None:
        super().__init__(context)
        self.options = options
        self.adversary = ADVERSARIES[options.adversarial]
        check_numbers(self.owner, options)
        check_unused(self.owner, options, self.lacking.get(options.architecture, ()))
        rehearse(self.owner, self.build_networks, options, context, self.pass_once)
        networks = self.build_networks(options, context)
        self.generator = networks["generator"]
        self.discriminator = networks.get("discriminator")
        for name, network in networks.items():
            self.keep(name, network)
        self.optimise("generator", self.generator)
        if self.discriminator is not None:
            self.optimise_discriminator(self.discriminator)

    @staticmethod
    def build_networks(options: Any, context: ModelContext) -> dict[str, nn.Module]:
        """The model's networks by name, with initial weights; ``discriminator`` only where there is an adversary."""
        return protocol_networks(options, context)

    def optimise_discriminator(self, discriminator: nn.Module) -> None:
        """Give the discriminator its optimiser: the same Adam as the generator's."""
        self.optimise("discriminator", discriminator)

    def pass_once(self, networks: Mapping[str, nn.Module], source: Tensor) -> None:
        """A batch through the networks once."""
        made = self.make(networks["generator"], source)
        if "discriminator" in networks:
            networks["discriminator"](self.shown(source, made))

    def make(self, generator: nn.Module, source: Tensor) -> Tensor:
        """What the generator makes of the source while training."""
        made: Tensor = generator(source)
        return made

    def shown(self, source: Tensor, image: Tensor) -> Tensor:
        """What the discriminator is shown: the image beside its source."""
        return torch.cat([source, image], 1)

    def judge(self, source: Tensor, image: Tensor) -> Verdict:
        """The discriminator on the pair."""
        assert self.discriminator is not None
        verdict: Verdict = self.discriminator(self.shown(source, image))
        return verdict

    def teach_discriminator(self, batch: Batch, made: Tensor, *, halved: bool = True) -> dict[str, Tensor]:
        """One update of the discriminator on the made and the real image; its two terms, none without adversary.

        ``halved``: the objective is divided by 2, which slows the discriminator (pix2pix section 3.3).
        """
        if self.discriminator is None:
            return {}
        fake = self.adversary.fake(self.judge(batch.source, made.detach()).logits)
        real = self.adversary.real(self.judge(batch.source, batch.target).logits)
        self.descend("discriminator", (0.5 if halved else 1.0) * (fake + real))
        return {"discriminator_real": real, "discriminator_fake": fake}

    def resting_discriminator(self) -> AbstractContextManager[None]:
        """Inside, the discriminator asks for no gradient; see :func:`benchmark_gans.training.frozen`."""
        return nullcontext() if self.discriminator is None else frozen(self.discriminator)

    def adversarial(self, source: Tensor, made: Tensor) -> dict[str, Tensor]:
        """The generator's adversarial term, weighted; none without adversary."""
        if self.discriminator is None:
            return {}
        return {"adversarial": self.options.adversarial_weight * self.adversary.real(self.judge(source, made).logits)}

    def translate(self, source: Tensor) -> Tensor:
        """Source ``(N, C, H, W)`` to target ``(N, 1, H, W)`` in [-1, 1]."""
        return apply(self.generator, source)
