"""What a model's networks are made of, without training it: layers, parameters, receptive fields.

Networks are built on torch's meta device, where they take no memory, by the ``build_networks`` of the model's factory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmark.contracts import options as option_values
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import Preset
from benchmark.contracts.protocols import ModelContext, TaskInfo
from benchmark.contracts.specs import ModelSpec

if TYPE_CHECKING:
    from torch import nn

WINDOWS = {"HU": (-1024.0, 2000.0), "SUV": (0.0, 10.0)}
"""Stand-ins for the windows of a data set, which networks hardly depend on."""


def networks(spec: ModelSpec, values: Mapping[str, Any], preset: Preset) -> list[dict[str, Any]]:
    """Every network of a model at a preset's image size: name, parameters, receptive field in pixels, layers.

    Empty for a model without networks, or whose factory does not say how it builds them. A receptive field is
    ``None`` where an output depends on the whole image, and missing where a network does not state it.
    """
    import torch

    build = getattr(spec.load(), "build_networks", None)
    if build is None:
        return []
    unit = spec.target_units[0] if spec.target_units else "HU"
    low, high = WINDOWS.get(unit, (0.0, 1.0))
    side, recipe = preset.data.image_size, preset.recipe.changed(spec.recipes.get(preset.name, {}))
    slices = preset.data.train * preset.data.slices
    task = TaskInfo("", "", "", IntensityMap("a.u.", 0.0, 1.0), IntensityMap(unit, low, high), (side, side), slices)
    with torch.device("meta"):
        context = ModelContext(task, recipe, recipe.budget(slices), torch.device("meta"), preset.name)
        built: Mapping[str, nn.Module] = build(option_values.build(spec.options, values), context)
        return [_describe(name, network) for name, network in built.items()]


def _describe(name: str, network: nn.Module) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": name, "parameters": sum(weight.numel() for weight in network.parameters())}
    if hasattr(network, "receptive_field"):
        facts["receptive_field"] = network.receptive_field
    return {**facts, "layers": list(_layers(network))}


def _layers(network: nn.Module) -> Iterator[dict[str, Any]]:
    """Modules that hold weights of their own, in the order in which they were made."""
    for name, module in network.named_modules():
        weights = {key: list(weight.shape) for key, weight in module.named_parameters(recurse=False)}
        reparametrised = getattr(module, "parametrizations", {})
        weights |= {key: list(getattr(module, key).shape) for key in reparametrised}
        if weights and ".parametrizations" not in f".{name}":
            kind = type(module).__bases__[0].__name__ if reparametrised else type(module).__name__
            count = sum(weight.numel() for weight in module.parameters())
            yield {"name": name, "kind": kind, "weights": weights, "parameters": count}
