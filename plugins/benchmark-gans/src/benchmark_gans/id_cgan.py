"""ID-CGAN: conditional GAN + L2 + content loss (Zhang, Sindagi, Patel), as in MedGAN's comparison."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.features import build_extractor
from benchmark_gans.losses import content, judged_fake, judged_real
from benchmark_gans.options import IdCganOptions
from benchmark_gans.training import frozen, logged


class IdCgan(ConditionalGan):
    """Discriminator first, then the generator, on the same made image."""

    def __init__(self, options: IdCganOptions, context: ModelContext) -> None:
        super().__init__(options, context)
        self.options = options
        self.extractor = build_extractor(options, options.feature_range).to(context.device)

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        options = self.options
        made = self.generator(batch.source)

        fake = judged_fake(self.judge(batch.source, made.detach()).logits)
        real = judged_real(self.judge(batch.source, batch.target).logits)
        self.descend("discriminator", 0.5 * (fake + real))

        with torch.no_grad():
            wanted = self.extractor(batch.target, options.content_layers)
        with frozen(self.discriminator):
            adversarial = judged_real(self.judge(batch.source, made).logits)
            pixel = options.pixel_weight * F.mse_loss(made, batch.target)
            features = self.extractor(made, options.content_layers)
            kept = options.content_weight * content(features, wanted, [1.0] * len(features))
            self.descend("generator", adversarial + pixel + kept)
        return logged(
            adversarial=adversarial, pixel=pixel, content=kept, discriminator_real=real, discriminator_fake=fake
        )

    def provenance(self) -> Mapping[str, str]:
        """Which features were used, with their checksum."""
        return {"features": self.extractor.origin}
