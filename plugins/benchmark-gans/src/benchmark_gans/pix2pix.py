"""pix2pix: conditional GAN + L1 (Isola et al. 2017), with MedGAN's U-block and 16x16 discriminator."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.losses import judged_fake, judged_real
from benchmark_gans.options import Pix2pixOptions
from benchmark_gans.training import frozen, logged


class Pix2pix(ConditionalGan):
    """Discriminator first, then the generator against the updated discriminator, on the same made image."""

    def __init__(self, options: Pix2pixOptions, context: ModelContext) -> None:
        super().__init__(options, context)
        self.options = options

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        made = self.generator(batch.source)

        fake = judged_fake(self.judge(batch.source, made.detach()).logits)
        real = judged_real(self.judge(batch.source, batch.target).logits)
        self.descend("discriminator", 0.5 * (fake + real))

        with frozen(self.discriminator):
            adversarial = judged_real(self.judge(batch.source, made).logits)
            pixel = self.options.pixel_weight * F.l1_loss(made, batch.target)
            self.descend("generator", adversarial + pixel)
        return logged(adversarial=adversarial, pixel=pixel, discriminator_real=real, discriminator_fake=fake)
