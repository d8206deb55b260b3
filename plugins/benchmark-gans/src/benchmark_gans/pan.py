"""PAN: adversarial + discriminator-feature loss with a margin (Wang et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from benchmark import UsageError
from benchmark.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan
from benchmark_gans.losses import judged_fake, judged_real, perceptual, shortfall
from benchmark_gans.networks.discriminators import LAYERS_FOR_PATCH
from benchmark_gans.options import PanOptions
from benchmark_gans.refusals import check_length
from benchmark_gans.training import logged, total


class Pan(ConditionalGan):
    """The generator shrinks the distance of hidden features; the discriminator keeps it above a margin.

    No pixel loss (MedGAN section 3.2.2).
    """

    owner = "pan"

    def __init__(self, options: PanOptions, context: ModelContext) -> None:
        if not options.adversarial_weight:
            raise UsageError(
                "pan.adversarial_weight: 0 leaves PAN without any loss: it has no pixel term, and its features are "
                "those of the discriminator; to read off what the adversary gains, use the other models"
            )
        layers = [f"hidden layer {number}" for number in range(1, LAYERS_FOR_PATCH[options.patch] + 2)]
        check_length(self.owner, options, "perceptual_layers", layers)
        super().__init__(options, context)
        self.options = options

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        weights = self.options.perceptual_layers
        made = self.generator(batch.source)

        fake_verdict = self.judge(batch.source, made.detach())
        real_verdict = self.judge(batch.source, batch.target)
        judged = {
            "discriminator_real": judged_real(real_verdict.logits),
            "discriminator_fake": judged_fake(fake_verdict.logits),
            "margin": shortfall(perceptual(fake_verdict.features, real_verdict.features, weights), self.options.margin),
        }
        self.descend("discriminator", total(judged))

        with self.resting_discriminator():
            verdict = self.judge(batch.source, made)
            terms = {"adversarial": self.adversarial_weight * judged_real(verdict.logits)}
            if self.options.perceptual_weight:
                wanted = self.judge(batch.source, batch.target).features
                terms["perceptual"] = self.options.perceptual_weight * perceptual(verdict.features, wanted, weights)
            self.descend("generator", total(terms))
        return logged(**terms, **judged)
