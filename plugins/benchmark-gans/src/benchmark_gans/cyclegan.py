"""CycleGAN: two generators, two discriminators, unpaired batches (Zhu et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import UsageError
from benchmark.contracts.presets import Recipe
from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.losses import judged_fake_lsgan, judged_real_lsgan
from benchmark_gans.networks.discriminators import PatchDiscriminator
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.resnet import ResNetGenerator
from benchmark_gans.networks.ublock import CasNet, depth_for
from benchmark_gans.options import CycleganOptions
from benchmark_gans.pool import ImagePool
from benchmark_gans.refusals import check_numbers, check_something_left, check_unused, rehearse
from benchmark_gans.training import Trainable, apply, frozen, logged, total

SIDES = ("target", "source")


Way = tuple[int, int]
"""Channels that a generator sees and gives."""


def _ublocks(options: CycleganOptions, recipe: Recipe, size: tuple[int, int], way: Way) -> nn.Module:
    """The protocol's generator."""
    return CasNet(inputs=way[0], outputs=way[1], blocks=options.blocks, filters=recipe.filters, depth=depth_for(size))


def _residual(options: CycleganOptions, recipe: Recipe, size: tuple[int, int], way: Way) -> nn.Module:
    """CycleGAN's own generator (section 7.2)."""
    height, width = size
    if height % 4 or width % 4:
        raise UsageError(f"image size {height}x{width}: cyclegan needs sides that are multiples of 4")
    blocks = options.residual_blocks or (6 if max(size) <= 128 else 9)
    return ResNetGenerator(*way, filters=recipe.filters, blocks=blocks)


class CycleGan(Trainable):
    """``generator`` makes targets, ``reverse`` makes sources; both are updated jointly, then both judges.

    With ``adversarial_weight`` 0 there are no judges; cycle and identity losses alone never see what a target is. Of a
    source of several channels, neighbouring slices among them, ``reverse`` makes all from the target, and they are
    judged together, as the authors' code does where inputs and outputs differ in number; there is no identity loss
    then.

    Raises:
        UsageError: options that cannot work, or an identity loss between sides of different numbers of channels.
    """

    def __init__(self, options: CycleganOptions, context: ModelContext) -> None:
        super().__init__(context)
        check_numbers("cyclegan", options)
        check_something_left("cyclegan", options, ("adversarial_weight", "cycle_weight"))
        check_unused("cyclegan", options, ("blocks",) if options.architecture == "authors" else ())
        if options.identity and options.cycle_weight and context.inputs > 1:
            raise UsageError(
                f"cyclegan.identity: {options.identity:g} sends images through their own generator, and the "
                f"source has {context.inputs} channels, the target one: give cyclegan.identity=0"
            )
        rehearse("cyclegan", self.build_networks, options, context, self.pass_once)
        self.options = options
        networks = self.build_networks(options, context)
        for name, network in networks.items():
            self.keep(name, network)
        self.generator, self.reverse = networks["generator"], networks["reverse"]
        self.optimise("generators", self.generator, self.reverse)
        self.judges = [network for name, network in networks.items() if name.startswith("discriminator")]
        if self.judges:
            self.optimise("discriminators", *self.judges)
        self.target_pool = ImagePool(options.pool_size)
        self.source_pool = ImagePool(options.pool_size)

    @staticmethod
    def build_networks(options: CycleganOptions, context: ModelContext) -> dict[str, nn.Module]:
        """Two generators and, with an adversary, a judge of targets and one of sources, with initial weights."""
        recipe, size = context.recipe, context.task.image_size
        build = _ublocks if options.architecture == "protocol" else _residual
        ways = {"generator": (context.inputs, 1), "reverse": (1, context.inputs)}
        networks = {name: build(options, recipe, size, way) for name, way in ways.items()}
        if options.adversarial_weight:
            for name, judged in (("discriminator_target", 1), ("discriminator_source", context.inputs)):
                networks[name] = PatchDiscriminator(judged, filters=recipe.discriminator_filters, patch=options.patch)
        for network in networks.values():
            initialise(network)
        return networks

    def pass_once(self, networks: Mapping[str, nn.Module], source: Tensor) -> None:
        """A batch through all networks once."""
        for name, network in networks.items():
            network(source if name in ("generator", "discriminator_source") else source[:, :1])

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        source, target, options = batch.source, batch.target, self.options
        made_target, same_target = self.both(self.generator, source, target)
        made_source, same_source = self.both(self.reverse, target, source)
        with frozen(*self.judges):
            terms = {}
            for side, judge, made in zip(SIDES, self.judges, (made_target, made_source), strict=False):
                terms[f"adversarial_{side}"] = options.adversarial_weight * judged_real_lsgan(judge(made).logits)
            if options.cycle_weight:
                cycle = F.l1_loss(self.reverse(made_target), source) + F.l1_loss(self.generator(made_source), target)
                terms["cycle"] = options.cycle_weight * cycle
            if options.cycle_weight and options.identity:
                identity = F.l1_loss(same_target, target) + F.l1_loss(same_source, source)
                terms["identity"] = options.cycle_weight * options.identity * identity
            self.descend("generators", total(terms))
        return logged(**terms, **self.teach_judges(batch, made_target.detach(), made_source.detach()))

    def teach_judges(self, batch: Batch, made_target: Tensor, made_source: Tensor) -> dict[str, Tensor]:
        """One joint update of both judges, shown older made images too; their terms, none without adversary."""
        if not self.judges:
            return {}
        judge_target, judge_source = self.judges
        fooled = judged_fake_lsgan(judge_target(self.target_pool.exchange(made_target)).logits)
        fooled = fooled + judged_fake_lsgan(judge_source(self.source_pool.exchange(made_source)).logits)
        known = judged_real_lsgan(judge_target(batch.target).logits)
        known = known + judged_real_lsgan(judge_source(batch.source).logits)
        self.descend("discriminators", 0.5 * (fooled + known))
        return {"discriminators_real": known, "discriminators_fake": fooled}

    def both(self, network: nn.Module, image: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        """An image translated, and one that is already of the network's output kind sent through it.

        They go through as one batch: instance norm keeps them apart. Without identity loss the second rests.
        """
        if not self.options.identity or not self.options.cycle_weight:
            return network(image), same
        translated, kept = network(torch.cat([image, same])).chunk(2)
        return translated, kept

    def translate(self, source: Tensor) -> Tensor:
        """Source ``(N, C, H, W)`` to target ``(N, 1, H, W)`` in [-1, 1]."""
        return apply(self.generator, source)

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, and both pools with their random states."""
        pools = {"target": self.target_pool.state_dict(), "source": self.source_pool.state_dict()}
        return {**super().state_dict(), "pools": pools}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` or :meth:`finished_state` gave."""
        super().load_state_dict(state)
        if "pools" in state:
            self.target_pool.load_state_dict(state["pools"]["target"])
            self.source_pool.load_state_dict(state["pools"]["source"])
