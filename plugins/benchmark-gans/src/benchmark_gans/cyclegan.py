"""CycleGAN: two residual generators, two discriminators, unpaired batches (Zhu et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark import UsageError
from benchmark.protocols import Batch, ModelContext
from benchmark_gans.losses import judged_fake_lsgan, judged_real_lsgan
from benchmark_gans.networks.discriminators import PatchDiscriminator
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.resnet import ResNetGenerator
from benchmark_gans.options import CycleganOptions
from benchmark_gans.pool import ImagePool
from benchmark_gans.training import Trainable, apply, frozen, logged


class CycleGan(Trainable):
    """``generator`` makes targets, ``reverse`` makes sources; both are updated jointly, then both judges."""

    def __init__(self, options: CycleganOptions, context: ModelContext) -> None:
        super().__init__(context)
        recipe, (height, width) = context.recipe, context.task.image_size
        if height % 4 or width % 4:
            raise UsageError(f"image size {height}x{width}: cyclegan needs sides that are multiples of 4")
        self.options = options
        blocks = options.residual_blocks or (6 if max(height, width) <= 128 else 9)
        self.generator = ResNetGenerator(filters=recipe.filters, blocks=blocks)
        self.reverse = ResNetGenerator(filters=recipe.filters, blocks=blocks)
        self.judge_target = PatchDiscriminator(1, filters=recipe.discriminator_filters, patch=options.patch)
        self.judge_source = PatchDiscriminator(1, filters=recipe.discriminator_filters, patch=options.patch)
        self.target_pool = ImagePool(options.pool_size)
        self.source_pool = ImagePool(options.pool_size)
        for name, network in (
            ("generator", self.generator),
            ("reverse", self.reverse),
            ("discriminator_target", self.judge_target),
            ("discriminator_source", self.judge_source),
        ):
            initialise(network)
            self.keep(name, network)
        self.optimise("generators", self.generator, self.reverse)
        self.optimise("discriminators", self.judge_target, self.judge_source)

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        source, target, options = batch.source, batch.target, self.options
        made_target, same_target = self.both(self.generator, source, target)
        made_source, same_source = self.both(self.reverse, target, source)
        with frozen(self.judge_target, self.judge_source):
            adversarial_target = judged_real_lsgan(self.judge_target(made_target).logits)
            adversarial_source = judged_real_lsgan(self.judge_source(made_source).logits)
            cycle = F.l1_loss(self.reverse(made_target), source) + F.l1_loss(self.generator(made_source), target)
            identity = F.l1_loss(same_target, target) + F.l1_loss(same_source, source)
            cycle = options.cycle_weight * cycle
            identity = options.cycle_weight * options.identity * identity
            self.descend("generators", adversarial_target + adversarial_source + cycle + identity)

        older_target = self.target_pool.exchange(made_target.detach())
        older_source = self.source_pool.exchange(made_source.detach())
        fooled = judged_fake_lsgan(self.judge_target(older_target).logits)
        fooled = fooled + judged_fake_lsgan(self.judge_source(older_source).logits)
        known = judged_real_lsgan(self.judge_target(target).logits)
        known = known + judged_real_lsgan(self.judge_source(source).logits)
        self.descend("discriminators", 0.5 * (fooled + known))
        return logged(
            adversarial_target=adversarial_target,
            adversarial_source=adversarial_source,
            cycle=cycle,
            identity=identity,
            discriminators_real=known,
            discriminators_fake=fooled,
        )

    def both(self, network: ResNetGenerator, image: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        """An image translated, and one that is already of the network's output kind sent through it.

        They go through as one batch: instance norm keeps them apart. Without identity loss the second rests.
        """
        if self.options.identity == 0:
            return network(image), same
        translated, kept = network(torch.cat([image, same])).chunk(2)
        return translated, kept

    def translate(self, source: Tensor) -> Tensor:
        """Source to target, both ``(N, 1, H, W)`` in [-1, 1]."""
        return apply(self.generator, source)

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, and both pools with their random states."""
        pools = {"target": self.target_pool.state_dict(), "source": self.source_pool.state_dict()}
        return {**super().state_dict(), "pools": pools}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        super().load_state_dict(state)
        self.target_pool.load_state_dict(state["pools"]["target"])
        self.source_pool.load_state_dict(state["pools"]["source"])
