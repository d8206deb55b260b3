"""CPU seconds of the light commands, interleaved with two floors: bare Python, and the smallest typer app."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

TYPER = "import typer; a = typer.Typer(rich_markup_mode=None, add_completion=False); a.command()(lambda: None); a()"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "smallest typer app --help": ["-c", TYPER, "--help"],
    "benchmark --help": ["-m", "benchmark", "--help"],
    "benchmark run --help": ["-m", "benchmark", "run", "--help"],
    "benchmark list": ["-m", "benchmark", "list"],
    "benchmark plugins": ["-m", "benchmark", "plugins"],
    "benchmark run --dry-run": ["-m", "benchmark", "run", "--dry-run"],
}
ROUNDS = 11


def cpu_seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """User and system time of one fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for round_ in range(ROUNDS + 1):
        for name, arguments in COMMANDS.items():
            seconds = cpu_seconds(arguments, environment)
            if round_:  # the first round compiles bytecode
                times[name].append(seconds)
    floor = statistics.median(times["smallest typer app --help"])
    print(f"{'command':<28} {'min':>7} {'median':>7} {'max':>7}  CPU s, {ROUNDS} rounds; ratio over the typer floor")
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"{name:<28} {min(found):7.3f} {middle:7.3f} {max(found):7.3f}  {middle / floor:5.2f}")


if __name__ == "__main__":
    main()
