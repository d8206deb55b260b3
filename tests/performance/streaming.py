"""Training slices from a slice cache, from the data file itself and from memory: memory, images a second, making it.

    python tests/performance/streaming.py FOLDER [--slices 40000] [--size 256] [--in-memory 2000]

Procedural slices are written into FOLDER (4 GB for 40,000 slices of 256x256, and the cache, 23.6 GB) and removed
afterwards. Each figure comes from a process of its own; steps from memory, from the cache and from the data file take
turns in one, one by one in shuffled order, so that other work on the machine meets all of them. The model is pix2pix
with few filters, whose step is short: the worst case for reading.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
IN_A_STUDY = 100
BATCH = 4


def draw(path: Path, slices: int, size: int) -> None:
    """Studies of a body with noise of a few bits, in whole HU and counts; a tenth of the patients are for testing."""
    import numpy as np

    from benchmark.contracts.intensity import Window
    from benchmark.data.format.schema import Side
    from benchmark.data.format.writer import DatasetWriter

    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    body = rows**2 + columns**2 < 0.2
    noise = rng.integers(0, 16, (8, IN_A_STUDY, size, size), np.int16)
    patients = -(-slices // IN_A_STUDY)
    sides = Side("MR T1", "a.u.", Window(0, 1000)), Side("CT", "HU", Window(-1024, 1000))
    with DatasetWriter(path, task="mr-ct", name="drawn", source=sides[0], target=sides[1], simulated=True) as writer:
        for number in range(patients + 1):
            grain = noise[number % len(noise)]
            source, target = 500 + number % 200 + grain, np.where(body, 30 + number % 100 + 2 * grain, -1000 + grain)
            writer.add_case(
                f"p{number:05d}", "s", source=source.astype(np.int16), target=target.astype(np.int16),
                mask=np.broadcast_to(body, noise.shape[1:]), spacing=(3.0, 1.0, 1.0),
            )  # fmt: skip
        names = [f"p{number:05d}" for number in range(patients + 1)]
        writer.set_splits({"train": names[:-1], "test": names[-1:]})


def build(path: Path) -> dict[str, float]:
    """Make the cache."""
    from benchmark.data.format.reader import Dataset
    from benchmark.data.streaming.build import cached
    from benchmark.data.streaming.cache import beside

    began = time.perf_counter(), time.process_time()
    with Dataset(path) as dataset:
        cached(dataset).close()
    size = beside(path).stat().st_size / 1e6
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    return {"GB": size / 1e3, "MB/s": size / wall, "MB per CPU s": size / cpu, **memory()}


def memory() -> dict[str, float]:
    """What this process holds now, without the pages of files; and the most it ever held, with them."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return {name: int(said[field].split()[0]) / 1e3 for name, field in (("RSS MB", "VmRSS"), ("peak RSS MB", "VmHWM"))}


def model(path: Path, slices: int) -> Any:
    """A small pix2pix, as a cell builds it."""
    import torch

    torch.set_num_threads(1)
    from benchmark.cell.build import build_model, model_context
    from benchmark.data.format.facts import DataFacts
    from benchmark.data.format.reader import Dataset
    from benchmark.registry.plugins import registry
    from benchmark.testing import tiny

    spec = registry().model("pix2pix").spec
    cell = tiny.cell(spec, path, steps=1000, options={})
    with Dataset(path) as dataset:
        facts = replace(DataFacts.of(dataset), training_slices=slices)
    return build_model(spec, cell, model_context(facts, cell, torch.device("cpu")))


def cold(path: Path) -> None:
    """Let the kernel forget a file."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def trained(path: Path, steps: int) -> dict[str, float]:
    """Steps on slices from the cache: the first epoch from a cold file, the same steps again, and the memory."""
    import torch

    from benchmark.cell.batches import Batches
    from benchmark.cell.streamed import StreamedSlices
    from benchmark.data.format.reader import Dataset
    from benchmark.data.streaming.cache import beside

    with Dataset(path) as dataset, StreamedSlices(dataset) as slices:
        pix2pix = model(path, len(slices))
        rates = {}
        for name in ("warming up", "cold", "warm"):
            if name == "cold":
                cold(beside(path))
            with Batches(slices, BATCH, name != "warming up", unpaired=False, device=torch.device("cpu")) as batches:
                began = time.perf_counter()
                for step in range(steps):
                    pix2pix.training_step(batches[step])
                rates[f"{name} images/s"] = BATCH * steps / (time.perf_counter() - began)
        return {**rates, "cold over warm": rates["cold images/s"] / rates["warm images/s"], **memory()}


def beside_memory(path: Path, rounds: int) -> dict[str, float]:
    """Steps from memory, from the cache and from the data file, turn and turn about; medians of ratios to memory."""
    import torch

    from benchmark.cell.batches import Batches, ImagesByNumber, Slices
    from benchmark.cell.streamed import StreamedSlices, _FileReader
    from benchmark.data.format.reader import Dataset

    with Dataset(path) as dataset, StreamedSlices(dataset) as cache, StreamedSlices(dataset) as file:
        file._reader = _FileReader(dataset)
        ways: dict[str, ImagesByNumber] = {"memory": Slices(dataset, "train"), "cache": cache, "file": file}
        pix2pix = model(path, len(cache))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        drawn = {name: Batches(ways[name], BATCH, 0, unpaired=False, device=torch.device("cpu")) for name in ways}
        with drawn["cache"], drawn["file"]:
            for step in range(-2, rounds):
                for name in random.sample(list(ways), len(ways)):
                    began = time.perf_counter(), time.process_time()
                    pix2pix.training_step(drawn[name][step + 2])
                    taken = time.perf_counter() - began[0], time.process_time() - began[1]
                    if step >= 0:  # the first are for warming up
                        times[name].append(taken)
        found = {"ms a step from memory": 1000 * statistics.median(wall for wall, _ in times["memory"])}
        for name in ("cache", "file"):
            for kind, clock in enumerate(("wall", "CPU")):
                ratios = [a[kind] / b[kind] for a, b in zip(times["memory"], times[name], strict=True)]
                found[f"{name} over memory, {clock}"] = statistics.median(ratios)
        return found


def alone(work: Callable[..., Any], *given: Any) -> Any:
    """Do it in a process of its own, which nothing before has filled."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=40_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--in-memory", type=int, default=2_000, help="slices of the comparison with memory")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=60, help="steps from each of memory, cache and file")
    arguments = parser.parse_args()
    large, small = (arguments.folder / f"{name}.h5" for name in ("large", "small"))
    try:
        alone(draw, large, arguments.slices, arguments.size)
        show(f"cache of {arguments.slices} slices", alone(build, large))
        show("training on it", alone(trained, large, arguments.steps))
        alone(draw, small, arguments.in_memory, arguments.size)
        alone(build, small)
        show(f"{arguments.in_memory} slices", alone(beside_memory, small, arguments.rounds))
    finally:
        for path in arguments.folder.glob("*"):
            if path.name.lstrip(".").startswith(("large.", "small.")):
                path.unlink()


def show(what: str, figures: dict[str, float]) -> None:
    """One line a figure."""
    for name, value in figures.items():
        print(f"{what}: {name} {value:.3g}" if value < 100 else f"{what}: {name} {value:.0f}", flush=True)


if __name__ == "__main__":
    main()
