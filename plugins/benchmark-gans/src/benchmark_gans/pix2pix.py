"""pix2pix: conditional GAN + L1 (Isola et al. 2017), in MedGAN's protocol or with its own networks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan, opponents, protocol_networks
from benchmark_gans.networks.discriminators import PatchDiscriminator
from benchmark_gans.networks.ublock import UBlock, depth_for
from benchmark_gans.options import Pix2pixOptions
from benchmark_gans.refusals import check_something_left
from benchmark_gans.training import apply, apply_as_trained, logged, total


class Pix2pix(ConditionalGan):
    """Discriminator first, then the generator against the updated discriminator, on the same made image."""

    capturable = True
    owner = "pix2pix"
    lacking = MappingProxyType({"authors": ("blocks", "discriminator_norm", "discriminator_norm_first")})
    options: Pix2pixOptions

    def __init__(self, options: Pix2pixOptions, context: ModelContext) -> None:
        check_something_left(self.owner, options, ("adversarial_weight", "pixel_weight"))
        super().__init__(options, context)

    @staticmethod
    def build_networks(options: Pix2pixOptions, context: ModelContext) -> dict[str, nn.Module]:
        """The protocol's networks, or pix2pix's U-Net and PatchGAN, both with batch norm (section 6.1)."""
        if options.architecture == "protocol":
            return protocol_networks(options, context)
        recipe, depth, inputs = context.recipe, depth_for(context.task.image_size), context.inputs
        return opponents(
            options,
            UBlock(inputs, filters=recipe.filters, depth=depth, dropout=options.dropout, norm="batch"),
            PatchDiscriminator(inputs + 1, filters=recipe.discriminator_filters, patch=options.patch, norm="batch"),
        )

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        made = self.generator(batch.source)
        judged = self.teach_discriminator(batch, made)
        with self.resting_discriminator():
            terms = self.adversarial(batch.source, made)
            if self.options.pixel_weight:
                terms["pixel"] = self.options.pixel_weight * F.l1_loss(made, batch.target)
            self.descend("generator", total(terms))
        return logged(**terms, **judged)

    def translate(self, source: Tensor) -> Tensor:
        """Source ``(N, C, H, W)`` to target ``(N, 1, H, W)`` in [-1, 1]; as ``translate_as`` says."""
        return (apply_as_trained if self.options.translate_as == "training" else apply)(self.generator, source)
