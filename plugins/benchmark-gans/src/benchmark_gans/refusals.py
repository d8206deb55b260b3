"""Options that cannot work, refused before training starts: one clear error each."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import UsageError
from benchmark.contracts.protocols import ModelContext


def check_numbers(owner: str, options: Any, *, but: Sequence[str] = ()) -> None:
    """Weights, steps and the like must be finite and not negative, update counts at least 1, dropout below 1.

    Options in ``but`` are left out.

    Raises:
        UsageError: one is not.
    """
    for field in dataclasses.fields(options):
        value = () if field.name in but else getattr(options, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, (int, float)) and not (math.isfinite(number) and number >= 0):
                raise UsageError(f"{owner}.{field.name}: {number:g} is not a finite number from 0 up")
    for name in ("blocks", "generator_steps", "contexts"):
        if getattr(options, name, 1) < 1:
            raise UsageError(f"{owner}.{name}: {getattr(options, name)} is less than 1")
    if getattr(options, "dropout", 0.0) >= 1:
        raise UsageError(f"{owner}.dropout: {options.dropout:g} leaves nothing; give a share below 1")


def check_length(owner: str, options: Any, name: str, what: Sequence[str]) -> None:
    """A tuple of weights has one for each of ``what``.

    Raises:
        UsageError: it is longer or shorter.
    """
    given = len(getattr(options, name))
    if given != len(what):
        raise UsageError(f"{owner}.{name}: give {len(what)} weights ({', '.join(what)}), not {given}")


def check_unused(owner: str, options: Any, names: Sequence[str]) -> None:
    """Options that the chosen architecture does not have are left at their defaults.

    Raises:
        UsageError: one was changed, which would have no effect.
    """
    defaults = type(options)()
    for name in names:
        if getattr(options, name) != getattr(defaults, name):
            raise UsageError(
                f"{owner}.{name}: {getattr(options, name)} has no effect with architecture={options.architecture}; "
                "leave it out"
            )


def check_something_left(owner: str, options: Any, names: Sequence[str]) -> None:
    """At least one of the loss weights is above 0.

    Raises:
        UsageError: none is.
    """
    if not any(getattr(options, name) for name in names):
        raise UsageError(f"{owner}: {', '.join(names)} are all 0, so there is nothing to learn from")


def check_layers(owner: str, name: str, layers: Sequence[str], extractor: nn.Module, device: torch.device) -> None:
    """The extractor has every layer that a feature loss asks for, and there is at least one.

    Raises:
        UsageError: it lacks one, or none is asked for.
    """
    if not layers:
        raise UsageError(f"{owner}.{name}: give at least one layer")
    try:
        with torch.no_grad():
            extractor(torch.zeros(1, 1, 32, 32, device=device), layers)
    except KeyError as error:
        raise UsageError(f"{owner}.{name}: {error.args[0]}") from None


def rehearse(
    owner: str,
    build: Callable[[Any, ModelContext], Mapping[str, nn.Module]],
    options: Any,
    context: ModelContext,
    run: Callable[[Mapping[str, nn.Module], Tensor], object],
) -> None:
    """Send a batch of the task's image size through the networks, without memory or arithmetic (torch's meta device).

    Finds images that are too small for a network, and batches of one whose batch statistics would be of one number.

    Raises:
        UsageError: a network cannot take the batch in training mode.
    """
    height, width = context.task.image_size
    number = context.recipe.batch_size
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        with torch.device("meta"):
            networks = {name: network.train() for name, network in build(options, context).items()}
        for network in networks.values():
            for module in network.modules():
                module.register_forward_hook(_refuse_nothing)
        try:
            run(networks, torch.empty(number, context.inputs, height, width, device="meta"))
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"{owner}: its {options.architecture} networks cannot be trained with batches of {number} images of "
                f"{height}x{width} ({reason}); use larger images or larger batches"
            ) from None


def _refuse_nothing(module: nn.Module, _: Any, output: Any) -> None:
    """With torch 2.6 a kernel larger than the image gives an empty one here, and an error only in training."""
    if isinstance(output, Tensor) and not output.numel():
        raise RuntimeError(f"nothing is left of the image after {type(module).__name__}")
