"""Dual GAN in its generative form (Guibas, Virdi, Li 2017): noise to tissue mask (DCGAN), mask to image (pix2pix).

It translates nothing. What it gives are pairs of image and mask, scored as a set: are they distributed as real ones,
and what does a segmentation network learn from them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from benchmark import UsageError
from benchmark.contracts.protocols import Batch, ModelContext, Samples
from benchmark_gans.mask_to_image import MaskToImage, mask_judge, second_stage
from benchmark_gans.mr_ct_options import DualGanOptions
from benchmark_gans.networks.dcgan import NOISE, NoiseGenerator
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.training import apply, logged, total


class DualGan(MaskToImage):
    """Stage I learns the masks of the training targets, stage II their images; both in every step.

    Raises:
        UsageError: batches of one, whose batch statistics would be of one mask.
    """

    owner = "dual-gan"

    def __init__(self, options: DualGanOptions, context: ModelContext) -> None:
        if context.training and context.recipe.batch_size < 2:
            raise UsageError("dual-gan: its DCGAN has batch norm and needs batches of 2 or more")
        super().__init__(options, context)

    @staticmethod
    def build_networks(options: DualGanOptions, context: ModelContext) -> dict[str, nn.Module]:
        """DCGAN for the masks, pix2pix for the images."""
        classes = len(options.thresholds_hu) + 1
        networks: dict[str, nn.Module] = {
            "generator_mask": NoiseGenerator(
                classes, image_size=context.task.image_size, filters=context.recipe.filters, tanh=False
            ),
            "discriminator_mask": mask_judge(options, context, classes),
            **second_stage(options, context, classes),
        }
        for network in networks.values():
            initialise(network)
        return networks

    def pass_once(self, networks: Mapping[str, nn.Module], source: Tensor) -> None:
        networks["discriminator_mask"](networks["generator_mask"](source.new_empty(len(source), NOISE)))
        super().pass_once(networks, source)

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        mask = self.classes.one_hot(self.classes.of(batch.target))
        return {**self._mask_update(mask), **self.image_update(mask, batch.target)}

    def _mask_update(self, mask: Tensor) -> dict[str, Tensor]:
        """Stage I: its discriminator once, its generator ``generator_steps`` times, all from the same noise."""
        noise = torch.randn(len(mask), NOISE, device=mask.device)
        made = self._soft(noise)
        judged = self.teach("mask", mask, made, halved=not self.authors)
        with self.resting("mask"):
            for turn in range(self.generator_steps):
                terms = self.adversarial("mask", self._soft(noise) if turn else made)
                self.descend("generator_mask", total(terms))
        return logged(**terms, **judged)

    def _soft(self, noise: Tensor) -> Tensor:
        made: Tensor = self.mask_generator(noise).softmax(1)
        return made

    def sample(self, count: int, generator: torch.Generator) -> Samples:
        """Draw images and the masks that they were made from."""
        noise = torch.randn(count, NOISE, generator=generator).to(self.context.device)
        classes = apply(self.mask_generator, noise).argmax(1)
        return Samples(apply(self.image_generator, self.classes.one_hot(classes)), classes)
