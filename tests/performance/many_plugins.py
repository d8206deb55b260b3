"""CPU seconds of ``benchmark list`` and ``benchmark plugins`` with 0 and 200 generated plugins, interleaved.

Each plugin is a package with a model and a metric whose implementation imports torch; none of these modules may be
imported by a listing, which is checked. With an options dataclass each costs more: Python compiles a class for it.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COUNTS = {"0": (0, False), "200": (200, False), "200 with options": (200, True)}
COMMANDS = (("list",), ("plugins",), ("list", "--json"))
ROUNDS = 7
INIT = """
from __future__ import annotations
from collections.abc import Iterable
from dataclasses import dataclass, field
from benchmark import MetricSpec, ModelSpec, hookimpl

benchmark_api = 1
{options}

@hookimpl
def benchmark_models() -> Iterable[ModelSpec]:
    yield ModelSpec("generated-{n}", "benchmark_generated_{n}.model:Model", {given}summary="Model {n}.")


@hookimpl
def benchmark_metrics() -> Iterable[MetricSpec]:
    yield MetricSpec("generated-{n}", "benchmark_generated_{n}.model:Metric", label="{n}", higher_is_better=False)
"""
OPTIONS = """

@dataclass(frozen=True)
class Options:
    '''Options of the model.'''

    width: int = field(default=32, metadata={"help": "channels"})
"""
WITNESS = """
import sys
from benchmark.cli import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
found = [name for name in sys.modules if name == "torch" or (name.startswith("benchmark_generated") and "." in name)]
print(f"IMPORTED {found}", file=sys.stderr)
"""


def generate(folder: Path, count: int, options: bool) -> None:
    """Write this many plugins into a folder, each with the metadata of an installed distribution."""
    for n in range(count):
        package = folder / f"benchmark_generated_{n}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(
            INIT.format(n=n, options=OPTIONS if options else "", given="options=Options, " if options else "")
        )
        (package / "model.py").write_text(
            "import torch\n\n\nclass Model(torch.nn.Module): ...\n\n\nclass Metric: ...\n"
        )
        info = folder / f"benchmark_generated_{n}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: benchmark-generated-{n}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[benchmark.plugins]\ngenerated-{n} = benchmark_generated_{n}\n")


def cpu_seconds(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    """User and system time of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "benchmark", *arguments]
    subprocess.run(command, capture_output=True, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        environments = {}
        for name, (count, options) in COUNTS.items():
            folder = Path(temporary) / name
            folder.mkdir()
            generate(folder, count, options)
            plain = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            environments[name] = {**plain, "PYTHONPATH": str(folder)}
        times: dict[tuple[tuple[str, ...], str], list[float]] = {}
        for round_ in range(ROUNDS + 1):
            for command in COMMANDS:
                for which, environment in environments.items():
                    seconds = cpu_seconds(command, environment)
                    if round_:  # the first round compiles bytecode
                        times.setdefault((command, which), []).append(seconds)
        print(f"{'command':<24} {'plugins':>16} {'min':>7} {'median':>7} {'max':>7}  CPU s, {ROUNDS} rounds")
        for (command, which), found in times.items():
            name = f"benchmark {' '.join(command)}"
            print(f"{name:<24} {which:>16} {min(found):7.3f} {statistics.median(found):7.3f} {max(found):7.3f}")
        for command in COMMANDS:
            program = [sys.executable, "-c", WITNESS, *command]
            ended = subprocess.run(
                program, capture_output=True, text=True, check=True, env=environments[list(COUNTS)[-1]]
            )
            print(
                f"implementations and torch imported by 'benchmark {' '.join(command)}':", ended.stderr.splitlines()[-1]
            )


if __name__ == "__main__":
    main()
