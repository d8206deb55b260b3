"""Fila-sGAN: conditional GAN + style + content + total variation + L1 (Zhao et al.), as in MedGAN's comparison."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark import UsageError
from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.features import build_extractor
from benchmark_gans.losses import content_absolute, judged_fake, judged_real, style_absolute, total_variation
from benchmark_gans.options import FilaSganOptions
from benchmark_gans.training import frozen, logged


class FilaSgan(ConditionalGan):
    """The style of the source image, the content of the target (MedGAN section 3.2.2)."""

    def __init__(self, options: FilaSganOptions, context: ModelContext) -> None:
        super().__init__(options, context)
        if options.generator_steps < 1:
            raise UsageError(f"fila-sgan.generator_steps: {options.generator_steps} is less than 1")
        self.options = options
        self.extractor = build_extractor(options, options.feature_range).to(context.device)

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        options = self.options
        styles = len(options.style_layers)
        made = self.generator(batch.source)
        with torch.no_grad():
            style_image = batch.source if options.style_image == "source" else batch.target
            wanted_style = self.extractor(style_image, options.style_layers)
            wanted_content = self.extractor(batch.target, options.content_layers)

        fake = judged_fake(self.judge(batch.source, made.detach()).logits)
        real = judged_real(self.judge(batch.source, batch.target).logits)
        self.descend("discriminator", 0.5 * (fake + real))

        with frozen(self.discriminator):
            for step in range(options.generator_steps):
                made = made if step == 0 else self.generator(batch.source)
                features = self.extractor(made, (*options.style_layers, *options.content_layers))
                adversarial = judged_real(self.judge(batch.source, made).logits)
                pixel = options.pixel_weight * F.l1_loss(made, batch.target)
                styled = options.style_weight * style_absolute(features[:styles], wanted_style)
                kept = options.content_weight * content_absolute(features[styles:], wanted_content)
                smooth = options.variation_weight * total_variation(made, batch.mask)
                self.descend("generator", adversarial + pixel + styled + kept + smooth)
        return logged(
            adversarial=adversarial,
            pixel=pixel,
            style=styled,
            content=kept,
            variation=smooth,
            discriminator_real=real,
            discriminator_fake=fake,
        )

    def provenance(self) -> Mapping[str, str]:
        """Which features were used, with their checksum."""
        return {"features": self.extractor.origin}
