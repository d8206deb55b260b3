"""Training steps of pix2pix and CycleGAN beside those of the public reference, same networks, batch and size.

The yardstick is our own plain statement of a step of pytorch-CycleGAN-and-pix2pix (``reference_models.py``). All
variants take turns step by step in shuffled order, in one process with one thread; CPU seconds are counted, so that
other work on the machine disturbs little. Ratios above 1: we are faster.

    python tests/performance/reference_step.py [--case pix2pix-64 ...] [--rounds 12]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from reference_models import ReferenceCycleGan, ReferencePix2pix

from benchmark.cell.device import arrange
from benchmark.cell.step import make_stepper
from benchmark.contracts import options
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import Recipe
from benchmark.contracts.protocols import Batch, ModelContext, TaskInfo
from benchmark.registry.plugins import registry

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """A model at a size; ``filters`` of generator and discriminator alike, ``goals`` from the project's targets."""

    model: str
    size: int
    batch: int
    filters: int
    goals: Mapping[str, float]
    blocks: int = 6
    """Residual blocks of CycleGAN's generators."""


CASES = {
    "pix2pix-64": Case("pix2pix", 64, 4, 16, {"fp32": 1.1, "bf16": 1.3}),
    "pix2pix-128": Case("pix2pix", 128, 8, 16, {"bf16": 1.7}),
    "pix2pix-256": Case("pix2pix", 256, 1, 64, {"fp32": 1.1, "bf16": 1.7}),
    "cyclegan-64": Case("cyclegan", 64, 2, 16, {"fp32": 1.0, "bf16": 1.25}),
    "cyclegan-128": Case("cyclegan", 128, 1, 32, {"fp32": 1.0, "bf16": 1.25}),
}


def ours(case: Case, precision: str) -> Callable[[Batch], object]:
    """Our model with its authors' networks, stepped as a cell does it."""
    spec = registry().model(case.model).spec
    chosen: dict[str, object] = {"architecture": "authors"}
    if case.model == "cyclegan":
        chosen |= {"residual_blocks": case.blocks, "identity": 0.5}
    values = options.resolve(spec.name, spec.options, chosen)
    recipe = Recipe(1, case.batch, 2e-4, filters=case.filters, discriminator_filters=case.filters)
    image_map = IntensityMap("a.u.", 0.0, 1.0)
    task = TaskInfo("t", "A", "B", image_map, image_map, (case.size, case.size), 1000)
    model = spec.load()(options.build(spec.options, values), ModelContext(task, recipe, 10**6, CPU, "paper"))
    arrange(model.networks().values(), precision)
    return make_stepper(model, CPU, precision).step


def compare(name: str, case: Case, rounds: int) -> None:
    """Time one case and print its ratios."""
    torch.manual_seed(0)
    if case.model == "pix2pix":
        reference: Callable[[Batch], object] = ReferencePix2pix(case.size, case.filters).step
    else:
        reference = ReferenceCycleGan(case.blocks, case.filters).step
    variants = {"reference": reference, "fp32": ours(case, "fp32"), "bf16": ours(case, "bf16")}
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    for number in range(-2, rounds):
        images = torch.rand(2, case.batch, 1, case.size, case.size) * 2 - 1
        batch = Batch(images[0], images[1], torch.ones_like(images[0]))
        for variant in random.sample(list(variants), len(variants)):
            before = time.process_time()
            variants[variant](batch)
            if number >= 0:  # the first two rounds warm up
                seconds[variant].append(time.process_time() - before)
    print(f"{name}: batch {case.batch}, {case.filters} filters, {rounds} rounds; reference", end=" ")
    print(f"{1000 * statistics.median(seconds['reference']):.0f} ms CPU a step")
    for precision in ("fp32", "bf16"):
        ratios = sorted(a / b for a, b in zip(seconds["reference"], seconds[precision], strict=True))
        quarter = len(ratios) // 4
        goal = f", goal {case.goals[precision]}" if precision in case.goals else ""
        spread = f"{ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f}"
        overall = sum(seconds["reference"]) / sum(seconds[precision])
        print(f"  {precision}: {statistics.median(ratios):.2f} (quartiles {spread}; of the sums {overall:.2f}){goal}")


def main() -> None:
    """Compare the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="repeatable; default: all")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batch", type=int, default=None, help="instead of the cases' own batch size")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    for name in arguments.case or CASES:
        case = CASES[name]
        compare(name, replace(case, batch=arguments.batch or case.batch), arguments.rounds)


if __name__ == "__main__":
    main()
