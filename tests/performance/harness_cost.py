"""What the harness itself costs: CPU seconds to start a cell, and the loop's share beside bare training steps."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"


def cell_start() -> None:
    """Run a grid of cells that do next to nothing; the CPU time of each is the cost of starting and committing one."""
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "benchmark", "run", "--preset", "smoke", "--tasks", "mr-ct", "--seeds", "6"]
        command += ["--models", "copy-input,unet-l1", "--steps", "1", "--jobs", "1"]
        subprocess.run([*command, "--results", temporary, "--datasets", temporary], check=True, capture_output=True)
        records = [json.loads(path.read_text()) for path in Path(temporary).glob("*/cells/*/record.json")]
    for name in ("copy-input", "unet-l1"):
        found = sorted(
            r["timings"]["cpu_s"] - r["timings"]["score_s"] - r["timings"]["translate_s"]
            for r in records
            if r["name"] == name
        )
        text = ", ".join(f"{seconds:.2f}" for seconds in found)
        print(f"cell start of {name}, without translating and scoring: CPU s {text}")
        print(f"  median {statistics.median(found):.2f}")


def loop_share(rounds: int = 3, steps: int = 120) -> None:
    """The harness's loop and bare ``training_step`` calls on the same batches, turn and turn about."""
    import torch

    torch.set_num_threads(1)
    from benchmark.cell import checkpoints
    from benchmark.cell.batches import Batches, Slices
    from benchmark.cell.build import build_model, model_context
    from benchmark.cell.train import Loop, initial_seed
    from benchmark.data.format.facts import DataFacts
    from benchmark.data.format.reader import Dataset
    from benchmark.plan.expand import make_plan
    from benchmark.plan.grid import load_grid
    from benchmark.registry.plugins import registry
    from benchmark.runs.execute import build_data
    from benchmark.settings.statement import PlanChoices
    from benchmark.store.log import TrainingLog

    found = registry()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        choices = PlanChoices(tasks=("mr-ct",), models=("pix2pix",), datasets=folder, recipe={"steps": steps})
        plan = make_plan(found, load_grid(found, "full"), choices)
        build_data(list(plan.builds), found)
        spec, model_spec = plan.cells[0].spec, found.model("pix2pix").spec
        with Dataset(spec.dataset.path) as dataset:
            slices, validation = Slices(dataset, "train"), Slices(dataset, "val")
            facts = replace(DataFacts.of(dataset), training_slices=len(slices))
            context = model_context(facts, spec, torch.device("cpu"))

            def bare() -> None:
                checkpoints.seed_everything(initial_seed(0))
                model = build_model(model_spec, spec, context)
                batches = Batches(slices, 4, 0, unpaired=False, device=context.device)
                for step in range(steps):
                    model.training_step(batches[step])

            def looped() -> None:
                model = build_model(model_spec, spec, context)
                for name in ("checkpoint.pt", "log.jsonl"):
                    (folder / name).unlink(missing_ok=True)
                Loop(
                    model=model,
                    cell=spec.id,
                    steps=steps,
                    batch_size=4,
                    seed=0,
                    unpaired=False,
                    device=context.device,
                    precision="fp32",
                    checkpoint=folder / "checkpoint.pt",
                    log=TrainingLog(folder / "log.jsonl"),
                    report=lambda _: None,
                    should_stop=lambda: False,
                ).run(slices, validation)

            times: dict[str, list[float]] = {"bare": [], "looped": []}
            bare()
            for _ in range(rounds):
                times["bare"].append(cpu(bare))
                times["looped"].append(cpu(looped))
    bare_s, looped_s = statistics.median(times["bare"]), statistics.median(times["looped"])
    print(f"{steps} pix2pix steps: bare {bare_s:.2f} CPU s, in the loop {looped_s:.2f} (ratio {looped_s / bare_s:.3f},")
    print(f"  {looped_s - bare_s:.2f} s of log, validation and final checkpoint; all rounds: {times})")


def cpu(action: Callable[[], Any]) -> float:
    """CPU seconds that an action takes in this process."""
    before = time.process_time()
    action()
    return time.process_time() - before


def main() -> None:
    cell_start()
    loop_share()
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
