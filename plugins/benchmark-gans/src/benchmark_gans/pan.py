"""PAN: adversarial + discriminator-feature loss with a margin (Wang et al. 2018), in MedGAN's protocol or its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from torch import Tensor, nn

from benchmark import UsageError
from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.adversarial import PROTOCOL_OPTIONS, ConditionalGan, opponents, protocol_networks
from benchmark_gans.losses import perceptual, shortfall
from benchmark_gans.networks.discriminators import LAYERS_FOR_PATCH
from benchmark_gans.networks.pan import TAPS, PanDiscriminator, PanGenerator
from benchmark_gans.options import PanOptions
from benchmark_gans.refusals import check_length
from benchmark_gans.training import logged, total


class Pan(ConditionalGan):
    """The generator shrinks the distance of hidden features; the discriminator keeps it above a margin.

    No pixel loss (MedGAN section 3.2.2).
    """

    capturable = True
    owner = "pan"
    lacking = MappingProxyType({"authors": PROTOCOL_OPTIONS})
    options: PanOptions

    def __init__(self, options: PanOptions, context: ModelContext) -> None:
        if not options.adversarial_weight:
            raise UsageError(
                "pan.adversarial_weight: 0 leaves PAN without any loss: it has no pixel term, and its features are "
                "those of the discriminator; to read off what the adversary gains, use the other models"
            )
        if options.saturating and options.adversarial == "least-squares":
            raise UsageError("pan.saturating: least squares do not saturate; give pan.saturating=false beside them")
        layers: Sequence[int] = TAPS
        if options.architecture == "protocol":
            layers = range(1, LAYERS_FOR_PATCH[options.patch] + 2)
        check_length(self.owner, options, "perceptual_layers", [f"hidden layer {number}" for number in layers])
        super().__init__(options, context)

    @staticmethod
    def build_networks(options: PanOptions, context: ModelContext) -> dict[str, nn.Module]:
        """The protocol's networks, or PAN's own."""
        judged = context.inputs + 1 if options.conditional else 1
        if options.architecture == "protocol":
            return protocol_networks(options, context, judged=judged)
        recipe, size = context.recipe, context.task.image_size
        return opponents(
            options,
            PanGenerator(context.inputs, image_size=size, filters=recipe.filters),
            PanDiscriminator(judged, image_size=size, filters=recipe.discriminator_filters),
        )

    def shown(self, source: Tensor, image: Tensor) -> Tensor:
        """The image, beside its source if the discriminator is conditional."""
        return super().shown(source, image) if self.options.conditional else image

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        weights = self.options.perceptual_layers
        made = self.generator(batch.source)

        fake_verdict = self.judge(batch.source, made.detach())
        real_verdict = self.judge(batch.source, batch.target)
        judged = {
            "discriminator_real": self.adversary.real(real_verdict.logits),
            "discriminator_fake": self.adversary.fake(fake_verdict.logits),
            "margin": shortfall(perceptual(fake_verdict.features, real_verdict.features, weights), self.options.margin),
        }
        self.descend("discriminator", total(judged))

        with self.resting_discriminator():
            verdict = self.judge(batch.source, made)
            judge = self.adversary
            fooled = -judge.fake(verdict.logits) if self.options.saturating else judge.real(verdict.logits)
            terms = {"adversarial": self.options.adversarial_weight * fooled}
            if self.options.perceptual_weight:
                wanted = self.judge(batch.source, batch.target).features
                terms["perceptual"] = self.options.perceptual_weight * perceptual(verdict.features, wanted, weights)
            self.descend("generator", total(terms))
        return logged(**terms, **judged)
