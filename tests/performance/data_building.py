"""CPU seconds of building each embedded data set on one core.

    OMP_NUM_THREADS=1 python tests/performance/data_building.py [--preset medium] [--tasks pet-ct,ldct] [--patients 6]

With --patients only so many are built and the time of the whole set is reckoned from them; what is made once a set
(projection matrices) is taken from the difference of two such builds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmark_medical import benchmark_tasks

from benchmark.contracts.presets import DataSize, preset
from benchmark.contracts.protocols import BuildRequest
from benchmark.contracts.specs import TaskSpec


def built(spec: TaskSpec, size: DataSize, folder: Path) -> tuple[float, int]:
    """CPU seconds and bytes."""
    path = folder / "data.h5"
    options = spec.options() if spec.options else None
    start = time.process_time()
    spec.load()(BuildRequest(spec.name, path, size, 0, options, lambda _: None))
    seconds = time.process_time() - start
    written = path.stat().st_size
    path.unlink()
    return seconds, written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--tasks", default="", help="separated by commas; default: all")
    parser.add_argument("--patients", type=int, default=0, help="at least 4; 0: all of them")
    arguments = parser.parse_args()
    size = preset(arguments.preset).data
    everyone = size.train + size.validation + size.test
    wanted = set(filter(None, arguments.tasks.split(",")))
    total = 0.0
    print(f"{'task':14} {'CPU s':>8} {'MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for spec in benchmark_tasks():
            if wanted and spec.name not in wanted:
                continue
            if arguments.patients:
                some = replace(size, train=arguments.patients - 2, validation=1, test=1)
                first, _ = built(spec, some, Path(folder))
                again, written = built(spec, some, Path(folder))
                share = everyone / arguments.patients
                seconds, written = max(first - again, 0) + again * share, int(written * share)
            else:
                seconds, written = built(spec, size, Path(folder))
            total += seconds
            print(f"{spec.name:14} {seconds:8.1f} {written / 1e6:8.1f}", flush=True)
    print(f"{'all':14} {total:8.1f}")


if __name__ == "__main__":
    main()
