"""Fila-sGAN: conditional GAN + style + content + total variation (Zhao et al. 2018), in MedGAN's protocol or its own.

MedGAN's comparison adds L1 and takes the style of the source image (section 3.2.2). The authors' system has no
pixel loss, a noise branch, one style image for all, and a discriminator slowed down by plain SGD.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.adversarial import PROTOCOL_OPTIONS, ConditionalGan, opponents, protocol_networks
from benchmark_gans.features import build_extractor
from benchmark_gans.losses import content_absolute, style_absolute, total_variation
from benchmark_gans.networks.fila_sgan import NOISE, FilaDiscriminator, FilaGenerator
from benchmark_gans.options import FilaSganOptions
from benchmark_gans.refusals import check_layers, check_something_left
from benchmark_gans.source_channel import input_of, source_channel
from benchmark_gans.training import logged, total


class FilaSgan(ConditionalGan):
    """One discriminator update, then ``generator_steps`` of the generator, on the same batch."""

    owner = "fila-sgan"
    lacking = MappingProxyType(
        {
            "protocol": ("noise", "reading"),
            "authors": PROTOCOL_OPTIONS,
        }
    )
    options: FilaSganOptions

    def __init__(self, options: FilaSganOptions, context: ModelContext) -> None:
        check_something_left(
            self.owner, options, ("adversarial_weight", "pixel_weight", "style_weight", "content_weight")
        )
        super().__init__(options, context)
        self.extractor = None
        self.style_image: Tensor | None = None
        self.styled = input_of(source_channel(self.owner, options.style_channel, context), context)
        if options.style_weight or options.content_weight:
            self.extractor = build_extractor(options, options.feature_range).to(context.device)
            check_layers(self.owner, "style_layers", options.style_layers, self.extractor, context.device)
            check_layers(self.owner, "content_layers", options.content_layers, self.extractor, context.device)

    @staticmethod
    def build_networks(options: FilaSganOptions, context: ModelContext) -> dict[str, nn.Module]:
        """The protocol's networks, or Fila-sGAN's own in either reading."""
        if options.architecture == "protocol":
            return protocol_networks(options, context)
        recipe, size = context.recipe, context.task.image_size
        return opponents(
            options,
            FilaGenerator(context.inputs, image_size=size, filters=recipe.filters, reading=options.reading),
            FilaDiscriminator(
                context.inputs + 1, image_size=size, filters=recipe.discriminator_filters, reading=options.reading
            ),
        )

    def optimise_discriminator(self, discriminator: nn.Module) -> None:
        """Give the discriminator its optimiser; the authors' is plain SGD at 0.4 times the generator's rate."""
        options = self.options
        self.optimise(
            "discriminator", discriminator, kind=options.discriminator_optimiser, rate=options.discriminator_rate
        )

    def make(self, generator: nn.Module, source: Tensor) -> Tensor:
        """What the generator makes of the source while training; the authors' gets noise beside it."""
        if self.options.architecture == "protocol":
            return super().make(generator, source)
        noise = self.options.noise * torch.randn(len(source), NOISE, device=source.device)
        made: Tensor = generator(source, noise)
        return made

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        options = self.options
        made = self.make(self.generator, batch.source)
        wanted = self.wanted_features(batch)
        judged = self.teach_discriminator(batch, made)
        with self.resting_discriminator():
            for step in range(options.generator_steps):
                made = made if step == 0 else self.make(self.generator, batch.source)
                terms = self.adversarial(batch.source, made)
                if options.pixel_weight:
                    terms["pixel"] = options.pixel_weight * F.l1_loss(made, batch.target)
                terms |= self.feature_terms(self.seen(made, batch.mask), wanted)
                if options.variation_weight:
                    terms["variation"] = options.variation_weight * total_variation(made, batch.mask)
                self.descend("generator", total(terms))
        return logged(**terms, **judged)

    def seen(self, image: Tensor, mask: Tensor) -> Tensor:
        """What the extractor sees of an image: with ``feature_mask`` the lowest value outside the region."""
        return (image + 1) * mask - 1 if self.options.feature_mask else image

    @torch.no_grad()
    def wanted_features(self, batch: Batch) -> list[Tensor]:
        """The style image's features in the style layers, then the target's in the content layers."""
        if self.extractor is None:
            return []
        target = self.seen(batch.target, batch.mask)
        if self.options.style_image == "first":
            if self.style_image is None:
                self.style_image = target[:1].clone()
            styled = self.style_image.expand_as(target)
        else:
            source = batch.source[:, self.styled : self.styled + 1]
            styled = target if self.options.style_image == "target" else self.seen(source, batch.mask)
        styles: list[Tensor] = self.extractor(styled, self.options.style_layers)
        return [*styles, *self.extractor(target, self.options.content_layers)]

    def feature_terms(self, made: Tensor, wanted: Sequence[Tensor]) -> dict[str, Tensor]:
        """Style and content, weighted, from one pass through the extractor."""
        options, terms = self.options, {}
        if self.extractor is None:
            return {}
        styles = len(options.style_layers)
        features = self.extractor(made, (*options.style_layers, *options.content_layers))
        if options.style_weight:
            terms["style"] = options.style_weight * style_absolute(features[:styles], wanted[:styles])
        if options.content_weight:
            terms["content"] = options.content_weight * content_absolute(features[styles:], wanted[styles:])
        return terms

    @torch.no_grad()
    def translate(self, source: Tensor) -> Tensor:
        """Source ``(N, C, H, W)`` to target ``(N, 1, H, W)`` in [-1, 1].

        The authors' norm always uses the batch's statistics and they train with batches of one, so that each slice
        is translated alone; the noise is left out, which makes the translation repeatable.
        """
        if self.options.architecture == "protocol":
            return super().translate(source)
        noise = torch.zeros(1, NOISE, device=source.device)
        return torch.cat([self.generator(image, noise) for image in source[:, None]])

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, and the style image that was kept."""
        kept = {} if self.style_image is None else {"style_image": self.style_image}
        return {**super().state_dict(), **kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        super().load_state_dict(state)
        self.style_image = state.get("style_image")

    def provenance(self) -> Mapping[str, str]:
        """Which features were used, with their checksum."""
        return {"features": self.extractor.origin} if self.extractor is not None else {}
