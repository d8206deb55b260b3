"""What one training step of a model costs, counted once and independent of the machine it runs on.

Floating-point operations are those that torch's own counter knows (matrix products, convolutions, attention, forward
and backward), a multiplication and an addition each counting as one; a generator's updates are the optimiser steps
that hold a weight of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.optim.optimizer import Optimizer
from torch.utils.flop_counter import FlopCounterMode

from benchmark.atomic import sha256_of
from benchmark.cell import checkpoints
from benchmark.cell.updates import watched_steps
from benchmark.contracts import options as option_values
from benchmark.contracts.budget import Currency
from benchmark.contracts.channels import parts
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.protocols import Batch, ModelContext, TaskInfo, TrainedModel
from benchmark.contracts.specs import ModelSpec
from benchmark.plan.expand import Asked

GENERATOR = "generator"
"""How the names of networks that translate begin."""


@dataclass(frozen=True)
class StepCost:
    """One training step; ``None`` where nothing was counted."""

    flops: float | None = None
    updates: float | None = None

    def of(self, currency: Currency) -> float | None:
        """In a currency of budgets."""
        return {"steps": 1.0, "updates": self.updates, "flops": self.flops}[currency]


def step_cost(model: ModelSpec, values: Mapping[str, Any], context: ModelContext) -> StepCost:
    """Train a model of its own for one step on noise, and count. All random generators are put back.

    Nothing is counted of a model that fails in it: its own training will say why.
    """
    before = checkpoints.random_state()
    try:
        torch.manual_seed(0)
        built: TrainedModel = model.load()(option_values.build(model.options, values), context)
        count, size, device = context.recipe.batch_size, context.task.image_size, context.device
        source, target = (torch.rand(count, n, *size, device=device) * 2 - 1 for n in (context.inputs, 1))
        with _updates(built) as updates, FlopCounterMode(display=False) as counter:
            built.training_step(Batch(source, target, torch.ones_like(target)))
        flops = float(counter.get_total_flops())
        return StepCost(flops or None, float(max(updates.values(), default=0)) or None)
    except Exception:
        return StepCost()
    finally:
        checkpoints.restore_random_state(before)


@contextmanager
def _updates(model: TrainedModel) -> Iterator[dict[str, int]]:
    """Inside, the optimiser steps of each generator are counted."""
    weights = {
        name: {id(weight) for weight in network.parameters()}
        for name, network in model.networks().items()
        if name.startswith(GENERATOR)
    }
    counts = dict.fromkeys(weights, 0)

    def stepped(optimiser: Optimizer) -> None:
        held = {id(weight) for group in optimiser.param_groups for weight in group["params"]}
        for name, own in weights.items():
            counts[name] += not own.isdisjoint(held)

    with watched_steps(stepped):
        yield counts


def cost_of(asked: Asked) -> StepCost:
    """What a step of a planned cell will cost, on a CPU and on data of its size; counted once a process."""
    named = [channel.name for channel in asked.channels]
    key = sha256_of([asked.model.name, asked.options, vars(asked.recipe), asked.image_size, asked.task.name, named])
    if key not in _counted():
        task = TaskInfo(
            name=asked.task.name,
            source_modality=asked.task.source_modality,
            target_modality=asked.task.target_modality,
            source=_stand_in(parts(asked.task.source_unit)[0]),
            target=_stand_in(asked.task.target_unit),
            image_size=asked.image_size,
            training_slices=asked.recipe.batch_size,
            channels=asked.channels if len(asked.channels) > 1 else (),
        )
        steps = max(1, asked.recipe.budget(asked.recipe.batch_size))
        context = ModelContext(task, asked.recipe, steps, torch.device("cpu"), asked.preset)
        _counted()[key] = step_cost(asked.model, asked.options, context)
    return _counted()[key]


@cache
def _counted() -> dict[str, StepCost]:
    return {}


def _stand_in(unit: str) -> IntensityMap:
    """A window, on which no network's size depends."""
    return IntensityMap(unit, *{"HU": (-1024.0, 2000.0)}.get(unit, (0.0, 10.0)))
