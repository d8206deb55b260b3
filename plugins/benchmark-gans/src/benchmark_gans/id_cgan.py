"""ID-CGAN: conditional GAN + pixel + content loss (Zhang, Sindagi, Patel), in MedGAN's protocol or as released.

``authors`` is the released system (arXiv v1): a generator at full resolution against a 70x70 discriminator;
``authors-journal`` that of IEEE TCSVT: dense blocks against pyramid pooling.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.adversarial import PROTOCOL_OPTIONS, ConditionalGan, opponents, protocol_networks
from benchmark_gans.features import Extractor, build_extractor
from benchmark_gans.losses import content, perceptual
from benchmark_gans.networks.discriminators import PatchDiscriminator
from benchmark_gans.networks.id_cgan import DenseGenerator, FullResolutionGenerator, PyramidDiscriminator
from benchmark_gans.options import IdCganOptions
from benchmark_gans.refusals import check_layers, check_something_left
from benchmark_gans.training import logged, total

RELEASED = tuple(name for name in PROTOCOL_OPTIONS if name != "patch")
"""What the released system lacks."""


class IdCgan(ConditionalGan):
    """Discriminator first, then the generator, on the same made image."""

    capturable = True
    owner = "id-cgan"
    lacking = MappingProxyType(
        {
            "protocol": ("activated_skip",),
            "authors": RELEASED,
            "authors-journal": (*PROTOCOL_OPTIONS, "activated_skip"),
        }
    )
    options: IdCganOptions

    def __init__(self, options: IdCganOptions, context: ModelContext) -> None:
        check_something_left(self.owner, options, ("adversarial_weight", "pixel_weight", "content_weight"))
        super().__init__(options, context)
        self.extractor = None
        if options.content_weight:
            self.extractor = build_extractor(options, options.feature_range).to(context.device)
            check_layers(self.owner, "content_layers", options.content_layers, self.extractor, context.device)

    @staticmethod
    def build_networks(options: IdCganOptions, context: ModelContext) -> dict[str, nn.Module]:
        """The protocol's networks, or one of ID-CGAN's own pairs; its discriminators are 3/4 as wide as the others'."""
        if options.architecture == "protocol":
            return protocol_networks(options, context)
        recipe, size, judged = context.recipe, context.task.image_size, context.inputs + 1
        judge_filters = max(1, recipe.discriminator_filters * 3 // 4)
        if options.architecture == "authors":
            return opponents(
                options,
                FullResolutionGenerator(context.inputs, filters=recipe.filters, activated_skip=options.activated_skip),
                PatchDiscriminator(judged, filters=judge_filters, patch=options.patch, norm="batch", biased=True),
            )
        return opponents(
            options,
            DenseGenerator(context.inputs, image_size=size, filters=recipe.filters),
            PyramidDiscriminator(judged, image_size=size, filters=judge_filters),
        )

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
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
        distance = content if self.options.content_distance == "l2" else perceptual
        return distance(features, wanted, [1.0] * len(features))

    def provenance(self) -> Mapping[str, str]:
        """Which features were used, with their checksum."""
        return {"features": self.extractor.origin} if self.extractor is not None else {}
