"""Toy grids on Dask: workers of this machine, killed while they work."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from cluster_runs import dask_workers, logged, numbers, started, wait_for, with_executors
from command_line import CommandLine

pytest.importorskip("distributed")
DASK = ("--executor", "dask", "-p", "dask.poll_seconds=0.2", "-p", "dask.lost_seconds=20")
TOYS = ("run", "--grid", "toy", "--preset", "smoke", "--models")
SLOW = (*TOYS, "toy-slow", "-p", "toy-slow.seconds=0.2", "--steps", "30", "--seeds", "2")


@pytest.fixture
def toy(tmp_path: Path) -> CommandLine:
    return with_executors(tmp_path)


@pytest.mark.slow
def test_a_killed_worker_costs_what_its_cell_did_since_its_checkpoint(toy: CommandLine) -> None:
    run = toy.folder / "results/x"
    with started(toy, *SLOW, "--name", "x", "--jobs", "2", *DASK) as process:
        wait_for(lambda: len([lines for lines in logged(run).values() if lines > 2]) == 2)
        os.kill(dask_workers(process.pid)[0], signal.SIGKILL)
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
