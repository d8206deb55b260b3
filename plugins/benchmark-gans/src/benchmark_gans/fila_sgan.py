"""Fila-sGAN: conditional GAN + style + content + total variation + L1 (Zhao et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.features import build_extractor
from benchmark_gans.losses import content_absolute, style_absolute, total_variation
from benchmark_gans.options import FilaSganOptions
from benchmark_gans.refusals import check_something_left
from benchmark_gans.training import logged, total


class FilaSgan(ConditionalGan):
    """The style of the source image, the content of the target (MedGAN section 3.2.2)."""

    owner = "fila-sgan"

    def __init__(self, options: FilaSganOptions, context: ModelContext) -> None:
        check_something_left(
            self.owner, options, ("adversarial_weight", "pixel_weight", "style_weight", "content_weight")
        )
        super().__init__(options, context)
        self.options = options
        self.extractor = None
        if options.style_weight or options.content_weight:
            self.extractor = build_extractor(options, options.feature_range).to(context.device)

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        options = self.options
        made = self.generator(batch.source)
        wanted = self.wanted_features(batch)
        judged = self.teach_discriminator(batch, made)
        with self.resting_discriminator():
            for step in range(options.generator_steps):
                made = made if step == 0 else self.generator(batch.source)
                terms = self.adversarial(batch.source, made)
                if options.pixel_weight:
                    terms["pixel"] = options.pixel_weight * F.l1_loss(made, batch.target)
                terms |= self.feature_terms(made, wanted)
                if options.variation_weight:
                    terms["variation"] = options.variation_weight * total_variation(made, batch.mask)
                self.descend("generator", total(terms))
        return logged(**terms, **judged)

    @torch.no_grad()
    def wanted_features(self, batch: Batch) -> list[Tensor]:
        """The style image's features in the style layers, then the target's in the content layers."""
        if self.extractor is None:
            return []
        style_image = batch.source if self.options.style_image == "source" else batch.target
        styles = self.extractor(style_image, self.options.style_layers)
        return [*styles, *self.extractor(batch.target, self.options.content_layers)]

    def feature_terms(self, made: Tensor, wanted: list[Tensor]) -> dict[str, Tensor]:
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

    def provenance(self) -> Mapping[str, str]:
        """Which features were used, with their checksum."""
        return {"features": self.extractor.origin} if self.extractor is not None else {}
