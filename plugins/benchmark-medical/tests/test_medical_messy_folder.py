"""A folder of scans as a lab has it, from import to a translated volume: every planted trouble is named, none invented.

The troubles: folders by date, a second study, a target that is missing, a file cut short, a scan handed in twice under
another name, another one twice and cropped, a source mirrored left to right, a source whose origin was lost, hidden
files of macOS, and files that are no scans.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import in_process
import nibabel as nib
import numpy as np
import pytest
from command_line import CommandLine
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

SHAPE = (64, 56, 10)
AFFINE = np.array([[-2.0, 0, 0, 62], [0, 2.0, 0, -50], [0, 0, 4, 300], [0, 0, 0, 1]])
SOUND = tuple(f"S{number:02d}" for number in range(1, 13))
"""Patients about whom nothing may be said."""
TROUBLED = ("lacking", "torn", "twice", "cropped", "mirrored", "displaced")

Pair = dict[str, NDArray[np.int16]]


def anatomy(seed: int) -> Pair:
    """A lopsided body of a few tissues, whose grey values in MR go neither up nor down with HU."""
    random = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij")
    field = gaussian_filter(random.normal(size=SHAPE), (4, 4, 1.5))
    size = 0.55 + 0.02 * (seed % 7)
    inside = (x + 0.15) ** 2 * (1.4 - 0.5 * y) + (y - 0.1) ** 2 + 0.15 * z**2 < size
    tissue = np.where(inside, 1 + np.digitize(field, np.quantile(field[inside], [0.3, 0.55, 0.85])), 0)
    ct = np.array([-1000, -90, 40, 60, 700])[tissue] + random.normal(0, 12, SHAPE) * (tissue > 0)
    mr = np.array([2, 900, 300, 1200, 60])[tissue] + random.normal(0, 25, SHAPE) * (tissue > 0)
    return {"ct": np.rint(ct).astype(np.int16), "mr": np.rint(mr).clip(0).astype(np.int16)}


def save(folder: Path, scans: Pair, affine: NDArray[np.float64] = AFFINE, **own: NDArray[np.float64]) -> None:
    folder.mkdir(parents=True)
    for name, values in scans.items():
        nib.save(nib.Nifti1Image(values, own.get(name, affine)), folder / f"{name}.nii.gz")


def lab(folder: Path) -> None:
    """Write the folder: DATE/PATIENT/{mr,ct}.nii.gz."""
    for number, name in enumerate(SOUND):
        save(folder / f"2021-03-{1 + number % 3:02d}" / name, anatomy(number))
    save(folder / "2021-06-30" / SOUND[0], anatomy(100))
    day = folder / "2021-03-02"
    save(day / "lacking", {"mr": anatomy(20)["mr"]})
    save(day / "torn", anatomy(21))
    whole = (day / "torn/ct.nii.gz").read_bytes()
    (day / "torn/ct.nii.gz").write_bytes(whole[: len(whole) // 2])
    save(day / "twice", anatomy(1))
    part = np.eye(4)
    part[:3, 3] = (6, 4, 2)
    save(day / "cropped", {name: values[6:58, 4:52, 2:9] for name, values in anatomy(2).items()}, AFFINE @ part)
    mirrored = anatomy(22)
    save(day / "mirrored", {**mirrored, "mr": mirrored["mr"][::-1]})
    lost = AFFINE.copy()
    lost[:3, 3] += (14.0, 0, 0)
    save(day / "displaced", anatomy(23), mr=lost)
    (day / "torn/._mr.nii.gz").write_bytes(b"\0\5\x16\7" + b"\0" * 70)
    (day / SOUND[1] / ".DS_Store").write_bytes(b"\0")
    (folder / "patients.xlsx").write_bytes(b"PK")


def called(text: str) -> set[str]:
    """The patients that a text names."""
    return {name for name in (*SOUND, *TROUBLED) if re.search(rf"\b{name}\b", text)}


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """With all plugins that are installed, and the toys, which need no minute of training."""
    line = CommandLine.make(tmp_path)
    line.environment["BENCHMARK_DISABLE_PLUGINS"] = os.environ.get("BENCHMARK_DISABLE_PLUGINS", "")
    return line


def ask(command: CommandLine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process.run(arguments, command.folder, command.environment)


IMPORT = (
    "data", "import", "nifti-pairs", "lab", "--task", "mr-ct", "--source", "{date}/{patient}/mr.nii.gz",
    "--target", "{date}/{patient}/ct.nii.gz", "--size", "64", "--out", "lab.h5", "--split", "0.6:0.1:0.3",
)  # fmt: skip


@pytest.mark.slow
def test_every_planted_trouble_is_named_and_none_is_invented(command: CommandLine) -> None:
    lab(command.folder / "lab")

    blind = ask(command, *(part.replace("{date}/{patient}/", "*/") for part in IMPORT))
    assert re.search(r"called by what looks like a date|names of studies stand under several", blind.stdout)
    (command.folder / "lab.h5").unlink(missing_ok=True)

    imported = ask(command, *IMPORT)
    assert imported.returncode == 0, imported.stdout + imported.stderr
    lines = imported.stdout.splitlines()
    left_out = {next(iter(called(line))): line for line in lines if line.startswith("skipped ")}
    assert sorted(left_out) == ["lacking", "torn"]
    assert re.search(r"no (target|ct)", left_out["lacking"])
    assert re.search("truncated|damaged|cut short|cannot be read", left_out["torn"])
    assert any(line.startswith("passed over: 2 hidden files") for line in lines)
    assert any(line.startswith("not used: 1 file (1 .xlsx)") for line in lines)
    assert any(line.startswith("17 studies of 16 patients imported, 2 skipped") for line in lines)

    checked = ask(command, "data", "check", "lab.h5")
    told = [line for line in checked.stdout.splitlines() if re.match("error|warning", line)]
    about = {name: [line for line in told if name in called(line)] for name in TROUBLED}
    assert any(
        "S02" in called(line) and re.search("same|leakage|is that of|pixels of", line) for line in about["twice"]
    )
    assert any("S03" in called(line) and "is that of" in line for line in about["cropped"])
    assert any("mirrored left to right in 1 of" in line for line in about["mirrored"])
    assert any(
        "beside target in 1 of" in line and re.search(r"columns [+-]1[34]\.", line) for line in about["displaced"]
    )
    # that folders are called by dates is a trouble too: the file says when people were examined
    (dated,) = (line for line in told if "what looks like a date" in line)
    invented = [line for line in told if line != dated and called(line) and not called(line) & set(TROUBLED)]
    assert not invented, "nothing is said of patients who are sound"

    (command.folder / "lab.h5").unlink()
    sound = ask(command, *IMPORT, "--exclude", "twice,cropped,mirrored,displaced")
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert any("S01/" in line for line in sound.stdout.splitlines())
    again = ask(command, "data", "check", "lab.h5")
    assert again.returncode == 0, again.stdout
    assert [line for line in again.stdout.splitlines() if called(line)] == [dated.replace("16 more", "12 more")]

    ran = ask(command, "run", "--tasks", "mr-ct", "--data", "mr-ct=lab.h5", "--models", "toy-affine", "--profile",
              "toy", "--steps", "2", "--preset", "smoke", "--name", "lab")  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    scan = shutil.copy(command.folder / "lab/2021-03-02/S02/mr.nii.gz", command.folder / "new.nii.gz")
    translated = ask(command, "translate", "results/lab/mr-ct/toy-affine/s0", "new.nii.gz", "out.nii.gz")
    assert translated.returncode == 0, translated.stdout + translated.stderr
    (warning,) = translated.stderr.splitlines()
    assert "scored inside the body only" in warning, "of a scan like those of the training there is nothing else to say"
    given, got = nib.load(scan), nib.load(command.folder / "out.nii.gz")
    assert got.shape == given.shape
    np.testing.assert_array_equal(got.affine, given.affine)
