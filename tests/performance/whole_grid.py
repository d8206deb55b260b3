"""Wall time, CPU time and peak memory of a whole grid, from nothing (no data built) to the leaderboards."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", default="full")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--keep", type=Path, help="keep results and data here instead of in a temporary folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        command = [sys.executable, "-m", "benchmark", "run", "--grid", chosen.grid, "--preset", chosen.preset]
        command += ["--results", str(folder / "results"), "--datasets", str(folder / "datasets")]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        wall = time.perf_counter() - began
        records = [json.loads(path.read_text()) for path in folder.glob("results/*/cells/*/record.json")]
    done = [record for record in records if record["state"] == "done"]
    busy = sum(record["timings"]["cpu_s"] for record in done)
    print(f"\n{len(done)} of {len(records)} cells done; load average at the end {os.getloadavg()[0]:.1f}")
    print(f"wall {wall:.1f} s on {os.cpu_count()} cores; CPU of the cells {busy:.1f} s")
    print(
        f"{'model':<14} {'cells':>5} {'train s':>8} {'CPU s':>8} {'score s':>8} {'peak MB':>8}   (means; largest peak)"
    )
    for name in sorted({record["name"] for record in done}):
        cells = [record for record in done if record["name"] == name]
        mean = lambda key, cells=cells: sum(cell["timings"][key] for cell in cells) / len(cells)  # noqa: E731
        peak = max(cell["peak_memory_mb"] for cell in cells)
        print(
            f"{name:<14} {len(cells):>5} {mean('train_s'):8.1f} {mean('cpu_s'):8.1f} {mean('score_s'):8.2f} {peak:8.0f}"
        )


if __name__ == "__main__":
    main()
