"""Import patients of 256x256x100, then train on them with two cells at once under a limit of the address space.

    python tests/performance/many_patients.py FOLDER [--patients 200] [--limit-gb 8] [--steps 50]

The limit holds for every process of the run. torch alone maps 4 to 5 GB, so that 8 leave room for some studies; the
training slices of 200 patients take 8 GB more for each cell that holds them in memory. Few patients are for testing,
under a profile of few metrics: scoring, one study at a time, would take most of an hour. FOLDER needs 11 GB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from import_memory import draw, imported, link


def main() -> None:
    """Print what importing and the run took, and where its training slices were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--shape", default="256x256x100", help="voxels of a scan, COLUMNSxROWSxSLICES")
    parser.add_argument("--limit-gb", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--split", default="0.65:0.33:0.02", help="shares for training, validation and testing")
    arguments = parser.parse_args()
    shape = tuple(map(int, arguments.shape.split("x")))
    folder = arguments.folder / "many-patients"
    try:
        drawing = multiprocessing.get_context("spawn").Process(target=draw, args=(folder / "drawn", shape, False))
        drawing.start()
        drawing.join()
        link(folder / "drawn", folder / "scans", arguments.patients)
        data = folder / "many.h5"
        seconds, peak = imported(folder / "scans", data, shape[0], "--split", arguments.split)
        print(f"import of {arguments.patients} patients: {seconds:.0f} s, peak RSS {peak:.0f} MB", flush=True)
        run(data, folder / "results", round(arguments.limit_gb * 1e9), arguments.steps)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(data: Path, results: Path, limit: int, steps: int) -> None:
    """Two models at once, none of whose processes may map more than ``limit`` bytes."""
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        "--data",
        str(data),
        "--models",
        "unet-l1,pix2pix",
        "--jobs",
        "2",
    ]
    command += ["--preset", "smoke", "--profile", "synthrad2023", "--steps", str(steps), "--results", str(results)]
    began = time.perf_counter()
    ended = subprocess.run(
        command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)), check=False
    )
    print(f"run under {limit / 1e9:g} GB: exit code {ended.returncode}, {time.perf_counter() - began:.0f} s")
    for path in sorted(results.glob("*/cells/*/record.json")):
        record = json.loads(path.read_text())
        training = record.get("training") or {}
        print(f"{path.parent.parent.name}: {record['state']} {record.get('reason') or ''}, {training.get('slices')},")
        print(f"  {training.get('images_per_s')} images/s, peak RSS {record.get('peak_memory_mb')} MB")


if __name__ == "__main__":
    main()
