"""What two-stage and dual-gan share: the judge of masks, and stage II, which is pix2pix from a mask to the target."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.contracts.protocols import ModelContext
from benchmark_gans.losses import judged_fake, judged_real
from benchmark_gans.mr_ct_options import MaskToImageOptions
from benchmark_gans.networks.discriminators import ImageDiscriminator, PatchDiscriminator
from benchmark_gans.networks.dual_gan import MaskUNet, depth_to_two
from benchmark_gans.networks.ublock import UBlock, depth_for
from benchmark_gans.refusals import check_numbers, rehearse
from benchmark_gans.tissue_classes import TissueClasses
from benchmark_gans.training import Trainable, frozen, logged, total

Stage = Literal["mask", "image"]
PREFIX: Mapping[Stage, str] = {"mask": "mask_", "image": ""}
"""How a stage's terms begin in the log."""


class MaskToImage(Trainable):
    """The networks of ``build_networks``, an optimiser each, the tissue classes, and stage II's update.

    Masks are ``(N, classes, H, W)``. The authors' stage II is trained with RMSprop, everything else with Adam.
    """

    capturable = True
    owner: ClassVar[str]
    """The model's name, for errors."""
    adversarial_weight = 1.0

    def __init__(self, options: MaskToImageOptions, context: ModelContext) -> None:
        super().__init__(context)
        check_numbers(self.owner, options, but=("thresholds_hu",))
        self.classes = TissueClasses(self.owner, options.thresholds_hu, context.task.target, context.device)
        rehearse(self.owner, self.build_networks, options, context, self.pass_once)
        self.authors = options.architecture == "authors"
        self.pixel_weight = options.pixel_weight
        self.generator_steps = options.generator_steps
        built = self.build_networks(options, context)
        for name, network in built.items():
            self.keep(name, network)
            self.optimise(name, network, kind="rmsprop" if self.authors and name.endswith("_image") else "adam")
        self.mask_generator, self.image_generator = built["generator_mask"], built["generator_image"]

    @staticmethod
    def build_networks(options: Any, context: ModelContext) -> dict[str, nn.Module]:
        """Networks with initial weights: ``generator_`` and, with an adversary, ``discriminator_`` of each stage."""
        raise NotImplementedError

    def pass_once(self, networks: Mapping[str, nn.Module], source: Tensor) -> None:
        """A batch through stage II's networks once."""
        mask = source[:, :1].expand(-1, self.classes.count, -1, -1)
        made = networks["generator_image"](mask)
        if "discriminator_image" in networks:
            networks["discriminator_image"](torch.cat([mask, made], 1))

    def teach(self, stage: Stage, real: Tensor, made: Tensor, *, halved: bool) -> dict[str, Tensor]:
        """One update of a stage's discriminator; its two terms, none without adversary."""
        judge = self._judge(stage)
        if judge is None:
            return {}
        fake_term, real_term = judged_fake(judge(made.detach()).logits), judged_real(judge(real).logits)
        self.descend(f"discriminator_{stage}", (0.5 if halved else 1.0) * (fake_term + real_term))
        prefix = PREFIX[stage]
        return {f"{prefix}discriminator_real": real_term, f"{prefix}discriminator_fake": fake_term}

    def resting(self, stage: Stage) -> AbstractContextManager[None]:
        """Inside, a stage's discriminator asks for no gradient."""
        judge = self._judge(stage)
        return nullcontext() if judge is None else frozen(judge)

    def adversarial(self, stage: Stage, made: Tensor) -> dict[str, Tensor]:
        """The adversarial term of a stage's generator, weighted; none without adversary."""
        judge = self._judge(stage)
        if judge is None:
            return {}
        return {f"{PREFIX[stage]}adversarial": self.adversarial_weight * judged_real(judge(made).logits)}

    def image_update(self, mask: Tensor, target: Tensor) -> dict[str, Tensor]:
        """One update of stage II's networks, on the true mask."""
        made = self.image_generator(mask)
        judged = self.teach("image", torch.cat([mask, target], 1), torch.cat([mask, made], 1), halved=True)
        with self.resting("image"):
            terms = self.adversarial("image", torch.cat([mask, made], 1))
            if self.pixel_weight:
                terms["pixel"] = self.pixel_weight * F.l1_loss(made, target)
            self.descend("generator_image", total(terms))
        return logged(**terms, **judged)

    def _judge(self, stage: Stage) -> nn.Module | None:
        return self.networks().get(f"discriminator_{stage}")


def mask_judge(options: MaskToImageOptions, context: ModelContext, inputs: int) -> nn.Module:
    """Stage I's discriminator: DCGAN's; batch norm is the authors', instance norm the protocol's."""
    return ImageDiscriminator(
        inputs,
        context.task.image_size,
        filters=context.recipe.discriminator_filters,
        norm="batch" if options.architecture == "authors" else "instance",
    )


def second_stage(options: MaskToImageOptions, context: ModelContext, classes: int) -> dict[str, nn.Module]:
    """Stage II's networks: the U-block and patch discriminator of MedGAN's comparison, or the author code's."""
    authors, size, recipe = options.architecture == "authors", context.task.image_size, context.recipe
    generator = (
        MaskUNet(classes, filters=recipe.filters, depth=depth_to_two(size), dropout=options.dropout)
        if authors
        else UBlock(classes, 1, filters=recipe.filters, depth=depth_for(size), dropout=options.dropout)
    )
    discriminator = PatchDiscriminator(
        classes + 1,
        filters=recipe.discriminator_filters,
        patch=options.patch,
        norm="none" if authors else "instance",
    )
    return {"generator_image": generator, "discriminator_image": discriminator}
