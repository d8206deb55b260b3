"""Make a plugin in a folder or a wheel importable for one command, without installing it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from benchmark.contracts.hookspecs import GROUP
from benchmark.errors import UsageError


def check_uninstalled(path: Path, flags: list[str]) -> int:
    """Run ``benchmark plugins check`` on what lies there, in a process of its own; its exit code.

    Raises:
        UsageError: there is no plugin at that path.
    """
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix == ".whl":
            names, places = _from_wheel(path, Path(folder))
        else:
            names, places = _from_folder(path, Path(folder))
        places += [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
        codes = []
        for name in names:
            command = [sys.executable, "-m", "benchmark", "plugins", "check", name, *flags]
            codes.append(subprocess.run(command, env=environment, check=False).returncode)
        return max(codes)


def _from_folder(path: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Entry points of a source tree, and what must be on Python's path: its sources, and metadata written for it."""
    file = path / "pyproject.toml"
    if not file.is_file():
        raise UsageError(f"{path}: no pyproject.toml there; give a plugin's folder, a wheel, or the name of a plugin")
    try:
        project: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not TOML: {error}") from None
    points = project.get("entry-points", {}).get(GROUP, {})
    if not points:
        raise UsageError(f'{file}: no [project.entry-points."{GROUP}"]; it is not a plugin')
    name, version = str(project.get("name", path.name)), str(project.get("version", "0+unknown"))
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    needs = "".join(f"Requires-Dist: {each}\n" for each in project.get("dependencies", ()))
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    (info / "METADATA").write_text(about, encoding="utf-8")
    lines = "".join(f"{point} = {module}\n" for point, module in points.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}", encoding="utf-8")
    source = path / "src"
    return list(points), [str(folder), str((source if source.is_dir() else path).absolute())]


def _from_wheel(path: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Entry points of a wheel, unpacked."""
    from importlib.metadata import distributions

    try:
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: not a wheel: {error}") from None
    names = [
        point.name
        for found in distributions(path=[str(folder)])
        for point in found.entry_points
        if point.group == GROUP
    ]
    if not names:
        raise UsageError(f"{path}: it has no entry point in {GROUP}; it is not a plugin")
    return names, [str(folder)]
