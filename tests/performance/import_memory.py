"""Peak memory and time of importing a folder of NIfTI pairs, by patients and by size of a scan.

    python tests/performance/import_memory.py [--patients 10 50 200] [--shape 256x256x80 512x512x150]

Scans are procedural and few; the patients' files are links to them, which an import reads like any other files. Windows
are percentiles of the training patients, so that the second pass over the data is measured too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

DRAWN = 3


def draw(folder: Path, shape: tuple[int, ...], apart: bool) -> None:
    """A few patients with an MR, and a CT in whole HU on the same grid, or half a voxel ``apart``."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in shape), indexing="ij")
    body = x**2 / 0.6 + y**2 / 0.4 + z**2 / 4 < 1
    affine = np.diag([*(400.0 / n for n in shape[:2]), 3.0, 1.0])
    beside = affine.copy()
    beside[0, 3] = affine[0, 0] / 2 if apart else 0
    for number in range(DRAWN):
        rng = np.random.default_rng(number)
        noise = rng.standard_normal(shape, np.float32)
        place = folder / f"P{number}"
        place.mkdir(parents=True)
        for name, grid, image in (
            ("ct", affine, np.where(body, 40 + 12 * noise, -1000).astype(np.int16)),
            ("mr", beside, np.where(body, 500 + 60 * noise + 100 * x, 10).astype(np.int16)),
        ):
            nib.save(nib.Nifti1Image(image, grid), place / f"{name}.nii.gz")


def link(drawn: Path, folder: Path, patients: int) -> None:
    """A folder of as many patients, of links to the drawn ones."""
    for number in range(patients):
        place = folder / f"P{number:03d}"
        place.mkdir(parents=True)
        for name in ("ct.nii.gz", "mr.nii.gz"):
            os.link(drawn / f"P{number % DRAWN}" / name, place / name)


def imported(folder: Path, output: Path, size: int, *options: str) -> tuple[float, float]:
    """Seconds, and the peak resident memory in MB, of one import on the command line."""
    command = [sys.executable, "-m", "benchmark", "data", "import", "nifti-pairs", str(folder)]
    command += ["--source", "mr.nii.gz", "--target", "ct.nii.gz", "--target-unit", "HU", "--task", "mr-ct"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--size", str(size), "--out", str(output), *options], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the import failed with exit code {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Print one line a size and number of patients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", nargs="+", type=int, default=[10, 50, 200])
    parser.add_argument("--shape", nargs="+", default=["256x256x80"], help="voxels of a scan, COLUMNSxROWSxSLICES")
    parser.add_argument("--size", type=int, default=256, help="pixels per side of the stored slices")
    parser.add_argument("--apart", action="store_true", help="the MR's voxels are not the CT's: it is resampled")
    arguments = parser.parse_args()
    print(f"{'scan':>14} {'patients':>8} {'seconds':>8} {'s each':>7} {'peak MB':>8} {'bytes a voxel':>13}")
    for text in arguments.shape:
        shape = tuple(map(int, text.split("x")))
        with tempfile.TemporaryDirectory() as temporary:
            drawn = Path(temporary) / "drawn"
            # elsewhere, because a process is said to have had its parent's peak when it began
            drawing = multiprocessing.get_context("spawn").Process(target=draw, args=(drawn, shape, arguments.apart))
            drawing.start()
            drawing.join()
            for patients in arguments.patients:
                folder, output = Path(temporary) / f"in-{patients}", Path(temporary) / "out.h5"
                link(drawn, folder, patients)
                seconds, peak = imported(folder, output, arguments.size)
                each = peak * 2**20 / float(np.prod(shape))
                print(f"{text:>14} {patients:8d} {seconds:8.1f} {seconds / patients:7.2f} {peak:8.0f} {each:13.0f}")
                output.unlink()


if __name__ == "__main__":
    main()
