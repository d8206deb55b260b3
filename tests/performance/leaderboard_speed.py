"""CPU seconds and memory of the statistics and of a leaderboard from many cells.

python tests/performance/leaderboard_speed.py [--cells 10000]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.plan.claim import CellSpec
from benchmark.plan.expand import PlannedCell
from benchmark.statistics.bootstrap import Resamples
from benchmark.statistics.ranks import rank_intervals
from benchmark.store.folder import RUN_SCHEMA
from benchmark.store.plan_table import cells_to_json
from benchmark.store.record import RECORD_SCHEMA
from benchmark.store.seal import sealed

METRICS = ("psnr", "mae", "ssim", "rmse", "mse", "nmse", "bias", "uqi", "vif-p", "pcc", "nmi", "edge-sharpness")
CHILD = """
import resource, sys, time
from pathlib import Path
from benchmark import leaderboard
from benchmark.registry.plugins import registry
from benchmark.store.folder import RunFolder
import numpy, scipy.special
specs = {kind: {n: o.spec for n, o in registry().all(kind).items()} for kind in ("metric", "task")}
before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
folder = RunFolder(Path(sys.argv[1]))
records = folder.stream()
if sys.argv[2] == "read":
    cells = sum(1 for _ in records)
else:
    board = leaderboard.build(records, specs["metric"], specs["task"], unreadable=folder.unreadable())
    if sys.argv[2] == "all":
        texts = [leaderboard.to_text(board), leaderboard.to_markdown(board), leaderboard.to_csv(board),
                 leaderboard.to_json(board), leaderboard.to_latex(board)]
print(time.process_time() - before, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024)
"""


def bootstrap(rounds: int = 5) -> None:
    """The shared bootstrap of 1,000 patients x 20 models, beside the bare draws and scipy's bootstrap of one model."""
    from scipy.stats import bootstrap as scipys

    values = np.random.default_rng(0).normal(0.0, 1.0, (1_000, 20))

    def ours() -> None:
        resamples = Resamples(1_000, "speed")
        rank_intervals(
            -np.concatenate([resamples.two_level_means(column[None, None], "m") for column in values.T], axis=1)
        )

    def draws() -> None:
        np.random.default_rng(0).integers(0, 1_000, 10_000 * 1_000, np.int32)

    def theirs() -> None:
        scipys((values[:, 0],), np.mean, n_resamples=10_000, method="percentile", batch=1_000, vectorized=True)

    times = interleaved({"ours": ours, "draws": draws, "scipy, one model": theirs}, rounds)
    print(f"10,000 resamples, 1,000 patients x 20 models, means and rank intervals: {times['ours']:.2f} CPU s")
    for name in ("draws", "scipy, one model"):
        print(f"  {name}: {times[name]:.2f} CPU s, ours / that {times['ours'] / times[name]:.2f}")


def boards(cells: int) -> None:
    """A leaderboard from records on disk, in runs of several shapes."""
    shapes = {"10 tasks, 20 models": (10, 20), "4 tasks, 10 models": (4, 10), "100 tasks, 20 models": (100, 20)}
    for title, (tasks, models) in shapes.items():
        seeds = max(1, cells // (tasks * models))
        with tempfile.TemporaryDirectory() as temporary:
            write_run(Path(temporary), tasks, models, seeds, patients=12)
            found = {part: child(Path(temporary), part) for part in ("read", "build", "all")}
        total = tasks * models * seeds
        (read_s, read_mb), (build_s, build_mb), (all_s, _) = (found[part] for part in ("read", "build", "all"))
        print(f"{total} cells ({title}, {seeds} seeds, 12 patients, {len(METRICS)} metrics):")
        print(f"  read {read_s:.2f} CPU s, {read_mb:.0f} MB; read and build {build_s:.2f} CPU s, {build_mb:.0f} MB;")
        print(f"  with all five forms {all_s:.2f} CPU s")


def write_run(folder: Path, tasks: int, models: int, seeds: int, patients: int) -> None:
    """A run folder of finished cells, records only."""
    planned = []
    for cell, record in _records(tasks, models, seeds, patients):
        place = folder / "cells" / cell.spec.id
        place.mkdir(parents=True)
        (place / "record.json").write_bytes(sealed(record))  # not atomically: 10,000 fsyncs take minutes
        planned.append(cell)
    about = {
        "schema": RUN_SCHEMA, "grid": "speed", "preset": "small", "seeds": list(range(seeds)), "options": {},
        "plugins": [], "environment": {}, "published": [], **cells_to_json(planned),
    }  # fmt: skip
    (folder / "run.json").write_bytes(sealed(about))


DATASET = {
    "name": "data", "simulated": True, "image_size": [64, 64], "view": "LPS", "spacing_mm": [3.0, 2.0, 2.0],
    "pixels_mm": [2.0, 2.0],
    "source": {"modality": "PET", "unit": "SUV", "window": [0.0, 10.0]}, "training_slices": 100,
    "target": {"modality": "CT", "unit": "HU", "window": [-1000.0, 1000.0]},
}  # fmt: skip


def _records(tasks: int, models: int, seeds: int, patients: int) -> Iterator[tuple[PlannedCell, dict[str, Any]]]:
    rng = np.random.default_rng(0)
    uses = [{"metric": name, "clip": True, "outside": "keep", "scale": "unit", "options": {}} for name in METRICS]
    definition = {
        "metrics": uses,
        "primary": "psnr",
        "ranked_by": ["psnr", "mae", "ssim"],
        "unit": "HU",
        "id": "default/1",
    }
    for task in range(tasks):
        level = rng.normal(20.0, 2.0, patients)
        for model in range(models):
            for seed in range(seeds):
                name = {"task": f"task{task}", "name": f"model{model:02}"}
                spec = {
                    "task": name["task"], "model": name["name"], "name": name["name"], "seed": seed, "preset": "small",
                    "precision": "fp32", "options": {f"option{i}": i for i in range(12)}, "profile": "default/1",
                    "recipe": {"steps": 1000, "batch_size": 4}, "sources": {"model": "0" * 64, "task": "0" * 64},
                    "dataset": {"kind": "file", "key": f"{task:064}", "path": "data.h5"},
                    "libraries": {"torch": "2", "numpy": "2"},
                }  # fmt: skip
                values = level + 0.1 * model + rng.normal(0.0, 0.5, (len(METRICS), patients))
                scores = {
                    metric: {
                        "state": "scored", "level": "slice", "mean": float(row.mean()), "unit": "",
                        "patients": {f"p{at:03}": float(value) for at, value in enumerate(row)},
                        "n_expected": patients, "n_scored": patients, "n_failed": 0, "slices_excluded": 0,
                    }
                    for metric, row in zip(METRICS, values, strict=True)
                }  # fmt: skip
                record = {
                    "schema": RECORD_SCHEMA, **name, "id": (cell := CellSpec.from_json(spec)).id, "kind": "trained",
                    "state": "done", "reason": "", "model": name["name"], "baseline": False,
                    "seed": seed, "preset": "small", "profile": "default/1", "spec": spec, "device": "cpu",
                    "precision": "fp32", "parameters": {"generator": 10_000, "discriminator": 9},
                    "dataset": {**DATASET, "content_sha256": f"{task:064}"}, "provenance": {}, "health": [],
                    "downstream_key": "", "downstream": {},
                    "timings": {"train_s": 81.2, "inference_ms_per_slice": 3.21}, "peak_memory_mb": 700.4,
                    "profile_definition": definition, "scores": scores, "score_key": "k", "files": {},
                }  # fmt: skip
                yield PlannedCell(cell, 1.0, False), record


def child(folder: Path, part: str) -> tuple[float, float]:
    """CPU seconds and megabytes beyond the imports, in a process of its own."""
    command = [sys.executable, "-c", CHILD, str(folder), part]
    seconds, megabytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(megabytes)


def interleaved(actions: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of actions that take turns."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            before = time.process_time()
            action()
            times[name].append(time.process_time() - before)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=10_000)
    cells = parser.parse_args().cells
    boards(cells)  # first: a child's peak memory starts from this process's
    bootstrap()
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
