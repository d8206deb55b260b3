"""Stage II of the two-stage family: pix2pix from a tissue mask to the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.protocols import ModelContext
from benchmark_gans.losses import judged_fake, judged_real
from benchmark_gans.tissue_classes import TissueClasses
from benchmark_gans.training import Trainable, frozen, logged


class MaskToImage(Trainable):
    """Holds the networks of ``build_networks``, an Adam each, and knows the tissue classes and stage II's step."""

    def __init__(self, owner: str, options: Any, context: ModelContext) -> None:
        super().__init__(context)
        self.classes = TissueClasses(owner, options.thresholds_hu, context.task.target)
        self.pixel_weight = options.pixel_weight
        built = self.build_networks(options, context)
        for name, network in built.items():
            self.keep(name, network)
            self.optimise(name, network)
        self.image_generator = built["generator_image"]
        self.image_judge = built["discriminator_image"]

    @staticmethod
    def build_networks(options: Any, context: ModelContext) -> dict[str, nn.Module]:
        """The networks of both stages; stage II's are ``generator_image`` and ``discriminator_image``."""
        raise NotImplementedError

    def image_step(self, mask: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        """One update of stage II on the true mask ``(N, classes, H, W)``."""
        made = self.image_generator(mask)

        fake = judged_fake(self.image_judge(torch.cat([mask, made.detach()], 1)).logits)
        real = judged_real(self.image_judge(torch.cat([mask, target], 1)).logits)
        self.descend("discriminator_image", 0.5 * (fake + real))

        with frozen(self.image_judge):
            adversarial = judged_real(self.image_judge(torch.cat([mask, made], 1)).logits)
            pixel = self.pixel_weight * F.l1_loss(made, target)
            self.descend("generator_image", adversarial + pixel)
        return logged(adversarial=adversarial, pixel=pixel, discriminator_real=real, discriminator_fake=fake)
