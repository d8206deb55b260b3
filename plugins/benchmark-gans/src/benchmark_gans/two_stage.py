"""Two-stage MR to CT: source to tissue mask, mask to CT (after Guibas, Virdi, Li 2017).

There, stage I draws masks from noise (:mod:`benchmark_gans.dual_gan`) and stage II is pix2pix from mask to image.
For translation stage I is conditional: a generator gives each pixel's tissue class, a DCGAN discriminator judges
source and mask, and cross-entropy ties the mask to its source. Both stages are independent given the true mask, so
every training step updates both, and the budget is the same as everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.mask_to_image import MaskToImage, mask_judge, second_stage
from benchmark_gans.mr_ct_options import TwoStageOptions
from benchmark_gans.networks.dcgan import SourceToMask
from benchmark_gans.networks.initialise import initialise
from benchmark_gans.networks.ublock import UBlock, depth_for
from benchmark_gans.refusals import check_something_left
from benchmark_gans.tissue_classes import dice
from benchmark_gans.training import apply, logged, total


class TwoStage(MaskToImage):
    """Masks are one-hot; class limits are HU thresholds of the target."""

    owner = "two-stage"

    def __init__(self, options: TwoStageOptions, context: ModelContext) -> None:
        for own in ("mask_weight", "pixel_weight"):
            check_something_left(self.owner, options, ("adversarial_weight", own))
        super().__init__(options, context)
        self.adversarial_weight = options.adversarial_weight
        self.mask_weight = options.mask_weight

    @staticmethod
    def build_networks(options: TwoStageOptions, context: ModelContext) -> dict[str, nn.Module]:
        """Stage I's and stage II's networks; without ``adversarial_weight`` no discriminators."""
        classes = len(options.thresholds_hu) + 1
        size, filters = context.task.image_size, context.recipe.filters
        networks: dict[str, nn.Module] = {
            "generator_mask": SourceToMask(context.inputs, classes, image_size=size, filters=filters)
            if options.architecture == "authors"
            else UBlock(context.inputs, classes, filters=filters, depth=depth_for(size), tanh=False),
            "discriminator_mask": mask_judge(options, context, context.inputs + classes),
            **second_stage(options, context, classes),
        }
        wanted = {
            name: network
            for name, network in networks.items()
            if options.adversarial_weight or name.startswith("generator")
        }
        for network in wanted.values():
            initialise(network)
        return wanted

    def pass_once(self, networks: Mapping[str, nn.Module], source: Tensor) -> None:
        made = networks["generator_mask"](source)
        if "discriminator_mask" in networks:
            networks["discriminator_mask"](torch.cat([source, made], 1))
        super().pass_once(networks, source)

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        classes = self.classes.of(batch.target)
        mask = self.classes.one_hot(classes)
        return {**self._mask_update(batch.source, mask, classes), **self.image_update(mask, batch.target)}

    def _mask_update(self, source: Tensor, mask: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """Stage I, source to mask: its discriminator once, its generator ``generator_steps`` times."""
        logits = self.mask_generator(source)
        shown = torch.cat([source, logits.softmax(1)], 1)
        judged = self.teach("mask", torch.cat([source, mask], 1), shown, halved=not self.authors)
        with self.resting("mask"):
            for turn in range(self.generator_steps):
                if turn:
                    logits = self.mask_generator(source)
                    shown = torch.cat([source, logits.softmax(1)], 1)
                terms = self.adversarial("mask", shown)
                if self.mask_weight:
                    terms["mask"] = self.mask_weight * F.cross_entropy(logits, classes)
                self.descend("generator_mask", total(terms))
        return logged(**terms, **judged)

    def translate(self, source: Tensor) -> Tensor:
        """Source ``(N, C, H, W)`` to the likeliest mask to target ``(N, 1, H, W)``, both ends in [-1, 1]."""
        return apply(self.image_generator, self._mask(source))

    def _mask(self, source: Tensor) -> Tensor:
        return self.classes.one_hot(apply(self.mask_generator, source).argmax(1))

    def stage_scores(self, source: Tensor, target: Tensor, region: Tensor) -> dict[str, Tensor]:
        """What each stage is worth, slice by slice ``(N,)``; NaN where undefined.

        Stage I: Dice of each class of the mask. Stage II: mean absolute error in HU inside the region from the true
        mask, beside that of the whole way.
        """
        inside = region[:, 0] > 0
        true, found = self.classes.of(target), self._mask(source).argmax(1)
        scores = {
            f"I: Dice of {name}": dice(found == number, true == number, inside)
            for number, name in enumerate(self.classes.names)
        }
        window = self.context.task.target
        per_unit = window.width / 2
        ways = {"true mask": self.classes.one_hot(true), "stage I's mask": self.classes.one_hot(found)}
        for name, mask in ways.items():
            made, wanted = (
                torch.from_numpy(window.straighten(image.cpu().numpy())).to(target)
                for image in (apply(self.image_generator, mask), target)
            )
            error = (made - wanted).abs()[:, 0] * inside
            scores[f"II: MAE from {name} [HU]"] = per_unit * error.flatten(1).sum(1) / inside.flatten(1).sum(1)
        return scores
