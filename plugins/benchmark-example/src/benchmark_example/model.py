"""The model: a small residual network trained with L1. Put your own in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import UsageError
from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_example import ModelOptions


class Block(nn.Module):
    """Two convolutions around which the input is carried on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same."""
        output: Tensor = features + self.layers(features)
        return output


class ResidualNet:
    """What the harness calls; see ``benchmark.contracts.protocols.TrainedModel``."""

    extendable = True  # until its rate decays it trains the same whatever the budget

    def __init__(self, options: ModelOptions, context: ModelContext) -> None:
        if options.blocks < 0:
            raise UsageError(f"example.blocks: {options.blocks} is less than 0")
        self.options, self.recipe, self.budget = options, context.recipe, context.steps
        self.generator = self.build_networks(options, context)["generator"].to(context.device)
        betas = (self.recipe.beta1, self.recipe.beta2)
        self.optimiser = torch.optim.Adam(self.generator.parameters(), lr=self.recipe.learning_rate, betas=betas)
        self.done = 0

    @staticmethod
    def build_networks(options: ModelOptions, context: ModelContext) -> dict[str, nn.Module]:
        """The networks alone, for ``benchmark show model example``."""
        width = context.recipe.filters
        blocks = [Block(width) for _ in range(options.blocks)]
        first, last = nn.Conv2d(context.inputs, width, 7, padding=3), nn.Conv2d(width, 1, 7, padding=3)
        return {"generator": nn.Sequential(first, nn.ReLU(), *blocks, nn.ReLU(), last, nn.Tanh())}

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        """One update of all networks; sources are ``(N, C, H, W)`` in [-1, 1], targets ``(N, 1, H, W)``."""
        self._set_learning_rate()
        loss = self.options.pixel_weight * (self.generator(batch.source) - batch.target).abs().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.done += 1
        return {"pixel": loss.detach()}

    def translate(self, source: Tensor) -> Tensor:
        """Source ``(N, C, H, W)`` to target ``(N, 1, H, W)`` in [-1, 1]."""
        output: Tensor = self.generator(source)
        return output

    def networks(self) -> Mapping[str, nn.Module]:
        """All networks; those that translate are called ``generator...``."""
        return {"generator": self.generator}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "generator": self.generator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.generator.load_state_dict(state["generator"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = state["done"]

    def _set_learning_rate(self) -> None:
        """As the recipe says: constant, then falling linearly to zero over the last part of the budget."""
        start = self.recipe.decay_from * self.budget
        left = (self.budget - self.done) / max(1.0, self.budget - start)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * min(1.0, left)
