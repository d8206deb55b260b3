"""Profiles of challenges and papers, each on a folder of its own layout, from the import to a leaderboard."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import in_process
import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.float32]
Write = Callable[[Path], None]
SHAPE = (40, 36, 12)
AFFINE = np.array([[-2.0, 0, 0, 40], [0, 2.0, 0, -30], [0, 0, 3, 100], [0, 0, 0, 1]])
PATIENTS = 4


def tissue(seed: int) -> NDArray[np.intp]:
    """0 outside a lopsided body, 1 to 3 inside, ``(x, y, z)``."""
    x, y, _ = np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij")
    inside = (x + 0.1) ** 2 / 0.6 + (y - 0.1) ** 2 / 0.55 < 1
    kind = np.random.default_rng(seed).integers(1, 4, tuple(-(-length // 6) for length in SHAPE))
    for axis in range(3):
        kind = kind.repeat(6, axis)
    return np.where(inside, kind[: SHAPE[0], : SHAPE[1], : SHAPE[2]], 0)


def image(seed: int, values: tuple[float, float, float, float], noise: float) -> Array:
    kind = tissue(seed)
    return np.asarray(values, np.float32)[kind] + np.float32(noise) * (kind > 0) * np.random.default_rng(seed).normal(
        size=SHAPE
    ).astype(np.float32)


def ct(seed: int) -> Array:
    return np.rint(image(seed, (-1000, -90, 45, 800), 12))


def mr(seed: int) -> Array:
    return np.rint(image(seed, (0, 900, 400, 120), 20)).clip(0)


def other_mr(seed: int) -> Array:
    return np.rint(image(seed, (0, 300, 1000, 500), 20)).clip(0)


def pet(seed: int) -> Array:
    return image(seed, (0, 0.6, 2.0, 5.0), 0.1).clip(0)


def nifti(path: Path, values: NDArray[np.generic]) -> None:
    nib = pytest.importorskip("nibabel")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, AFFINE), path)


def synthrad2023(folder: Path) -> None:
    for seed in range(PATIENTS):
        for name, values in (("mr", mr(seed)), ("ct", ct(seed)), ("mask", tissue(seed) > 0)):
            nifti(folder / f"Task1/brain/1BA{seed:03d}/{name}.nii.gz", values.astype(np.int16))


def synthrad2025(folder: Path) -> None:
    itk = pytest.importorskip("SimpleITK")
    for seed in range(PATIENTS):
        for name, values in (("cbct", mr(seed) - 500), ("ct", ct(seed)), ("mask", tissue(seed) > 0)):
            path = folder / f"Task2/HN/2HNA{seed:03d}/{name}.mha"
            path.parent.mkdir(parents=True, exist_ok=True)
            written = itk.GetImageFromArray(values.astype(np.int16).transpose(2, 1, 0))
            written.SetSpacing((2.0, 2.0, 3.0))
            itk.WriteImage(written, str(path), True)


def brats(folder: Path) -> None:
    for seed in range(PATIENTS):
        name = f"BraTS-GLI-{seed:05d}-000"
        for contrast, values in (("t1n", mr(seed)), ("t2w", other_mr(seed)), ("seg", tissue(seed) == 2)):
            nifti(folder / name / f"{name}-{contrast}.nii.gz", values.astype(np.int16))


def medgan(folder: Path) -> None:
    """PET and CT of one examination, resampled onto one grid, a folder for each patient."""
    for seed in range(PATIENTS):
        nifti(folder / f"P{seed}/PET.nii.gz", pet(seed))
        nifti(folder / f"P{seed}/CT.nii.gz", ct(seed).astype(np.int16))


@dataclass(frozen=True)
class Case:
    """A layout, how it is imported, and what the profile says of a small error against a large one."""

    write: Write
    arguments: tuple[str, ...]
    task: str
    target: Callable[[int], Array]
    patient: str
    spread: float
    ranked: tuple[str, ...]


CBCT = ("synthrad2025", "in/Task2", "--source", "cbct", "--source-window=-500:600")
CONTRASTS = ("--task", "t1-t2", "--source", "t1n", "--target", "t2w")
PET_CT = ("--task", "pet-ct", "--source", "PET.nii.gz", "--target", "CT.nii.gz", "--source-unit", "SUV")
CASES: Mapping[str, Case] = {
    "synthrad2023": Case(
        synthrad2023,
        ("synthrad2023", "in/Task1", "--source-window=0:1100"),
        "mr-ct",
        ct,
        "1BA{:03d}",
        30.0,
        ("mae", "psnr"),
    ),
    "synthrad2025-eval": Case(synthrad2025, CBCT, "cbct-ct", ct, "2HNA{:03d}", 30.0, ("mae", "psnr")),
    "synthrad2025-metrics": Case(synthrad2025, CBCT, "cbct-ct", ct, "2HNA{:03d}", 30.0, ("mae", "psnr")),
    "brats-inpainting": Case(
        brats,
        ("brats", "in", *CONTRASTS, "--source-window=0:1100", "--target-window=0:1200"),
        "t1-t2",
        other_mr,
        "BraTS-GLI-{:05d}",
        40.0,
        ("psnr", "mse"),
    ),
    "medgan-8bit": Case(
        medgan,
        ("nifti-pairs", "in", *PET_CT, "--source-window=0:8"),
        "pet-ct",
        ct,
        "P{}",
        30.0,
        ("psnr", "mse", "ssim"),
    ),
}


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process.run(arguments, folder, dict(os.environ))


@pytest.mark.parametrize("profile", CASES)
def test_a_folder_of_its_layout_comes_to_a_leaderboard(profile: str, tmp_path: Path) -> None:
    pytest.importorskip("benchmark_medical.importing.options")
    case = CASES[profile]
    case.write(tmp_path / "in")
    imported = command(
        tmp_path, "data", "import", *case.arguments, "--own-pixels", "--size", "40", "--split", "0:0:1", "--out", "d.h5"
    )
    assert imported.returncode == 0, imported.stdout + imported.stderr
    assert f"{PATIENTS} studies of {PATIENTS} patients imported, 0 skipped" in imported.stdout
    for name, error in (("near", 1.0), ("far", 4.0)):
        for seed in range(PATIENTS):
            random = np.random.default_rng([seed, int(error)])
            wrong = case.target(seed) + random.normal(0, error * case.spread, SHAPE).astype(np.float32)
            nifti(tmp_path / name / f"{case.patient.format(seed)}.nii.gz", wrong)
        if profile.startswith("synthrad2025"):
            _in_lps(tmp_path / name)
        scored = command(
            tmp_path, "evaluate", "--task", case.task, "--data", "d.h5", "--predictions", name, "--profile", profile,
            "--into", "run", "--name", name,
        )  # fmt: skip
        assert scored.returncode == 0, scored.stdout + scored.stderr
    shown = command(tmp_path, "leaderboard", "run", "--json")
    assert shown.returncode == 0, shown.stderr
    (table,) = json.loads(shown.stdout)["tables"]
    assert table["profile"].startswith(f"{profile}/")
    assert [row["name"] for row in table["rows"]] == ["near", "far"], "the smaller error leads"
    for row in table["rows"]:
        for metric in case.ranked:
            assert row["scores"][metric]["interval"]["n"] == PATIENTS, (metric, row["scores"])


def _in_lps(folder: Path) -> None:
    """The same voxels where MetaImage files without a direction lie: at the origin, in LPS."""
    nib = pytest.importorskip("nibabel")
    for path in folder.iterdir():
        nib.save(nib.Nifti1Image(nib.load(path).get_fdata(dtype=np.float32), np.diag([-2.0, -2.0, 3.0, 1.0])), path)
