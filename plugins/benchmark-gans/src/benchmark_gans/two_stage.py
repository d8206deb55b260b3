"""Two-stage MR to CT: source to tissue mask, mask to CT (after Guibas, Virdi, Li 2017).

There, stage I draws masks from noise and stage II is pix2pix from mask to image. For translation stage I
is conditional: a U-block gives each pixel's tissue class, a DCGAN discriminator judges source and mask,
and cross-entropy ties the mask to its source. Both stages are independent given the true mask, so every
training step updates both, and the budget is the same as everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark import UsageError
from benchmark.protocols import Batch, ModelContext
from benchmark_gans.losses import judged_fake, judged_real
from benchmark_gans.networks.discriminators import ImageDiscriminator, PatchDiscriminator
from benchmark_gans.networks.ublock import UBlock, depth_for
from benchmark_gans.options import TwoStageOptions
from benchmark_gans.training import Trainable, apply, frozen, logged


class TwoStage(Trainable):
    """Masks are ``(N, classes, H, W)``, one-hot; class limits are HU thresholds of the target."""

    def __init__(self, options: TwoStageOptions, context: ModelContext) -> None:
        super().__init__(context)
        self.options = options
        limits, window = options.thresholds_hu, context.task.target
        if not limits or any(a >= b for a, b in zip((window.low, *limits), (*limits, window.high), strict=True)):
            raise UsageError(
                f"two-stage.thresholds_hu: {limits} must rise inside the target's window "
                f"{window.low:g}..{window.high:g} HU"
            )
        self.limits = torch.from_numpy(window.forward(limits)).to(context.device)
        classes = len(limits) + 1
        size, recipe = context.task.image_size, context.recipe
        depth = depth_for(size)
        self.mask_generator = UBlock(1, classes, filters=recipe.filters, depth=depth, tanh=False)
        self.image_generator = UBlock(classes, 1, filters=recipe.filters, depth=depth)
        self.mask_judge = ImageDiscriminator(1 + classes, size, filters=recipe.discriminator_filters)
        self.image_judge = PatchDiscriminator(classes + 1, filters=recipe.discriminator_filters, patch=options.patch)
        self.add("generator_mask", self.mask_generator)
        self.add("generator_image", self.image_generator)
        self.add("discriminator_mask", self.mask_judge)
        self.add("discriminator_image", self.image_judge)

    def classify(self, target: Tensor) -> Tensor:
        """Tissue class ``(N, H, W)`` of each pixel of a target: the number of thresholds it reaches."""
        return torch.bucketize(target[:, 0].contiguous(), self.limits, right=True)

    def one_hot(self, classes: Tensor) -> Tensor:
        """Mask ``(N, classes, H, W)`` in {0, 1}."""
        return F.one_hot(classes, len(self.limits) + 1).movedim(-1, 1).float()

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        classes = self.classify(batch.target)
        mask = self.one_hot(classes)
        return {**self._mask_step(batch.source, mask, classes), **self._image_step(mask, batch.target)}

    def _mask_step(self, source: Tensor, mask: Tensor, classes: Tensor) -> Mapping[str, Tensor]:
        """Stage I: source to mask."""
        logits = self.mask_generator(source)
        made = logits.softmax(1)

        fake = judged_fake(self.mask_judge(torch.cat([source, made.detach()], 1)).logits)
        real = judged_real(self.mask_judge(torch.cat([source, mask], 1)).logits)
        self.descend("discriminator_mask", 0.5 * (fake + real))

        with frozen(self.mask_judge):
            adversarial = judged_real(self.mask_judge(torch.cat([source, made], 1)).logits)
            fit = self.options.mask_weight * F.cross_entropy(logits, classes)
            self.descend("generator_mask", adversarial + fit)
        return logged(
            mask_adversarial=adversarial, mask=fit, mask_discriminator_real=real, mask_discriminator_fake=fake
        )

    def _image_step(self, mask: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        """Stage II: pix2pix from the true mask to the target."""
        made = self.image_generator(mask)

        fake = judged_fake(self.image_judge(torch.cat([mask, made.detach()], 1)).logits)
        real = judged_real(self.image_judge(torch.cat([mask, target], 1)).logits)
        self.descend("discriminator_image", 0.5 * (fake + real))

        with frozen(self.image_judge):
            adversarial = judged_real(self.image_judge(torch.cat([mask, made], 1)).logits)
            pixel = self.options.pixel_weight * F.l1_loss(made, target)
            self.descend("generator_image", adversarial + pixel)
        return logged(adversarial=adversarial, pixel=pixel, discriminator_real=real, discriminator_fake=fake)

    def translate(self, source: Tensor) -> Tensor:
        """Source to the likeliest mask to target, both ends ``(N, 1, H, W)`` in [-1, 1]."""
        mask = self.one_hot(apply(self.mask_generator, source).argmax(1))
        return apply(self.image_generator, mask)
