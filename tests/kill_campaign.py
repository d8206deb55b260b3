"""Interrupt runs of toy cells in every way that there is, finish each, and compare with one that was left in peace.

``python tests/kill_campaign.py 100`` does it a hundred times and prints a table; ``test_kill_campaign.py`` ten times.
A run folder is interrupted some times in a row and then finished. It must end with every cell done, the same weights,
predictions and scores to the bit, no temporary file and no process of its own.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from command_line import CommandLine

ARGUMENTS = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-affine,toy-slow,toy-mean", "--steps", "40")
ROUND = 5
"""Interruptions of one run folder before it is finished."""
PATIENCE = 60.0
"""Seconds after which a run that was told to end is taken for hanging, on a machine that has time for it."""
SLOWNESS = 8.0
"""How many times as long as a run in peace one may take that goes on: a busy machine starts fork servers slowly."""


def children(pid: int) -> list[int]:
    """Processes that a process started and that are still there."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """Children and theirs."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def workers(pid: int) -> list[int]:
    """What the fork server started."""
    return [worker for child in children(pid) for worker in children(child)]


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)


def twice(process: subprocess.Popen[str], _: Path) -> None:
    group(process, signal.SIGINT)
    time.sleep(0.1)
    group(process, signal.SIGINT)


def stopped(process: subprocess.Popen[str], _: Path) -> None:
    """Suspended for a while, with all that it started, and killed after it went on."""
    everything = [process.pid, *descendants(process.pid)]
    send(everything, signal.SIGSTOP)
    time.sleep(0.5)
    send(everything, signal.SIGCONT)
    time.sleep(0.2)
    group(process, signal.SIGKILL)


def torn(process: subprocess.Popen[str], run: Path) -> None:
    """Killed, and what was last written cut off, as after a loss of power."""
    group(process, signal.SIGKILL)
    process.wait(PATIENCE)
    written = sorted(run.glob("cells/*/*.*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in written[:2]:
        os.truncate(path, path.stat().st_size // 2)


INTERRUPTIONS: dict[str, Callable[[subprocess.Popen[str], Path], None]] = {
    "KILL of the group": lambda process, _: group(process, signal.SIGKILL),
    "KILL of the supervisor": lambda process, _: send([process.pid], signal.SIGKILL),
    "KILL of a worker": lambda process, _: send(workers(process.pid)[:1], signal.SIGKILL),
    "KILL of the fork server": lambda process, _: send(children(process.pid), signal.SIGKILL),
    "TERM": lambda process, _: send([process.pid], signal.SIGTERM),
    "HUP": lambda process, _: group(process, signal.SIGHUP),
    "INT twice": twice,
    "STOP, CONT, KILL": stopped,
    "torn files": torn,
}


@dataclass
class Findings:
    """What the campaign saw."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def table(self) -> Iterator[str]:
        """How often each way was tried, and every fault."""
        yield f"{'interruption':<26}{'times':>6}"
        for name, number in self.counts.items():
            yield f"{name:<26}{number:>6}"
        yield f"{'in all':<26}{self.counts.total():>6}, {len(self.faults)} faults"
        yield from self.faults


def result(toy: CommandLine, name: str) -> dict[str, Any]:
    """Everything of a run's cells that must not depend on what happened to it."""
    import torch

    found: dict[str, Any] = {}
    for model, record in toy.records(f"results/{name}").items():
        cell = toy.folder / "results" / name / "cells" / record["id"]
        state = torch.load(cell / "checkpoint.pt", weights_only=True)["model"] if record["state"] == "done" else None
        values = {key: [item["patients"], item["state"]] for key, item in record.get("scores", {}).items()
                  if item["state"] == "scored"}  # fmt: skip
        found[model] = (record["state"], repr(state), values, record.get("files", {}).get("predictions.h5"))
    return found


def interrupt(
    toy: CommandLine, name: str, kind: str, seconds: float, findings: Findings, patience: float = PATIENCE
) -> None:
    """Start a run, let it work for some seconds, and interrupt it."""
    process = toy.start(*ARGUMENTS, "--name", name)
    time.sleep(seconds)
    known = descendants(process.pid)
    INTERRUPTIONS[kind](process, toy.folder / "results" / name)
    findings.counts[kind] += 1
    try:
        process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        findings.faults.append(f"{name}: after {kind} at {seconds:.1f} s the run hangs")
        send([process.pid, *known], signal.SIGKILL)
        process.communicate()
    deadline = time.monotonic() + 10
    while (left := [pid for pid in known if running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        findings.faults.append(f"{name}: after {kind} at {seconds:.1f} s processes are left: {left}")
        send(left, signal.SIGKILL)


def campaign(toy: CommandLine, times: int, seed: int = 0) -> Findings:
    """Interrupt so many times, and finish every run."""
    for number in (signal.SIGINT, signal.SIGHUP):  # ignored in a shell's background, and so by what is started there
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    chance, findings = random.Random(seed), Findings()
    began = time.monotonic()
    assert toy.alone(*ARGUMENTS, "--name", "peace").returncode == 0
    usual, peace = time.monotonic() - began, result(toy, "peace")
    kinds = [name for _ in range(-(-times // len(INTERRUPTIONS))) for name in INTERRUPTIONS][:times]
    chance.shuffle(kinds)
    for number, start in enumerate(range(0, times, ROUND)):
        name = f"round{number}"
        for kind in kinds[start : start + ROUND]:
            interrupt(toy, name, kind, chance.uniform(0, usual), findings, max(PATIENCE, SLOWNESS * usual))
        ended = toy.alone(*ARGUMENTS, "--name", name)
        if ended.returncode:
            findings.faults.append(f"{name}: finishing it exits with {ended.returncode}: {ended.stderr.strip()[-200:]}")
        elif result(toy, name) != peace:
            findings.faults.append(f"{name}: it is not as the run that was left in peace")
        parts = [str(path) for path in (toy.folder / "results" / name).rglob("*.part")]
        if parts:
            findings.faults.append(f"{name}: temporary files are left: {parts}")
    return findings


def main(times: int) -> int:
    """Run the campaign in a folder of its own; exit code 1 if anything was found."""
    with tempfile.TemporaryDirectory() as folder:
        findings = campaign(CommandLine.make(Path(folder)), times)
    print("\n".join(findings.table()))
    return int(bool(findings.faults))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
