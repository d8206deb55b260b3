"""Run the command line around a plugin that is not one of ours, without installing it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import in_process

STRANGERS = Path(__file__).parent / "strangers"


@dataclass
class CommandLine:
    """Runs ``benchmark`` in a folder of its own, with only the toy plugin installed."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def make(cls, folder: Path) -> CommandLine:
        """With the toy plugin discoverable and every installed plugin switched off."""
        site = folder / "site"
        make_discoverable(site, "benchmark-toy", "1.2.3", "toy", "benchmark_toy")
        work = folder / "work"
        work.mkdir()
        paths = [str(site), str(STRANGERS / "benchmark-toy" / "src"), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "BENCHMARK_DISABLE_PLUGINS": ",".join(installed_plugins()),
            "BENCHMARK_REPORT": "no",  # it costs seconds; its own tests ask for it
        }
        return cls(work, environment)

    def adopt(self, finished: Path, name: str = "run") -> None:
        """Start from a copy of a folder in which ``run`` was run already, under this name."""
        shutil.copytree(finished, self.folder, dirs_exist_ok=True)
        (self.folder / "results/run").rename(self.folder / "results" / name)

    def command(self, *arguments: str) -> list[str]:
        """The command as a list."""
        return [sys.executable, "-m", "benchmark", *arguments]

    def __call__(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run to the end; standard output and error as text. In the test's own process where that is no difference."""
        if "--executor" in arguments:
            return self.alone(*arguments, **more)
        return in_process.run(arguments, self.folder, {**self.environment, **more})

    def alone(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The same in a process of its own: where signals, descriptors or the process itself are what is tested."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start in a process group of its own and return at once."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def records(self, run: str) -> dict[str, dict[str, Any]]:
        """The records of a run by model name, of what is at work too."""
        found = []
        for path in [path for room in ("cells", "work") for path in (self.folder / run / room).glob("*/record.json")]:
            with contextlib.suppress(FileNotFoundError):  # moved meanwhile
                found.append(json.loads(path.read_text()))
        return {record["name"]: record for record in found}


def make_discoverable(folder: Path, distribution: str, version: str, name: str, module: str, *requires: str) -> None:
    """Write the metadata that an installed distribution has, so that its entry point is found without installing."""
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    (info / "entry_points.txt").write_text(f"[benchmark.plugins]\n{name} = {module}\n")


def installed_plugins() -> list[str]:
    """Entry points that happen to be installed where the tests run, the toy's own aside."""
    from importlib.metadata import entry_points

    return sorted({point.name for point in entry_points(group="benchmark.plugins")} - {"toy"})
