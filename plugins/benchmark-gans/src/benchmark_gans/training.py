"""What all trained models here share: networks, optimisers, learning-rate decay, and their state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from benchmark.protocols import ModelContext
from benchmark_gans.networks.initialise import initialise


class Trainable:
    """Networks and optimisers by name. A model adds them in its ``__init__`` and updates them in its step."""

    def __init__(self, context: ModelContext) -> None:
        self.context = context
        self.steps_done = 0
        self._networks: dict[str, nn.Module] = {}
        self._optimisers: dict[str, Optimizer] = {}

    def add(self, name: str, network: nn.Module) -> None:
        """Initialise a network, hold it and give it an Adam of its own."""
        initialise(network)
        self.keep(name, network)
        self.optimise(name, network)

    def keep(self, name: str, network: nn.Module) -> None:
        """Move a network to the device and hold it in the model's state."""
        self._networks[name] = network.to(self.context.device)

    def optimise(self, name: str, *networks: nn.Module) -> None:
        """One Adam over the networks, with the recipe's settings."""
        recipe = self.context.recipe
        self._optimisers[name] = Adam(
            [parameter for network in networks for parameter in network.parameters()],
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            fused=True,
        )

    def learning_rate(self) -> float:
        """The recipe's rate; after ``decay_from`` of the budget it falls linearly, to zero at its end."""
        recipe, budget = self.context.recipe, max(1, self.context.steps)
        start = recipe.decay_from * budget
        if self.steps_done <= start or start >= budget:
            return recipe.learning_rate
        return recipe.learning_rate * max(0.0, (budget - self.steps_done) / (budget - start))

    def begin_step(self) -> None:
        """Set this step's learning rate and count the step."""
        rate = self.learning_rate()
        for optimiser in self._optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
        self.steps_done += 1

    def descend(self, name: str, loss: Tensor) -> None:
        """One update of the networks under optimiser ``name``."""
        optimiser = self._optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def networks(self) -> Mapping[str, nn.Module]:
        """All trainable networks."""
        return dict(self._networks)

    def state_dict(self) -> dict[str, Any]:
        """Everything the next step depends on beside torch's random state: tensors and plain numbers."""
        return {
            "steps_done": self.steps_done,
            "networks": {name: dict(network.state_dict()) for name, network in self._networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self._optimisers.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.steps_done = int(state["steps_done"])
        for name, network in self._networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Inside, the networks' weights ask for no gradient and spectral norm's power iteration rests."""
    for network in networks:
        network.requires_grad_(False).eval()
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True).train()


@torch.no_grad()
def apply(network: nn.Module, image: Tensor) -> Tensor:
    """The network's translation in evaluation mode; its mode afterwards is what it was before."""
    training = network.training
    network.eval()
    try:
        result: Tensor = network(image)
        return result
    finally:
        network.train(training)


def logged(**terms: Tensor) -> dict[str, Tensor]:
    """Loss terms for the log, cut from the graph."""
    return {name: term.detach() for name, term in terms.items()}
