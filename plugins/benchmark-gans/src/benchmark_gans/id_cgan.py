"""ID-CGAN: conditional GAN + L2 + content loss (Zhang, Sindagi, Patel)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.features import Extractor, build_extractor
from benchmark_gans.losses import content
from benchmark_gans.options import IdCganOptions
from benchmark_gans.refusals import check_something_left
from benchmark_gans.training import logged, total


class IdCgan(ConditionalGan):
    """Discriminator first, then the generator, on the same made image."""

    owner = "id-cgan"

    def __init__(self, options: IdCganOptions, context: ModelContext) -> None:
        check_something_left(self.owner, options, ("adversarial_weight", "pixel_weight", "content_weight"))
        super().__init__(options, context)
        self.options = options
        self.extractor = None
        if options.content_weight:
            self.extractor = build_extractor(options, options.feature_range).to(context.device)

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        options = self.options
        made = self.generator(batch.source)
        judged = self.teach_discriminator(batch, made)
        with self.resting_discriminator():
            terms = self.adversarial(batch.source, made)
            if options.pixel_weight:
                terms["pixel"] = options.pixel_weight * F.mse_loss(made, batch.target)
            if self.extractor is not None:
                terms["content"] = options.content_weight * self.content(self.extractor, made, batch.target)
            self.descend("generator", total(terms))
        return logged(**terms, **judged)

    def content(self, extractor: Extractor, made: Tensor, target: Tensor) -> Tensor:
        """The distance of the two images' features, summed over the layers."""
        with torch.no_grad():
            wanted = extractor(target, self.options.content_layers)
        features = extractor(made, self.options.content_layers)
        return content(features, wanted, [1.0] * len(features))

    def provenance(self) -> Mapping[str, str]:
        """Which features were used, with their checksum."""
        return {"features": self.extractor.origin} if self.extractor is not None else {}
