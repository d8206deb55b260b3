"""Training steps of benchmark-monai's models beside a bare loop over MONAI's networks, same size, batch and width.

The bare loop is what anybody would write: forward, mean absolute error, backward, AdamW. For ``resenc-unet`` it trains
the same network, and for comparison MONAI's DynUNet with residual blocks and the same strides and widths, which has
another decoder. All variants take turns step by step in shuffled order, in one process with one thread; CPU seconds
are counted, so that other work on the machine disturbs little. Ratios are ours over bare: above 1 we are slower.

    python tests/performance/monai_step.py [--case resenc-unet-64 ...] [--rounds 12]
"""

from __future__ import annotations

import argparse
import copy
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ["OMP_NUM_THREADS"] = "1"

import torch
import torch.nn.functional as F
from monai.networks.nets import DynUNet
from torch import nn

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
    """A model at a size."""

    model: str
    size: int = 64
    batch: int = 4
    filters: int = 16


CASES = {
    "resenc-unet-64": Case("resenc-unet"),
    "monai-unet-64": Case("monai-unet"),
    "swin-unetr-64": Case("swin-unetr"),
    "resenc-unet-128": Case("resenc-unet", 128, 4, 32),
    "monai-unet-128": Case("monai-unet", 128, 4, 32),
}


def bare(network: nn.Module) -> Callable[[Batch], object]:
    """One update as a tutorial writes it."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step(batch: Batch) -> float:
        optimiser.zero_grad()
        loss = F.l1_loss(network(batch.source), batch.target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return float(loss)

    return step


def dynunet(case: Case) -> nn.Module:
    """MONAI's own relative of nnU-Net, strided down to four pixels as ``resenc-unet`` is."""
    halvings = (case.size // 4).bit_length() - 1
    return DynUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        kernel_size=[3] * (halvings + 1),
        strides=[1] + [2] * halvings,
        upsample_kernel_size=[2] * halvings,
        filters=[min(case.filters * 2**stage, 512) for stage in range(halvings + 1)],
        res_block=True,
    )


def compare(name: str, case: Case, rounds: int) -> None:
    """Time one case and print its ratios."""
    torch.manual_seed(0)
    spec = registry().model(case.model).spec
    recipe = Recipe(1, case.batch, 1e-3, filters=case.filters)
    image_map = IntensityMap("a.u.", 0.0, 1.0)
    task = TaskInfo("t", "A", "B", image_map, image_map, (case.size, case.size), 240)
    values = options.resolve(spec.name, spec.options)
    model = spec.load()(options.build(spec.options, values), ModelContext(task, recipe, 10**6, CPU, "small"))
    arrange(model.networks().values(), "fp32")
    variants = {"ours": make_stepper(model, CPU, "fp32").step}
    variants["bare"] = bare(copy.deepcopy(model.networks()["generator"].network))
    if case.model == "resenc-unet":
        variants["DynUNet"] = bare(dynunet(case))
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    for number in range(-2, rounds):
        images = torch.rand(2, case.batch, 1, case.size, case.size) * 2 - 1
        batch = Batch(images[0], images[1], torch.ones_like(images[0]))
        for variant in random.sample(list(variants), len(variants)):
            before = time.process_time()
            variants[variant](batch)
            if number >= 0:  # the first two rounds warm up
                seconds[variant].append(time.process_time() - before)
    print(f"{name}: batch {case.batch}, {case.filters} filters, {rounds} rounds; ours", end=" ")
    print(f"{1000 * statistics.median(seconds['ours']):.0f} ms CPU a step")
    for variant in variants.keys() - {"ours"}:
        ratios = sorted(a / b for a, b in zip(seconds["ours"], seconds[variant], strict=True))
        quarter = len(ratios) // 4
        spread = f"{ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f}"
        print(f"  ours over {variant}: {statistics.median(ratios):.2f} (quartiles {spread})")


def main() -> None:
    """Compare the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="repeatable; default: all")
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    for name in arguments.case or CASES:
        compare(name, CASES[name], arguments.rounds)


if __name__ == "__main__":
    main()
