"""Dual GAN in its generative form (Guibas, Virdi, Li 2017): noise to tissue mask (DCGAN), mask to image (pix2pix).

It translates nothing. What it gives are pairs of image and mask, scored as a set: are they distributed as real ones,
and what does a segmentation network learn from them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from benchmark import UsageError
from benchmark.protocols import Batch, ModelContext, Samples
from benchmark_gans.losses import judged_fake, judged_real
from benchmark_gans.mask_to_image import MaskToImage
from benchmark_gans.mr_ct_options import DualGanOptions
from benchmark_gans.networks.dcgan import NOISE, NoiseGenerator
from benchmark_gans.networks.discriminators import ImageDiscriminator, PatchDiscriminator
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.ublock import UBlock, depth_for
from benchmark_gans.refusals import check_numbers
from benchmark_gans.training import apply, frozen, logged


class DualGan(MaskToImage):
    """Stage I learns the masks of the training targets, stage II their images; both in every step.

    Raises:
        UsageError: batches of one, whose batch statistics would be of one mask.
    """

    def __init__(self, options: DualGanOptions, context: ModelContext) -> None:
        check_numbers("dual-gan", options, but=("thresholds_hu",))
        if context.recipe.batch_size < 2:
            raise UsageError("dual-gan: its DCGAN has batch norm and needs batches of 2 or more")
        super().__init__("dual-gan", options, context)
        self.generator_steps = options.generator_steps
        self.mask_generator = self.networks()["generator_mask"]
        self.mask_judge = self.networks()["discriminator_mask"]

    @staticmethod
    def build_networks(options: DualGanOptions, context: ModelContext) -> dict[str, nn.Module]:
        """DCGAN for the masks, U-Net and patch discriminator for the images, with initial weights."""
        classes = len(options.thresholds_hu) + 1
        size, recipe = context.task.image_size, context.recipe
        networks: dict[str, nn.Module] = {
            "generator_mask": NoiseGenerator(classes, image_size=size, filters=recipe.filters, tanh=False),
            "generator_image": UBlock(classes, 1, filters=recipe.filters, depth=depth_for(size)),
            "discriminator_mask": ImageDiscriminator(classes, size, filters=recipe.discriminator_filters),
            "discriminator_image": PatchDiscriminator(
                classes + 1, filters=recipe.discriminator_filters, patch=options.patch
            ),
        }
        for network in networks.values():
            initialise(network)
        return networks

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        mask = self.classes.one_hot(self.classes.of(batch.target))
        return {**self._mask_step(mask), **self.image_step(mask, batch.target)}

    def _mask_step(self, mask: Tensor) -> Mapping[str, Tensor]:
        """Stage I: one update of the discriminator, ``generator_steps`` of the generator, each from new noise."""
        made = self._draw(len(mask))
        fake = judged_fake(self.mask_judge(made.detach()).logits)
        real = judged_real(self.mask_judge(mask).logits)
        self.descend("discriminator_mask", 0.5 * (fake + real))

        with frozen(self.mask_judge):
            for turn in range(self.generator_steps):
                made = made if turn == 0 else self._draw(len(mask))
                adversarial = judged_real(self.mask_judge(made).logits)
                self.descend("generator_mask", adversarial)
        return logged(mask_adversarial=adversarial, mask_discriminator_real=real, mask_discriminator_fake=fake)

    def _draw(self, count: int) -> Tensor:
        """Soft masks ``(count, classes, H, W)`` from noise."""
        noise = torch.randn(count, NOISE, device=self.context.device)
        made: Tensor = self.mask_generator(noise).softmax(1)
        return made

    def sample(self, count: int, generator: torch.Generator) -> Samples:
        """Draw images and the masks that they were made from."""
        noise = torch.randn(count, NOISE, generator=generator).to(self.context.device)
        classes = apply(self.mask_generator, noise).argmax(1)
        return Samples(apply(self.image_generator, self.classes.one_hot(classes)), classes)
