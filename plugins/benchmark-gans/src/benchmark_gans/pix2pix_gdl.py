"""pix2pix with the gradient difference loss of Nie et al. 2017 (arXiv 1612.05362), and their auto-context."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import UsageError
from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.adversarial import ConditionalGan, protocol_networks
from benchmark_gans.losses import gradient_difference
from benchmark_gans.mr_ct_options import Pix2pixGdlOptions
from benchmark_gans.refusals import check_numbers, check_something_left
from benchmark_gans.training import logged, total

OWNER = "pix2pix-gdl"


class GradientDifferenceGan(ConditionalGan):
    """Conditional GAN with a pixel loss and the gradient difference loss; beside the source it may see estimates."""

    owner = OWNER
    options: Pix2pixGdlOptions
    estimates = 0

    @classmethod
    def build_networks(cls, options: Any, context: ModelContext) -> dict[str, nn.Module]:
        """The networks of MedGAN's comparison for the source and so many estimates of the target."""
        return protocol_networks(options, context, inputs=context.inputs + cls.estimates)

    def pass_once(self, networks: Mapping[str, nn.Module], source: Tensor) -> None:
        super().pass_once(networks, torch.cat([source, *[source[:, :1]] * self.estimates], 1))

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        self.begin_step()
        made = self.generator(batch.source)
        judged = self.teach_discriminator(batch, made)
        with self.resting_discriminator():
            terms = {**self.adversarial(batch.source, made), **self._image_terms(made, batch.target)}
            self.descend("generator", total(terms))
        return logged(**terms, **judged)

    def _image_terms(self, made: Tensor, target: Tensor) -> dict[str, Tensor]:
        options, terms = self.options, {}
        # sums are taken of each image and averaged over the batch, so that the batch size does not weigh
        share = 1.0 if options.reduction == "mean" else 1.0 / len(made)
        if options.pixel_weight:
            distance = {"l1": F.l1_loss, "l2": F.mse_loss}[options.pixel_loss]
            terms["pixel"] = options.pixel_weight * share * distance(made, target, reduction=options.reduction)
        if options.gradient_weight:
            gradient = gradient_difference(made, target, options.reduction)
            terms["gradient_difference"] = options.gradient_weight * share * gradient
        return terms


class LaterGan(GradientDifferenceGan):
    """Sees the source and the estimate of the GAN before it."""

    estimates = 1


class Pix2pixGdl:
    """``contexts`` GANs trained one after the other, each for an equal share of the steps, the earlier ones at rest.

    Each starts with the recipe's full learning rate and decays within its own share.

    Raises:
        UsageError: there are fewer steps than contexts, so that some would never be trained.
    """

    def __init__(self, options: Pix2pixGdlOptions, context: ModelContext) -> None:
        check_numbers(OWNER, options)
        check_something_left(OWNER, options, ("adversarial_weight", "pixel_weight", "gradient_weight"))
        if context.training and context.steps < options.contexts:
            raise UsageError(f"{OWNER}.contexts: {options.contexts} GANs cannot share {context.steps} steps")
        self.starts = [-(-number * context.steps // options.contexts) for number in range(options.contexts + 1)]
        """The step at which each begins, and where the last one ends."""
        self.extendable = options.contexts == 1
        self.gans = [
            (LaterGan if number else GradientDifferenceGan)(options, replace(context, steps=end - start))
            for number, (start, end) in enumerate(pairwise(self.starts))
        ]

    @staticmethod
    def build_networks(options: Pix2pixGdlOptions, context: ModelContext) -> dict[str, nn.Module]:
        """Generator and discriminator of every GAN of the chain."""
        built: dict[str, nn.Module] = {}
        for number in range(options.contexts):
            kind = LaterGan if number else GradientDifferenceGan
            built |= {_name(name, number): each for name, each in kind.build_networks(options, context).items()}
        return built

    def networks(self) -> Mapping[str, nn.Module]:
        """All trainable networks."""
        return {
            _name(name, number): network
            for number, gan in enumerate(self.gans)
            for name, network in gan.networks().items()
        }

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        """One update of the GAN whose turn it is."""
        done = sum(gan.steps_done for gan in self.gans)
        turn = min(bisect_right(self.starts, done), len(self.gans)) - 1
        seen = self._seen(batch.source, turn)
        return {
            _name(name, turn): term for name, term in self.gans[turn].training_step(replace(batch, source=seen)).items()
        }

    def _seen(self, source: Tensor, turn: int) -> Tensor:
        """What the GAN of this turn is shown: the source, and the estimate of the chain before it."""
        if turn == 0:
            return source
        return torch.cat([source, self.gans[turn - 1].translate(self._seen(source, turn - 1))], 1)

    def translate(self, source: Tensor) -> Tensor:
        """Source through the whole chain to target, both ``(N, 1, H, W)`` in [-1, 1]."""
        last = len(self.gans) - 1
        return self.gans[last].translate(self._seen(source, last))

    def state_dict(self) -> dict[str, Any]:
        """The state of every GAN."""
        return {"gans": [gan.state_dict() for gan in self.gans]}

    def finished_state(self) -> dict[str, Any]:
        """What is left of every GAN once it is trained."""
        return {"gans": [gan.finished_state() for gan in self.gans]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` or :meth:`finished_state` gave."""
        for gan, own in zip(self.gans, state["gans"], strict=True):
            gan.load_state_dict(own)


def _name(name: str, number: int) -> str:
    return name if number == 0 else f"{name}_{number + 1}"
