"""Training steps on a GPU: eager, bf16 and CUDA graphs, beside the reference's step; and two cells on one device.

    python tests/performance/gpu.py                              the tables for docs/performance.md
    python tests/performance/gpu.py --device cpu --size 64 --filters 4 --rounds 2 --seconds 2      whether it works

pix2pix and CycleGAN have their authors' networks and stand beside the plain statement of the public reference's step in
``reference_models.py``; MedGAN has none to stand beside. All variants of a model take turns in shuffled order, a block
of steps at a time, waiting for the device before and after it. fp32 is fp32 (no TF32), for the reference too; our steps
read their losses back at each step, as a cell does, the reference's never. Two cells sharing a device are two processes
that begin together; each has the device to itself before.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from reference_models import ReferenceCycleGan, ReferencePix2pix

from benchmark.cell.device import arrange, set_up
from benchmark.cell.step import make_stepper
from benchmark.contracts import options
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import Recipe
from benchmark.contracts.protocols import Batch, ModelContext, TaskInfo
from benchmark.errors import BenchmarkError
from benchmark.registry.plugins import registry

CHOSEN: Mapping[str, Mapping[str, object]] = {
    "pix2pix": {"architecture": "authors"},
    "cyclegan": {"architecture": "authors", "identity": 0.5},
    "medgan": {"features": "embedded"},
}
"""Options with which our step computes what the reference's does; MedGAN's features are those that need no download."""
MODELS = ("pix2pix", "cyclegan", "medgan")
HOWS = {
    "eager fp32": ("fp32", False),
    "eager bf16": ("bf16", False),
    "CUDA graph fp32": ("fp32", True),
    "CUDA graph bf16": ("bf16", True),
}
Step = Callable[[Batch], object]


@dataclass(frozen=True)
class Setting:
    """What all variants share: batch 1, one channel, so many filters, images of ``size`` by ``size``."""

    device: torch.device
    size: int
    filters: int

    def batch(self) -> Batch:
        """Random images on the device."""
        images = torch.rand(2, 1, 1, self.size, self.size, device=self.device) * 2 - 1
        return Batch(images[0], images[1], torch.ones_like(images[0]))

    def ours(self, model: str, precision: str, graphs: bool) -> tuple[Step, str]:
        """Our model's step as a cell takes it, and how that says it is run."""
        spec = registry().model(model).spec
        values = options.resolve(spec.name, spec.options, CHOSEN.get(model, {}))
        recipe = Recipe(1, 1, 2e-4, filters=self.filters, discriminator_filters=self.filters)
        window = IntensityMap("a.u.", 0.0, 1.0)
        task = TaskInfo("t", "A", "B", window, window, (self.size, self.size), 1000)
        context = ModelContext(task, recipe, 10**6, self.device, "paper")
        built = spec.load()(options.build(spec.options, values), context)
        arrange(built.networks().values(), precision)
        stepper = make_stepper(built, self.device, precision, graphs=graphs)
        return stepper.step, stepper.how

    def reference(self, model: str) -> Step | None:
        """The public reference's step; ``None`` where there is none."""
        with torch.device(self.device):
            if model == "pix2pix":
                return ReferencePix2pix(self.size, self.filters).step
            if model == "cyclegan":
                return ReferenceCycleGan(9 if self.size > 128 else 6, self.filters).step
        return None

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @contextlib.contextmanager
    def peak(self, peaks: list[float]) -> Iterator[None]:
        """Note the most memory in MB that torch held on the device in the block; nothing on a processor."""
        if self.device.type != "cuda":
            yield
            return
        torch.cuda.reset_peak_memory_stats(self.device)
        yield
        peaks.append(torch.cuda.max_memory_reserved(self.device) / 1024**2)


def steps_of(setting: Setting, model: str) -> dict[str, Step]:
    """Every variant of a model's step that there is here; why there is none is said."""
    variants: dict[str, Step] = {}
    if (reference := setting.reference(model)) is not None:
        variants["reference fp32"] = reference
    for how, (precision, graphs) in HOWS.items():
        try:
            step, said = setting.ours(model, precision, graphs)
        except BenchmarkError as error:
            print(f"{model}, {how}: {error}", file=sys.stderr)
            continue
        if graphs and said.startswith("eager"):
            print(f"{model}, {how}: {said}", file=sys.stderr)
            continue
        variants[how] = step
    return variants


def compare(setting: Setting, model: str, rounds: int, block: int) -> None:
    """A row for each variant: milliseconds a step, images a second, and how many times the reference that is."""
    torch.manual_seed(0)
    variants = steps_of(setting, model)
    took: dict[str, list[float]] = {how: [] for how in variants}
    for number in range(-1, rounds):
        for how in random.sample(list(variants), len(variants)):
            batches = [setting.batch() for _ in range(block)]
            setting.wait()
            began = time.perf_counter()
            for batch in batches:
                variants[how](batch)
            setting.wait()
            if number >= 0:  # the first round warms up and captures
                took[how].append((time.perf_counter() - began) / block)
    for how, seconds in took.items():
        median = statistics.median(seconds)
        beside = ""
        if "reference fp32" in took and how != "reference fp32":
            ratios = sorted(a / b for a, b in zip(took["reference fp32"], seconds, strict=True))
            low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
            beside = f"{statistics.median(ratios):.2f} ({low:.2f}-{high:.2f})"
        print(f"| {model} | {how} | {1000 * median:.2f} | {1 / median:.1f} | {beside} |", flush=True)


def work(setting: Setting, model: str, how: str, seconds: float) -> None:
    """One process's part of :func:`share`: warm up, wait for a line, train for so long, say how much."""
    step, _ = setting.ours(model, *HOWS[how])
    batches, peaks = [setting.batch() for _ in range(8)], list[float]()
    for number in range(5):
        step(batches[number])
    setting.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    with setting.peak(peaks):
        began, done = time.perf_counter(), 0
        while (now := time.perf_counter()) - began < seconds:
            step(batches[done % len(batches)])
            done += 1
        setting.wait()
    print(f"{done / (now - began)} {max(peaks, default=0.0)}", flush=True)


def share(arguments: argparse.Namespace, model: str, how: str) -> None:
    """A row: images a second of one process alone, and of two that train at once on the same device."""
    try:
        alone, peak = together(arguments, model, how, 1)
        both, _ = together(arguments, model, how, 2)
    except BenchmarkError as error:
        print(f"{model}, {how}: {error}", file=sys.stderr)
        return
    print(f"| {model} | {how} | {alone:.1f} | {both:.1f} | {both / alone:.2f} | {peak:.0f} |", flush=True)


def together(arguments: argparse.Namespace, model: str, how: str, number: int) -> tuple[float, float]:
    """Images a second of so many processes in all, and the most memory of one in MB."""
    command = [sys.executable, __file__, "--device", arguments.device, "--size", str(arguments.size)]
    command += ["--filters", str(arguments.filters), "--seconds", str(arguments.seconds), "--worker", model, how]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(number)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise BenchmarkError("its process did not begin, for the reason above")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate()[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    rates = [tuple(map(float, line.split())) for line in said]
    return sum(rate for rate, _ in rates), max(peak for _, peak in rates)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--block", type=int, default=10, help="steps between two waits for the device")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long cells that share a device train")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device here; --device cpu shows at a small size whether the script works")
    torch.set_num_threads(1)
    setting = Setting(torch.device(arguments.device), arguments.size, arguments.filters)
    set_up(setting.device)
    if arguments.worker:
        work(setting, *arguments.worker, arguments.seconds)
        return
    name = torch.cuda.get_device_name(setting.device) if setting.device.type == "cuda" else "the processor"
    print(f"{name}, torch {torch.__version__}: {setting.size}x{setting.size}, batch 1, {setting.filters} filters\n")
    print("| model | step | ms | images/s | times the reference |\n|---|---|---|---|---|")
    for model in arguments.models:
        compare(setting, model, arguments.rounds, arguments.block)
    print("\n| model | step | one cell, images/s | two cells at once | gain | MB a cell |\n|---|---|---|---|---|---|")
    for model in arguments.models:
        share(arguments, model, "eager fp32")


if __name__ == "__main__":
    main()
