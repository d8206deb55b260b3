"""PAN: adversarial + discriminator-feature loss with a margin (Wang et al. 2018), as in MedGAN's comparison."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from benchmark import UsageError
from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.losses import judged_fake, judged_real, perceptual, shortfall
from benchmark_gans.options import PanOptions
from benchmark_gans.training import frozen, logged


class Pan(ConditionalGan):
    """The generator shrinks the distance of hidden features; the discriminator keeps it above a margin.

    No pixel loss (MedGAN section 3.2.2).
    """

    def __init__(self, options: PanOptions, context: ModelContext) -> None:
        super().__init__(options, context)
        self.options = options
        if len(options.perceptual_layers) != len(self.discriminator.hidden):
            raise UsageError(
                f"pan.perceptual_layers: give {len(self.discriminator.hidden)} weights, one a hidden layer"
            )

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        weights = self.options.perceptual_layers
        made = self.generator(batch.source)

        fake_verdict = self.judge(batch.source, made.detach())
        real_verdict = self.judge(batch.source, batch.target)
        fake, real = judged_fake(fake_verdict.logits), judged_real(real_verdict.logits)
        distance = perceptual(fake_verdict.features, real_verdict.features, weights)
        margin = shortfall(distance, self.options.margin)
        self.descend("discriminator", fake + real + margin)

        with frozen(self.discriminator):
            verdict = self.judge(batch.source, made)
            adversarial = judged_real(verdict.logits)
            wanted = self.judge(batch.source, batch.target).features
            features = self.options.perceptual_weight * perceptual(verdict.features, wanted, weights)
            self.descend("generator", adversarial + features)
        return logged(
            adversarial=adversarial,
            perceptual=features,
            margin=margin,
            discriminator_real=real,
            discriminator_fake=fake,
        )
