"""Wheels installed by name, away from the checkout, are all that it is: every file, every command, every listing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {
    "medgan-benchmark": ROOT / "benchmark",
    **{
        folder.name: folder / "src" / folder.name.replace("-", "_")
        for folder in sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
    },
}


@pytest.fixture(scope="module", autouse=True)
def wheels() -> dict[str, Distribution]:
    try:
        found = {name: distribution(name) for name in SOURCES}
    except PackageNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed (tox environment 'wheels')")
    for each in found.values():
        if "editable" in (each.read_text("direct_url.json") or ""):
            pytest.skip("installed from the checkout, not from wheels (tox environment 'wheels')")
    return found


def benchmark(*arguments: str, folder: Path, checkout: bool = False) -> str:
    """What a command prints, from the wheels or, in the same environment, from the checkout."""
    sources = os.pathsep.join(str(path.parent) for path in SOURCES.values()) if checkout else ""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": sources, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_nothing_is_imported_from_the_checkout(tmp_path: Path) -> None:
    program = "import importlib, sys; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]))"
    modules = ["benchmark", *(path.name for name, path in SOURCES.items() if name != "medgan-benchmark")]
    ended = subprocess.run(
        [sys.executable, "-c", program, *modules], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert [file for file in ended.stdout.split() if Path(file).is_relative_to(ROOT / "benchmark")] == []
    assert [file for file in ended.stdout.split() if Path(file).is_relative_to(ROOT / "plugins")] == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_wheel_holds_every_file_of_its_package(name: str, wheels: dict[str, Distribution]) -> None:
    package = SOURCES[name]
    here = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
    listed = {str(file) for file in wheels[name].files or []}
    assert {path for path in here if not re.search(r"(^|/)(\.|__pycache__)", path)} - listed == set()


@pytest.mark.parametrize("name", SOURCES)
def test_a_wheel_says_what_its_project_says(name: str, wheels: dict[str, Distribution]) -> None:
    folder = ROOT if name == "medgan-benchmark" else ROOT / "plugins" / name
    about = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    stated = about.get("version") or re.search(r'= "(.+)"', (ROOT / "benchmark" / "_version.py").read_text())[1]
    assert wheels[name].version == stated
    required = [item for item in wheels[name].requires or [] if "extra ==" not in item]
    assert len(required) == len(about.get("dependencies", []))
    assert wheels[name].metadata["License-Expression"] == "Apache-2.0"


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), ("run", "--help"), ("data", "import", "--help"), ("list", "--json"), ("list",)],
    ids=" ".join,
)
def test_a_command_says_the_same_as_in_the_checkout(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert benchmark(*arguments, folder=tmp_path) == benchmark(*arguments, folder=tmp_path, checkout=True)


def test_every_grid_is_in_its_wheel(tmp_path: Path) -> None:
    grids = [each["name"] for each in json.loads(benchmark("list", "grids", "--json", folder=tmp_path))]
    assert grids
    for grid in grids:
        assert json.loads(benchmark("show", "grid", grid, "--json", folder=tmp_path))["blocks"]
