"""Two-stage MR to CT: source to tissue mask, mask to CT (after Guibas, Virdi, Li 2017).

There, stage I draws masks from noise (:mod:`benchmark_gans.dual_gan`) and stage II is pix2pix from mask to image.
For translation stage I is conditional: a U-block gives each pixel's tissue class, a DCGAN discriminator judges
source and mask, and cross-entropy ties the mask to its source. Both stages are independent given the true mask, so
every training step updates both, and the budget is the same as everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.protocols import Batch, ModelContext
from benchmark_gans.losses import judged_fake, judged_real
from benchmark_gans.mask_to_image import MaskToImage
from benchmark_gans.mr_ct_options import TwoStageOptions
from benchmark_gans.networks.discriminators import ImageDiscriminator, PatchDiscriminator
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.ublock import UBlock, depth_for
from benchmark_gans.refusals import check_numbers
from benchmark_gans.tissue_classes import dice
from benchmark_gans.training import apply, frozen, logged


class TwoStage(MaskToImage):
    """Masks are ``(N, classes, H, W)``, one-hot; class limits are HU thresholds of the target."""

    def __init__(self, options: TwoStageOptions, context: ModelContext) -> None:
        check_numbers("two-stage", options, but=("thresholds_hu",))
        super().__init__("two-stage", options, context)
        self.mask_weight = options.mask_weight
        self.mask_generator = self.networks()["generator_mask"]
        self.mask_judge = self.networks()["discriminator_mask"]

    @staticmethod
    def build_networks(options: TwoStageOptions, context: ModelContext) -> dict[str, nn.Module]:
        """Stage I's and stage II's generator and discriminator, with initial weights."""
        classes = len(options.thresholds_hu) + 1
        size, recipe = context.task.image_size, context.recipe
        depth = depth_for(size)
        networks: dict[str, nn.Module] = {
            "generator_mask": UBlock(1, classes, filters=recipe.filters, depth=depth, tanh=False),
            "generator_image": UBlock(classes, 1, filters=recipe.filters, depth=depth),
            "discriminator_mask": ImageDiscriminator(1 + classes, size, filters=recipe.discriminator_filters),
            "discriminator_image": PatchDiscriminator(
                classes + 1, filters=recipe.discriminator_filters, patch=options.patch
            ),
        }
        for network in networks.values():
            initialise(network)
        return networks

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        classes = self.classes.of(batch.target)
        mask = self.classes.one_hot(classes)
        return {**self._mask_step(batch.source, mask, classes), **self.image_step(mask, batch.target)}

    def _mask_step(self, source: Tensor, mask: Tensor, classes: Tensor) -> Mapping[str, Tensor]:
        """Stage I: source to mask."""
        logits = self.mask_generator(source)
        made = logits.softmax(1)

        fake = judged_fake(self.mask_judge(torch.cat([source, made.detach()], 1)).logits)
        real = judged_real(self.mask_judge(torch.cat([source, mask], 1)).logits)
        self.descend("discriminator_mask", 0.5 * (fake + real))

        with frozen(self.mask_judge):
            adversarial = judged_real(self.mask_judge(torch.cat([source, made], 1)).logits)
            fit = self.mask_weight * F.cross_entropy(logits, classes)
            self.descend("generator_mask", adversarial + fit)
        return logged(
            mask_adversarial=adversarial, mask=fit, mask_discriminator_real=real, mask_discriminator_fake=fake
        )

    def translate(self, source: Tensor) -> Tensor:
        """Source to the likeliest mask to target, both ends ``(N, 1, H, W)`` in [-1, 1]."""
        return apply(self.image_generator, self._mask(source))

    def _mask(self, source: Tensor) -> Tensor:
        return self.classes.one_hot(apply(self.mask_generator, source).argmax(1))

    def stage_scores(self, source: Tensor, target: Tensor, region: Tensor) -> dict[str, Tensor]:
        """What each stage is worth, slice by slice ``(N,)``; NaN where undefined.

        Stage I: Dice of each class of the mask. Stage II: mean absolute error in HU inside the region from the true
        mask, beside that of the whole way.
        """
        inside = region[:, 0] > 0
        true, found = self.classes.of(target), self._mask(source).argmax(1)
        scores = {
            f"I: Dice of {name}": dice(found == number, true == number, inside)
            for number, name in enumerate(self.classes.names)
        }
        per_unit = self.context.task.target.width / 2
        ways = {"true mask": self.classes.one_hot(true), "stage I's mask": self.classes.one_hot(found)}
        for name, mask in ways.items():
            error = (apply(self.image_generator, mask) - target).abs()[:, 0] * inside
            scores[f"II: MAE from {name} [HU]"] = per_unit * error.flatten(1).sum(1) / inside.flatten(1).sum(1)
        return scores
