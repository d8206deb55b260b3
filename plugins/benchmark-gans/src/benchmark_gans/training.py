"""What all trained models here share: networks, optimisers, learning-rate decay, and their state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import SGD, Optimizer, RMSprop

from benchmark.contracts.protocols import Batch, ModelContext
from benchmark_gans.adam import LayoutAdam
from benchmark_gans.networks.initialise import initialise

DEVICE_SETTINGS = {"lr", "capturable"}
"""Settings of an optimiser that follow the device, not the checkpoint; the rate is set at each step anyway."""


class Trainable:
    """Networks and optimisers by name. A model adds them in its ``__init__`` and updates them in ``update``."""

    capturable: ClassVar[bool] = False
    """``update`` launches the same work each time; see :class:`benchmark.contracts.protocols.CapturableModel`."""

    extendable: ClassVar[bool] = True
    """Nothing but the decay of the learning rate asks for the budget."""

    def __init__(self, context: ModelContext) -> None:
        self.context = context
        self.steps_done = 0
        self._networks: dict[str, nn.Module] = {}
        self._optimisers: dict[str, Optimizer] = {}
        self._rates: dict[str, float] = {}

    def add(self, name: str, network: nn.Module) -> None:
        """Initialise a network, hold it and give it an Adam of its own."""
        initialise(network)
        self.keep(name, network)
        self.optimise(name, network)

    def keep(self, name: str, network: nn.Module) -> None:
        """Move a network to the device and hold it in the model's state."""
        self._networks[name] = network.to(self.context.device)

    def optimise(
        self, name: str, *networks: nn.Module, kind: Literal["adam", "sgd", "rmsprop"] = "adam", rate: float = 1.0
    ) -> None:
        """One optimiser over the networks, with the recipe's settings: Adam, SGD without momentum, or RMSprop.

        ``rate`` is its learning rate relative to the recipe's.
        """
        recipe = self.context.recipe
        parameters = [parameter for network in networks for parameter in network.parameters()]
        learning_rate: float | Tensor = recipe.learning_rate * rate
        on_gpu = self.context.device.type == "cuda"
        if on_gpu:  # a captured step reads the rate from the device
            learning_rate = torch.tensor(learning_rate, device=self.context.device)
        self._rates[name] = rate
        self._optimisers[name] = _optimiser(kind, parameters, learning_rate, (recipe.beta1, recipe.beta2), on_gpu)

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
        for name, optimiser in self._optimisers.items():
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate * self._rates[name])
                else:
                    group["lr"] = rate * self._rates[name]
        self.steps_done += 1

    def training_step(self, batch: Batch) -> Mapping[str, Tensor]:
        """Update all networks once; the loss terms by name."""
        self.begin_step()
        return self.update(batch)

    def update(self, batch: Batch) -> Mapping[str, Tensor]:
        """A step's work on the device."""
        raise NotImplementedError

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

    def finished_state(self) -> dict[str, Any]:
        """The same without what only a next step needs: two thirds of it are Adam's moments."""
        return {"steps_done": self.steps_done, "networks": Trainable.state_dict(self)["networks"]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` or :meth:`finished_state` gave."""
        self.steps_done = int(state["steps_done"])
        for name, network in self._networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self._optimisers.items() if "optimisers" in state else ():
            own = [{key: group[key] for key in DEVICE_SETTINGS & group.keys()} for group in optimiser.param_groups]
            optimiser.load_state_dict(state["optimisers"][name])
            for group, settings in zip(optimiser.param_groups, own, strict=True):
                group.update(settings)


def _optimiser(
    kind: Literal["adam", "sgd", "rmsprop"],
    parameters: list[nn.Parameter],
    learning_rate: float | Tensor,
    betas: tuple[float, float],
    capturable: bool,
) -> Optimizer:
    if kind == "adam":
        return LayoutAdam(parameters, lr=learning_rate, betas=betas, fused=True, capturable=capturable)
    if kind == "rmsprop":  # Keras' memory of 0.9
        return RMSprop(parameters, lr=learning_rate, alpha=0.9, capturable=capturable)
    return SGD(parameters, lr=learning_rate, fused=True)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Inside, the networks' weights ask for no gradient and spectral norm's power iteration rests.

    Batch norm goes on using the batch's statistics, as in the reference codes.
    """
    spectral = [
        module
        for network in networks
        for module in network.modules()
        if isinstance(module, parametrize.ParametrizationList)
    ]
    for network in networks:
        network.requires_grad_(False)
    for parametrization in spectral:
        parametrization.eval()
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)
        for parametrization in spectral:
            parametrization.train()


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


@torch.no_grad()
def apply_as_trained(network: nn.Module, image: Tensor) -> Tensor:
    """The network's translation in training mode, slice by slice: dropout, and each slice's own batch statistics.

    Dropout is drawn from a fixed random state, the same for every slice, so that a slice's translation can be
    repeated. Neither the network's buffers nor torch's random state change.
    """
    kept = dict(network.named_parameters())
    made = []
    devices = [image.device] if image.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        for place in range(len(image)):
            torch.manual_seed(0)
            buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
            made.append(torch.func.functional_call(network, {**kept, **buffers}, (image[place : place + 1],)))
    return torch.cat(made)


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """The sum of the terms, in their order."""
    first, *others = terms.values()
    return sum(others, start=first)


def logged(**terms: Tensor) -> dict[str, Tensor]:
    """Loss terms for the log, cut from the graph."""
    return {name: term.detach() for name, term in terms.items()}
