"""Twenty toy cells on workers of Dask, two of them killed with -9 while they work; what came of it.

    python tests/performance/dask_trial.py [--cells 20] [--kills 2] [--workers 2] [--pack 5]

Is every cell done, was none that was done touched again, are weights and scores those of ``local``?
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from cluster_runs import dask_workers, logged, numbers, started, wait_for, with_executors  # noqa: E402
from command_line import CommandLine  # noqa: E402

GRID = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-slow", "-p", "toy-slow.seconds=0.2")


def main() -> int:
    """Run the trial; 0 if everything came out as it has to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("cells", 20), ("kills", 2), ("workers", 2), ("pack", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dask-trial-") as folder:
        return _trial(with_executors(Path(folder)), asked)


def _trial(toy: CommandLine, asked: argparse.Namespace) -> int:
    cells = (*GRID, "--steps", "20", "--seeds", str(asked.cells))
    how = ("--executor", "dask", "--jobs", str(asked.workers), "-p", f"dask.pack={asked.pack}")
    run, began = toy.folder / "results/x", time.monotonic()
    with started(toy, *cells, "--name", "x", *how) as process:
        for kill in range(asked.kills):
            wait_for(lambda least=kill + 1: len(_done(run)) >= least and _training(run))
            before = _done(run)
            victim = dask_workers(process.pid)[0]
            os.kill(victim, signal.SIGKILL)
            print(
                f"{time.monotonic() - began:.0f} s: killed worker {victim}, {len(before)} of {asked.cells} cells done"
            )
        printed, _ = process.communicate(timeout=1200)
    took = time.monotonic() - began
    after = _done(run)
    kept = sum(after.get(cell) == record for cell, record in before.items())
    subprocess.run(toy.command(*cells, "--name", "local"), cwd=toy.folder, env=toy.environment, check=True, stdout=-3)
    ours, theirs = numbers(toy, "results/x"), numbers(toy, "results/local")
    same = sum(ours.get(cell) == theirs[cell] for cell in theirs)
    claims = sum(len(list(path.parent.glob("claim.*"))) for path in run.glob("jobs/*/*/bundle.json"))
    print(f"{len(after)} of {asked.cells} done after {took:.0f} s, exit {process.returncode}; jobs begun: {claims}")
    print(f"done before the last kill and as they were: {kept} of {len(before)}; as local's: {same} of {len(theirs)}")
    good = process.returncode == 0 and kept == len(before) and same == len(theirs) == asked.cells
    if not good:
        print(printed)
    return 0 if good else 1


def _done(run: Path) -> dict[str, bytes]:
    """Records of the cells that are done."""
    records = {path.parent.name: path.read_bytes() for path in run.glob("cells/*/record.json")}
    return {cell: record for cell, record in records.items() if b'"state": "done"' in record}


def _training(run: Path) -> bool:
    """Whether a cell that is not done has begun to train."""
    return bool({cell for cell, lines in logged(run).items() if lines} - set(_done(run)))


if __name__ == "__main__":
    sys.exit(main())
