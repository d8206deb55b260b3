"""pix2pix: conditional GAN + L1 (Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.options import Pix2pixOptions
from benchmark_gans.refusals import check_something_left
from benchmark_gans.training import logged, total


class Pix2pix(ConditionalGan):
    """Discriminator first, then the generator against the updated discriminator, on the same made image."""

    owner = "pix2pix"

    def __init__(self, options: Pix2pixOptions, context: ModelContext) -> None:
        check_something_left(self.owner, options, ("adversarial_weight", "pixel_weight"))
        super().__init__(options, context)
        self.options = options

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        made = self.generator(batch.source)
        judged = self.teach_discriminator(batch, made)
        with self.resting_discriminator():
            terms = self.adversarial(batch.source, made)
            if self.options.pixel_weight:
                terms["pixel"] = self.options.pixel_weight * F.l1_loss(made, batch.target)
            self.descend("generator", total(terms))
        return logged(**terms, **judged)
