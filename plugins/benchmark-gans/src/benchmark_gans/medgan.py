"""MedGAN: CasNet, spectral norm, perceptual + style + content losses, three generator steps (Armanious 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan, protocol_networks
from benchmark_gans.features import build_extractor
from benchmark_gans.losses import content, perceptual_terms, style
from benchmark_gans.networks.discriminators import LAYERS_FOR_PATCH, normalise_spectrally
from benchmark_gans.options import MedganOptions
from benchmark_gans.refusals import check_length, check_something_left
from benchmark_gans.training import logged, total

STYLE_LAYERS = ("conv1_1", "conv5_1")
CONTENT_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")
"""The first convolution of each block; style from the first and the last, content from all but the deepest
(MedGAN section 2.5)."""
FEATURE_LAYERS = (*CONTENT_LAYERS, "conv5_1")


class Medgan(ConditionalGan):
    """Algorithm 1: generator steps against a resting discriminator, then one discriminator step, on one batch.

    The perceptual loss (Eq. 7) is the pixel term and one term a hidden layer of the discriminator. Without
    adversary nothing trains that discriminator, so of the perceptual loss the pixel term alone remains.
    """

    capturable = True
    owner = "medgan"
    options: MedganOptions

    def __init__(self, options: MedganOptions, context: ModelContext) -> None:
        hidden = range(1, LAYERS_FOR_PATCH[options.patch] + 2)
        layers = ["pixels", *(f"hidden layer {number}" for number in hidden)]
        check_length(self.owner, options, "perceptual_layers", layers)
        check_length(self.owner, options, "style_layers", STYLE_LAYERS)
        check_length(self.owner, options, "content_layers", CONTENT_LAYERS)
        weights = ["style_weight", "content_weight"]
        if options.adversarial_weight or options.perceptual_layers[0]:
            weights += ["adversarial_weight", "perceptual_weight"]
        check_something_left(self.owner, options, weights)
        super().__init__(options, context)
        self.extractor = None
        if options.style_weight or options.content_weight:
            self.extractor = build_extractor(options, options.feature_range).to(context.device)

    @staticmethod
    def build_networks(options: MedganOptions, context: ModelContext) -> dict[str, nn.Module]:
        """The protocol's networks, the discriminator under spectral norm (Eq. 8)."""
        networks = protocol_networks(options, context)
        if options.spectral_norm and "discriminator" in networks:
            normalise_spectrally(networks["discriminator"])
        return networks

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        with self.resting_discriminator():
            with torch.no_grad():
                wanted_hidden = [batch.target]
                if self.discriminator is not None and self.options.perceptual_weight:
                    wanted_hidden += self.judge(batch.source, batch.target).features
                wanted = self.extractor(batch.target, FEATURE_LAYERS) if self.extractor else []
            for _ in range(self.options.generator_steps):
                made = self.generator(batch.source)
                terms = self.terms(batch.source, made, wanted_hidden, wanted)
                self.descend("generator", total(terms))

        judged = {}
        if self.discriminator is not None:
            with torch.no_grad():
                made = self.generator(batch.source)
            judged = self.teach_discriminator(batch, made, halved=False)
        return logged(**terms, **judged)

    def terms(
        self, source: Tensor, made: Tensor, wanted_hidden: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """The generator's loss terms, each as it enters the sum (Eq. 12)."""
        options = self.options
        terms, hidden = {}, [made]
        if self.discriminator is not None:
            verdict = self.judge(source, made)
            terms["adversarial"] = options.adversarial_weight * self.adversary.real(verdict.logits)
            hidden += verdict.features
        if options.perceptual_weight:
            weights = options.perceptual_layers[: len(hidden)]
            names = ["perceptual_pixel", *(f"perceptual_{number}" for number in range(1, len(hidden)))]
            parts = perceptual_terms(hidden, wanted_hidden, [options.perceptual_weight * weight for weight in weights])
            terms |= {name: part for name, weight, part in zip(names, weights, parts, strict=True) if weight}
        if self.extractor is not None:
            features = self.extractor(made, FEATURE_LAYERS)
            if options.style_weight:
                styled = style(features[::4], wanted[::4], options.style_layers)
                terms["style"] = options.style_weight * styled
            if options.content_weight:
                kept = content(features[:4], wanted[:4], options.content_layers)
                terms["content"] = options.content_weight * kept
        return terms

    def provenance(self) -> Mapping[str, str]:
        """Which features were used, with their checksum."""
        return {"features": self.extractor.origin} if self.extractor is not None else {}
