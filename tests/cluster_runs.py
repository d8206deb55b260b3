"""What the tests of executors on clusters share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from command_line import CommandLine


def with_executors(folder: Path) -> CommandLine:
    """The command line with two plugins: the toy, and the executors."""
    command = CommandLine.make(folder)
    others = [name for name in command.environment["BENCHMARK_DISABLE_PLUGINS"].split(",") if name != "executors"]
    command.environment["BENCHMARK_DISABLE_PLUGINS"] = ",".join(others)
    return command


@contextlib.contextmanager
def started(command: CommandLine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs beside the test, and no longer than that."""
    process = command.start(*arguments)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)


def wait_for(condition: Callable[[], Any], seconds: float = 400) -> Any:
    """What a condition gives once it gives anything."""
    deadline = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return outcome


def logged(run: Path) -> dict[str, int]:
    """Lines of every cell's training log, wherever it lies at the moment."""
    lines = {}
    for room in ("cells", "work"):
        for path in run.glob(f"{room}/*/log.jsonl"):
            try:
                lines[path.parent.name.partition(".")[0]] = len(path.read_text().splitlines())
            except FileNotFoundError:  # moved meanwhile
                continue
    return lines


def numbers(command: CommandLine, run: str) -> dict[str, tuple[Any, str]]:
    """Scores and a hash of the weights of every cell of a run, by its folder's name."""
    import torch

    found = {}
    for folder in sorted((command.folder / run / "cells").iterdir()):
        digest = hashlib.sha256()
        if (checkpoint := folder / "checkpoint.pt").exists():
            _take(torch.load(checkpoint, weights_only=True)["model"], digest.update)
        found[folder.name] = (json.loads((folder / "record.json").read_text()).get("scores"), digest.hexdigest())
    return found


def _take(state: Any, update: Callable[[bytes], None]) -> None:
    """Every tensor of a model's state, however deep."""
    if isinstance(state, dict | list | tuple):
        for value in state.values() if isinstance(state, dict) else state:
            _take(value, update)
    elif hasattr(state, "numpy"):
        update(state.numpy().tobytes())


def dask_workers(pid: int) -> list[int]:
    """Dask's workers below a process, by their children: the processes that do bundles."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"benchmark_executors.remote" in command and _below(parent, pid):
            found.append(parent)
    return found


def _below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False
