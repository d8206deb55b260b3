"""What commands cost on a run of many cells: CPU seconds and peak memory of each process, as a Markdown table.

    python tests/performance/large_runs.py [--verify] [CELLS ...]

One cell is run for real, by a model that copies its input; the others are it again under their own names, with hard
links to its files. The first ``status`` reads every record and writes the index that the others use; ``--verify``
scores all of them again, which takes minutes. ``git stash`` or another checkout gives the column before a change.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

GRID = {"grid": "toy", "preset": "smoke", "models": ["toy-copy"], "name": "many"}
TYPED = ("--grid", "toy", "--preset", "smoke", "--models", "toy-copy", "--name", "many")
RUN = Path("results/many")


def make(cells: int) -> None:
    """In the toy's own environment and folder: a finished run of so many cells."""
    import benchmark
    from benchmark.plan.claim import CellSpec
    from benchmark.store.folder import CellFolder, RunFolder
    from benchmark.store.seal import sealed

    benchmark.run(**GRID, seeds=1)  # type: ignore[arg-type]
    planned = benchmark.plan_run(**GRID, seeds=cells)  # type: ignore[arg-type]
    first: CellSpec = planned.cells[0].spec
    source = CellFolder(RUN / "cells" / first.id)
    record = source.record()
    for cell in planned.cells[1:]:
        folder = CellFolder(RUN / "cells" / cell.spec.id)
        folder.path.mkdir(parents=True)
        for name in record.files:
            os.link(source.file(name), folder.file(name))
        # not atomically: 10,000 flushes take minutes
        folder.file("record.json").write_bytes(sealed(replace(record, spec=cell.spec).to_json()))
    RunFolder(RUN).create(planned.plan, planned.registry.plugins, planned.choices.said())


def measure(command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """CPU seconds and peak MB of a process."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{command} exited with {os.waitstatus_to_exitcode(status)}"
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(sizes: Sequence[int]) -> None:
    """Print the table."""
    from command_line import CommandLine

    print("| cells | command | CPU s | peak MB | wall s |\n|---|---|---|---|---|")
    for cells in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            toy = CommandLine.make(Path(temporary))
            here = [sys.executable, __file__, "--make", str(cells)]
            subprocess.run(here, cwd=toy.folder, env=toy.environment, check=True, stdout=subprocess.DEVNULL)
            size = (toy.folder / RUN / "run.json").stat().st_size / 1e6
            first = json.loads(next((toy.folder / RUN / "cells").glob("*/record.json")).read_text())
            verify = {"verify": ("verify", str(RUN))} if "--verify" in sys.argv else {}
            for title, arguments in {
                "status, the first": ("status", str(RUN)),
                "status": ("status", str(RUN)),
                "explain, one cell": ("explain", f"{RUN}/{first['id']}"),
                "leaderboard": ("leaderboard", str(RUN)),
                "run, nothing to do": ("run", *TYPED, "--seeds", str(cells)),
                "report without cases": ("report", str(RUN), "--no-cases", "--limit", "25", "--to", "report.html"),
                **verify,
            }.items():
                began = time.monotonic()
                seconds, memory = measure(toy.command(*arguments), toy.folder, toy.environment)
                took = time.monotonic() - began
                print(f"| {cells:,} | {title} | {seconds:.2f} | {memory:.0f} | {took:.1f} |", flush=True)
            page = (toy.folder / "report.html").stat().st_size / 1e6
            print(f"| {cells:,} | run.json; report | | {size:.1f}; {page:.1f} on disk | |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(int(sys.argv[2]))
    else:
        main([int(size) for size in sys.argv[1:] if size != "--verify"] or [1000])
