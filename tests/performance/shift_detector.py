"""Precision and recall of the shift detector of `benchmark data check`, on real scans.

    python tests/performance/shift_detector.py FOLDER [--shifts 200] [--patients 18] [--seed 0]

FOLDER holds a folder for each patient with CT_image.nii.gz, MR_T1_image.nii.gz and PET_image.nii.gz. Every pair is made
of one scan, so that it is aligned by construction: the scan itself, and the scan with other grey values, blurred,
noisy, of a lower dose, with fewer counts, or after motion. As many pairs are shifted as are left alone; half of the
shifts are of whole pixels and slices, half are not. Printed are precision and recall at the limits that the check
states (0.9 pixels, one slice), the axes that are named wrongly, the error in mm, and each kind of pair on its own.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from benchmark_medical.degrading import LowCounts, LowDose, Motion
from benchmark_medical.options import LowCountOptions, LowDoseOptions, MotionOptions
from numpy.typing import NDArray
from scipy import ndimage

from benchmark.contracts.protocols import CleanStudy
from benchmark.data.checks.alignment import Alignment, alignment

Volume = NDArray[np.float32]
Spacing = tuple[float, float, float]
PIXELS = 96
SLICES = 24
AXES = ("slices", "rows", "columns")


@dataclass(frozen=True)
class Scan:
    """Slices ``(Z, H, W)`` in physical units, the body in them, and mm along each axis."""

    name: str
    image: Volume
    body: NDArray[np.bool_]
    spacing: Spacing


def load(path: Path) -> Scan:
    """The middle of a scan, at no more than 96 pixels a side."""
    file = nib.load(path)
    image = np.asarray(file.dataobj, np.float32).T
    spacing = [float(size) for size in file.header.get_zooms()[::-1]]
    middle = len(image) // 2
    image = image[max(0, middle - SLICES // 2) : middle + SLICES // 2]
    step = -(-max(image.shape[1:]) // PIXELS)
    height, width = (size // step * step for size in image.shape[1:])
    image = image[:, :height, :width].reshape(len(image), height // step, step, width // step, step).mean((2, 4))
    low, high = np.percentile(image, [1, 99])
    body = ndimage.binary_fill_holes(ndimage.binary_opening(image > low + 0.1 * (high - low), iterations=1))
    return Scan(path.parent.name, image, body, (spacing[0], spacing[1] * step, spacing[2] * step))


def other_grey_values(scan: Scan, rng: np.random.Generator) -> Volume:
    """Values that go neither up nor down with the scan's, as another modality's."""
    low, high = np.percentile(scan.image, [1, 99])
    share = np.clip((scan.image - low) / max(float(high - low), 1e-6), 0, 1)
    return np.float32(300 * np.sin(2.5 * np.pi * share) * (1 - 0.4 * share)) + rng.normal(0, 12, share.shape).astype(
        np.float32
    )


def pairs(scan: Scan, modality: str, rng: np.random.Generator) -> Iterator[tuple[str, Volume]]:
    """Sources that lie on the scan, and what was done to it."""
    span = float(np.subtract(*np.percentile(scan.image, [99, 1])))
    yield "other grey values", other_grey_values(scan, rng)
    yield "blur of 1.5 pixels", ndimage.gaussian_filter(scan.image, (0, 1.5, 1.5))
    yield "noise of 10 %", scan.image + rng.normal(0, 0.1 * span, scan.image.shape).astype(np.float32)
    degrader = {
        "CT": LowDose(LowDoseOptions(dose=0.1)),
        "PET": LowCounts(LowCountOptions(low_count_fraction=0.1)),
        "MR": Motion(MotionOptions()),
    }[modality]
    clean = CleanStudy(scan.image, None, "", scan.body, scan.spacing)
    words = {"CT": "a tenth of the dose", "PET": "a tenth of the counts", "MR": "motion"}[modality]
    yield words, np.asarray(degrader.degrade(clean, rng).source, np.float32)


def drawn(rng: np.random.Generator, number: int) -> tuple[float, float, float]:
    """Slices, rows and columns to be off by: at least a pixel or a slice, at most six and two."""
    while True:
        shift = np.array([rng.integers(-2, 3), *rng.uniform(-6, 6, 2)])
        shift[rng.permutation(3)[: rng.integers(0, 3)]] = 0  # often along one or two axes only
        shift = np.round(shift) if number % 2 else shift
        if max(abs(shift[1:])) >= 1 or shift[0]:
            return float(shift[0]), float(shift[1]), float(shift[2])


@dataclass
class Tally:
    """What was found of pairs of one kind."""

    shifted: int = 0
    seen: int = 0
    aligned: int = 0
    alarms: int = 0
    silent: int = 0
    named: int = 0
    wrong_axes: int = 0
    errors: tuple[float, ...] = ()

    def line(self, what: str) -> str:
        """One row of the table."""
        said = self.seen + self.alarms
        error = f"{np.median(self.errors):.2f}" if self.errors else ""
        return (
            f"{what:<24}{self.seen:>5}/{self.shifted:<5}{self.alarms:>5}/{self.aligned:<5}{self.silent:>7}"
            f"{self.seen / max(1, self.shifted):>9.3f}{self.seen / max(1, said):>11.3f}"
            f"{self.wrong_axes:>7}/{3 * self.named:<5}{error:>9}"
        )


def judge(tally: Tally, found: Alignment | None, shift: tuple[float, float, float], spacing: Spacing) -> None:
    """Take in one measurement of a pair whose source was moved by so many slices, rows and columns."""
    moved = any(shift)
    if found is None:
        tally.silent += 1
        tally.shifted += moved
        tally.aligned += not moved
        return
    said = found.apart or bool(found.flipped)
    tally.shifted, tally.aligned = tally.shifted + moved, tally.aligned + (not moved)
    tally.seen, tally.alarms = tally.seen + (moved and said), tally.alarms + (not moved and said)
    if moved and said:
        right = np.multiply(shift, spacing)
        tally.named += 1
        # an axis is right where it is within a pixel, or half a slice, of what was done
        tally.wrong_axes += int(np.sum(np.abs(found.shift - right) > np.array([0.5, 1.0, 1.0]) * spacing))
        tally.errors = (*tally.errors, float(np.linalg.norm(found.shift - right)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shifts", type=int, default=200)
    parser.add_argument("--patients", type=int, default=18)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    files = {"CT": "CT_image.nii.gz", "MR": "MR_T1_image.nii.gz", "PET": "PET_image.nii.gz"}
    patients = sorted(path for path in options.folder.iterdir() if path.is_dir())[: options.patients]
    scans = [(kind, load(patient / name)) for patient in patients for kind, name in files.items()]
    made = [(f"{kind}, {what}", scan, source) for kind, scan in scans for what, source in pairs(scan, kind, rng)]
    tallies: dict[str, Tally] = defaultdict(Tally)
    overall = Tally()
    order = rng.permutation(len(made))
    for number in range(options.shifts):
        what, scan, source = made[order[number % len(made)]]
        shift = drawn(rng, number)
        for moved in (shift, (0.0, 0.0, 0.0)):
            image = ndimage.shift(source, moved, order=1, mode="nearest") if any(moved) else source
            found = alignment(image, scan.image, scan.body, scan.spacing)
            for tally in (tallies[what], overall):
                judge(tally, found, moved, scan.spacing)
            if not any(moved) and found is not None and (found.apart or found.flipped):
                print(f"false alarm: {scan.name} {what}: {found}", flush=True)
    print(f"{'pairs':<24}{'found of':>11}{'alarms of':>11}{'silent':>7}{'recall':>9}{'precision':>11}", end="")
    print(f"{'wrong axes':>12}{'mm off':>9}")
    for what in sorted(tallies):
        print(tallies[what].line(what))
    print(overall.line("all"))


if __name__ == "__main__":
    main()
