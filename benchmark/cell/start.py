"""Networks that start where another cell's ended, in place of their initialisation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import atomic
from benchmark.cell import checkpoints
from benchmark.cell.build import build_model, model_context
from benchmark.contracts.specs import ModelSpec
from benchmark.errors import UsageError
from benchmark.plan.claim import Start
from benchmark.store.folder import CellFolder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Weights = Mapping[str, Mapping[str, "Tensor"]]
"""By network and name."""


def starting_weights(model: ModelSpec, start: Start, device: torch.device) -> Weights:
    """The networks of the cell to start from, out of its own model: what else a checkpoint holds is its training's.

    Raises:
        UsageError: the cell is gone, or another than when the run was planned.
    """
    folder = CellFolder(Path(start.path))
    checkpoint, record = folder.file("checkpoint.pt"), folder.read()
    intact = record is not None and checkpoint.is_file() and atomic.sha256_file(checkpoint) == start.sha256
    state = checkpoints.load(checkpoint, start.cell, device) if intact else None
    if record is None or record.dataset is None or state is None:
        raise UsageError(f"{start.path}: the cell to start from is gone or was altered; give another --init")
    other = build_model(model, record.spec, model_context(record.dataset, record.spec, device))
    other.load_state_dict(state.model)
    return {name: network.state_dict() for name, network in other.networks().items()}


def start_from(model: Any, weights: Weights, where: str) -> None:
    """Give a model's networks these weights.

    Raises:
        UsageError: its networks are others, or of other shapes.
    """
    networks = model.networks()
    if networks.keys() != weights.keys():
        raise UsageError(f"{where}: its networks are {', '.join(weights)}, and here they are {', '.join(networks)}")
    for name, network in networks.items():
        own = network.state_dict()
        odd = [key for key in {**own, **weights[name]} if _shape(own.get(key)) != _shape(weights[name].get(key))]
        if odd:
            there, here = (_shape(some.get(odd[0])) for some in (weights[name], own))
            raise UsageError(
                f"{where}: another architecture: {odd[0]} of {name} is {there} there and {here} here; "
                "give the options and filters that it was trained with"
            )
        network.load_state_dict(weights[name])


def _shape(weight: Tensor | None) -> str:
    return "missing" if weight is None else "x".join(map(str, weight.shape)) or "a number"
