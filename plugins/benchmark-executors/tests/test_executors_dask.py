"""Toy grids on Dask: workers of this machine, killed while they work."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from cluster_runs import logged, numbers, started, wait_for, with_executors
from command_line import CommandLine

pytest.importorskip("distributed")
DASK = ("--executor", "dask", "-p", "dask.poll_seconds=0.2", "-p", "dask.lost_seconds=20")
TOYS = ("run", "--grid", "toy", "--preset", "smoke", "--models")
SLOW = (*TOYS, "toy-slow", "-p", "toy-slow.seconds=0.2", "--steps", "30", "--seeds", "2")


@pytest.fixture
def toy(tmp_path: Path) -> CommandLine:
    return with_executors(tmp_path)


def workers(pid: int) -> list[int]:
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


@pytest.mark.slow
def test_a_killed_worker_costs_what_its_cell_did_since_its_checkpoint(toy: CommandLine) -> None:
    run = toy.folder / "results/x"
    with started(toy, *SLOW, "--name", "x", "--jobs", "2", *DASK) as process:
        wait_for(lambda: len([lines for lines in logged(run).values() if lines > 2]) == 2)
        os.kill(workers(process.pid)[0], signal.SIGKILL)
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    claims = sorted(len(list(path.parent.glob("claim.*"))) for path in run.glob("jobs/*/*/bundle.json"))
    assert claims == [1, 1, 2]  # the data, the cell that was spared, the one that was begun twice
    assert toy(*SLOW, "--name", "local").returncode == 0
    assert numbers(toy, "results/x") == numbers(toy, "results/local")


def test_an_address_where_nothing_answers_is_one_line(toy: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark_executors.dask_cluster.CONNECT_SECONDS", 0.5)
    from benchmark_executors.dask_cluster import DaskExecutor
    from benchmark_executors.options import DaskOptions

    from benchmark.errors import UsageError
    from benchmark.executors import Surroundings

    executor = DaskExecutor(
        DaskOptions(address="tcp://127.0.0.1:9"), Surroundings(0, None, (), toy.folder, lambda _: None)
    )
    with pytest.raises(UsageError, match="no scheduler at"):
        executor.run([], lambda _: None)
