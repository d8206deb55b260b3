"""What a training step spends its CPU time on, model by model: convolutions, norms, optimisers, and what is left.

    python tests/performance/step_profile.py [--models pix2pix,medgan] [--preset small] [--steps 10]

One thread, models as a cell of MR to CT builds them, torch's profiler. It counts each operator's own time and takes
some microseconds for each, so that models of many small operators look worse than they are; ``ms`` is the CPU time of
a step without it. ``harness and Python`` is what passes between operators.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmark.cell.device import arrange
from benchmark.cell.step import make_stepper
from benchmark.contracts import options, presets
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.protocols import Batch, ModelContext, TaskInfo
from benchmark.registry.plugins import registry

CPU = torch.device("cpu")
STEP = "a step"
GROUPS = {
    "convolutions": ("convolution",),
    "products": ("::mm", "addmm", "bmm", "scaled_dot_product", "_flash_attention"),
    "norms": ("batch_norm", "instance_norm", "layer_norm", "group_norm"),
    "optimisers": ("adam", "Optimizer"),
    "activations": ("relu", "tanh", "sigmoid", "gelu", "dropout", "bernoulli"),
    "copies": ("copy_", "::cat", "clone", "contiguous", "fill_", "zero_", "zeros", "empty"),
    "harness and Python": (STEP,),
}
REST = "other operators"
"""What no group's words name."""


def shares(name: str, preset: presets.Preset, steps: int) -> dict[str, float]:
    """Milliseconds of a model's step, and the share of each group."""
    torch.manual_seed(0)
    spec = registry().model(name).spec
    recipe = preset.recipe.changed(spec.recipes.get(preset.name, {}))
    values = options.resolve(name, spec.options, spec.presets.get(preset.name, {}))
    size = preset.data.image_size
    maps = IntensityMap("a.u.", 0.0, 1.0), IntensityMap("HU", -1024.0, 2000.0)
    task = TaskInfo("mr-ct", "MR T1", "CT", *maps, (size, size), 240)
    model = spec.load()(options.build(spec.options, values), ModelContext(task, recipe, 10**6, CPU, preset.name))
    arrange(model.networks().values(), "fp32")
    stepper = make_stepper(model, CPU, "fp32")
    images = torch.rand(2, recipe.batch_size, 1, size, size) * 2 - 1
    batch = Batch(images[0], images[1], torch.ones_like(images[0]))
    taken = []
    for number in range(-3, steps):
        before = time.process_time()
        stepper.step(batch)
        if number >= 0:  # the first warm up
            taken.append(1000 * (time.process_time() - before))
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(steps):
            with record_function(STEP):
                stepper.step(batch)
    own = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    total = sum(own.values())
    parts = dict.fromkeys((*GROUPS, REST), 0.0)
    for operator, time_of_its_own in own.items():
        parts[next((group for group, words in GROUPS.items() if any(w in operator for w in words)), REST)] += (
            time_of_its_own / total
        )
    return {"ms": statistics.median(taken), **parts}


def main() -> None:
    """Print a Markdown table, a line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="", help="separated by commas; default: all that are trained")
    parser.add_argument("--preset", default="small", choices=presets.PRESETS)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trained = [name for name, offer in registry().all("model").items() if offer.spec.kind == "trained"]
    print(f"| model | ms | {' | '.join((*GROUPS, REST))} |")
    print(f"|---|{'---|' * (len(GROUPS) + 2)}")
    for name in arguments.models.split(",") if arguments.models else trained:
        found = shares(name, presets.preset(arguments.preset), arguments.steps)
        figures = " | ".join(f"{100 * found[group]:.0f}" for group in (*GROUPS, REST))
        print(f"| {name} | {found['ms']:.0f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
