"""MedGAN: CasNet, spectral norm, perceptual + style + content losses, three generator steps (Armanious 2020)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from benchmark import UsageError
from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.features import build_extractor
from benchmark_gans.losses import content, judged_fake, judged_real, perceptual, style
from benchmark_gans.options import MedganOptions
from benchmark_gans.training import frozen, logged

STYLE_LAYERS = ("conv1_1", "conv5_1")
CONTENT_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")
"""The first convolution of each block; style from the first and the last, content from all but the deepest
(MedGAN section 2.5)."""
FEATURE_LAYERS = (*CONTENT_LAYERS, "conv5_1")


class Medgan(ConditionalGan):
    """Algorithm 1: generator steps against a resting discriminator, then one discriminator step, on one batch."""

    def __init__(self, options: MedganOptions, context: ModelContext) -> None:
        super().__init__(options, context, spectral_norm=options.spectral_norm)
        for name, wanted in (
            ("perceptual_layers", len(self.discriminator.hidden) + 1),
            ("style_layers", len(STYLE_LAYERS)),
            ("content_layers", len(CONTENT_LAYERS)),
        ):
            if len(getattr(options, name)) != wanted:
                raise UsageError(f"medgan.{name}: give {wanted} weights, not {len(getattr(options, name))}")
        if options.generator_steps < 1:
            raise UsageError(f"medgan.generator_steps: {options.generator_steps} is less than 1")
        self.options = options
        self.extractor = build_extractor(options, options.feature_range).to(context.device)

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        options = self.options
        with frozen(self.discriminator):
            with torch.no_grad():
                wanted = self.extractor(batch.target, FEATURE_LAYERS)
                wanted_hidden = (batch.target, *self.judge(batch.source, batch.target).features)
            for _ in range(options.generator_steps):
                made = self.generator(batch.source)
                verdict = self.judge(batch.source, made)
                features = self.extractor(made, FEATURE_LAYERS)
                adversarial = judged_real(verdict.logits)
                hidden = options.perceptual_weight * perceptual(
                    (made, *verdict.features), wanted_hidden, options.perceptual_layers
                )
                styled = options.style_weight * style(features[::4], wanted[::4], options.style_layers)
                kept = options.content_weight * content(features[:4], wanted[:4], options.content_layers)
                self.descend("generator", adversarial + hidden + styled + kept)

        with torch.no_grad():
            made = self.generator(batch.source)
        fake = judged_fake(self.judge(batch.source, made).logits)
        real = judged_real(self.judge(batch.source, batch.target).logits)
        self.descend("discriminator", fake + real)
        return logged(
            adversarial=adversarial,
            perceptual=hidden,
            style=styled,
            content=kept,
            discriminator_real=real,
            discriminator_fake=fake,
        )

    def provenance(self) -> Mapping[str, str]:
        """Which features were used, with their checksum."""
        return {"features": self.extractor.origin}
