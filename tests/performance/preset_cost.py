"""What the presets cost on MR to CT: operations of a training step, counted without computing it, and core hours.

    python tests/performance/preset_cost.py [--gflops 20] [PRESET ...]

Steps are taken on torch's meta device, which knows shapes and has no numbers. ``--gflops`` is what a core does in a
second; of a finished cell it is ``flops_per_step * steps / train_s``, both of its record.
"""

from __future__ import annotations

import argparse

import torch

from benchmark.cell.cost import step_cost
from benchmark.contracts.budget import Currency
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import PRESETS
from benchmark.contracts.protocols import ModelContext, TaskInfo
from benchmark.plan.expand import Asked, make_plan
from benchmark.plan.grid import load_grid
from benchmark.registry.plugins import registry
from benchmark.settings.statement import PlanChoices

SOURCE, TARGET = IntensityMap("a.u.", 0.0, 1000.0), IntensityMap("HU", -1024.0, 2000.0)


def flops(asked: Asked) -> float | None:
    """Operations of one training step; ``None`` if the model cannot be trained without numbers."""
    modalities = asked.task.source_modality, asked.task.target_modality
    task = TaskInfo(asked.task.name, *modalities, SOURCE, TARGET, asked.image_size, asked.recipe.batch_size)
    context = ModelContext(task, asked.recipe, 1, torch.device("meta"), asked.preset)
    return step_cost(asked.model, asked.options, context).flops


def costs(preset: str) -> dict[str, tuple[int, float | None]]:
    """Of each trained model of grid ``full``: its steps, and the operations of one."""
    counted: dict[str, float | None] = {}

    def price(asked: Asked, currency: Currency) -> float | None:
        if asked.model.name not in counted:
            counted[asked.model.name] = flops(asked)
        return counted[asked.model.name]

    found = registry()
    grid = load_grid(found, "full")
    choices = PlanChoices("full", preset=preset, tasks=("mr-ct",))
    steps = {cell.spec.model: cell.spec.recipe["steps"] for cell in make_plan(found, grid, choices).cells}
    priced = PlanChoices("full", preset=preset, tasks=("mr-ct",), budgets=("1P",), budget_in="flops")
    make_plan(found, grid, priced, price)
    return {model: (steps[model], each) for model, each in counted.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=["small", "medium", "paper"], choices=list(PRESETS))
    parser.add_argument("--gflops", type=float, default=20.0)
    arguments = parser.parse_args()
    for preset in arguments.presets:
        print(f"{preset}: model, steps, GFLOP a step, PFLOP, core hours at {arguments.gflops:g} GFLOP/s", flush=True)
        for model, (steps, each) in costs(preset).items():
            if each is None:
                print(f"  {model:12} {steps:8} cannot be counted")
                continue
            total = steps * each
            hours = total / arguments.gflops / 1e9 / 3600
            print(f"  {model:12} {steps:8} {each / 1e9:9.2f} {total / 1e15:9.3f} {hours:9.2f}", flush=True)
