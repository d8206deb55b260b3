"""What a cell costs of which the model does nothing: CPU seconds of the whole tree of processes, and where they go.

    python tests/performance/noop_cells.py [--cells 42] [--rounds 3]

``local`` runs so many cells of the toy that copies its input, and two of them: the difference, by cell, is what a cell
costs once everything has started. This process adopts what the run leaves behind, so that nothing goes uncounted. Then
the same cells are done one after the other in this process, under a profiler: what is missing from the first number is
starting, ending and watching a process.
"""

from __future__ import annotations

import argparse
import cProfile
import ctypes
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from command_line import CommandLine

GRID = {"grid": "toy", "preset": "smoke", "models": ["toy-copy"], "name": "x"}
ADOPT = 36  # PR_SET_CHILD_SUBREAPER


def tree_seconds(command: list[str], toy: CommandLine) -> float:
    """CPU seconds of a command and all its descendants, also of those that outlive it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=toy.folder, env=toy.environment, check=True, stdout=subprocess.DEVNULL)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def of_local(cells: int, rounds: int) -> None:
    """Print what a cell costs through ``local``."""
    if ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0):
        raise SystemExit("this machine cannot adopt processes (Linux can)")
    found = []
    for _ in range(rounds):
        seconds = {}
        for number in (2, cells):
            with tempfile.TemporaryDirectory() as folder:
                toy = CommandLine.make(Path(folder))
                grid = ("--grid", "toy", "--preset", "smoke", "--models", "toy-copy", "--seeds", str(number))
                seconds[number] = tree_seconds(toy.command("run", *grid, "--name", "x", "--jobs", "2"), toy)
        found.append((seconds[cells] - seconds[2]) / (cells - 2))
        print(f"2 cells {seconds[2]:.2f} CPU s, {cells} cells {seconds[cells]:.2f}: {found[-1]:.3f} a cell", flush=True)
    print(f"median {statistics.median(found):.3f} CPU s a cell through local")


def here(cells: int) -> None:
    """In the toy's own environment and folder: the same cells in this process; prints what they cost and where."""
    import benchmark
    from benchmark.cell.run import run_cell  # noqa: F401  what a worker finds loaded
    from benchmark.executors.worker import one_thread, run_job
    from benchmark.runs.sharing import job_of
    from benchmark.settings.statement import HowToRun
    from benchmark.store.folder import RunFolder

    benchmark.run(**GRID, seeds=1)  # type: ignore[arg-type]
    planned = benchmark.plan_run(**GRID, seeds=cells + 3)  # type: ignore[arg-type]
    folder = RunFolder(planned.path)
    one_thread()
    jobs = [job_of(cell, folder, HowToRun(device="cpu")) for cell in planned.cells[1:]]
    for job in jobs[:2]:  # imports
        run_job(job, lambda _: None, lambda: None)
    before = time.process_time()
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    if profile:
        profile.enable()
    for job in jobs[2:]:
        ended = run_job(job, lambda _: None, lambda: None)
        assert ended.kind == "done", ended
    if profile:
        profile.disable()
    print(f"in one process: {(time.process_time() - before) / cells:.3f} CPU s a cell, profiled: {bool(profile)}")
    if profile:
        stats = pstats.Stats(profile)
        stats.sort_stats("cumulative").print_stats("benchmark/|fsync|_save|torch/serial|pyarrow|h5py", 45)


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=42)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    of_local(asked.cells, asked.rounds)
    for more in ((), ("--profile",)):
        with tempfile.TemporaryDirectory() as folder:
            toy = CommandLine.make(Path(folder))
            command = [sys.executable, __file__, "--here", str(asked.cells), *more]
            subprocess.run(command, cwd=toy.folder, env=toy.environment, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        here(int(sys.argv[2]))
    else:
        main()
