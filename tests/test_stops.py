"""Why a cell stopped: what its worker records, and what status shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from command_line import CommandLine
from test_large_runs import planned, write

from benchmark.cell.job import CellJob, Message, Progress
from benchmark.errors import Interrupted
from benchmark.executors.worker import run_job
from benchmark.store.folder import RunFolder, planned_record
from benchmark.store.holder import Holder
from benchmark.store.record import Record
from benchmark.store.stops import POLICIES, STOPS, Stop

Steps = Callable[[CellJob, Any, Callable[[Progress], None], Callable[[], bool]], None]


def work(run: Path, monkeypatch: pytest.MonkeyPatch, steps: Steps, stop: Stop | bool | None = None) -> Message:
    """Run a cell whose steps are these, with a supervisor that says ``stop``."""
    module = ModuleType("benchmark.cell.run")
    module.run_cell = steps  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmark.cell.run", module)
    (cell,) = planned(1)
    job = CellJob(cell.spec, RunFolder(run).cell(cell.spec.id), baseline=False, device="cpu")
    return run_job(job, lambda _: None, lambda: stop)


def record(run: Path) -> Record:
    """What it left."""
    return RunFolder(run).cell(planned(1)[0].spec.id).record()


def training(job: CellJob, _: Any, report: Callable[[Progress], None], should_stop: Callable[[], bool]) -> None:
    """Some steps, then a look whether to stop."""
    report(Progress(3, 10, {}, 1.0))
    job.folder.file("checkpoint.pt").write_text("three steps")
    if should_stop():
        raise Interrupted("stopped after step 3 of 10")


@pytest.mark.parametrize(("said", "stop"), [(stop, stop) for stop in STOPS] + [(True, "user")])
def test_a_worker_that_is_told_to_stop_records_why_and_leaves_its_checkpoint(
    said: Stop | bool, stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = work(tmp_path, monkeypatch, training, said)
    assert (ended.kind, ended.stop, ended.further) == ("interrupted", stop, True)
    assert (record(tmp_path).state, record(tmp_path).stop) == ("planned", stop)
    assert POLICIES[stop].says in record(tmp_path).reason
    assert (tmp_path / "cells" / record(tmp_path).id / "checkpoint.pt").read_text() == "three steps"


def test_a_worker_without_memory_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OutOfMemoryError(RuntimeError):
        """As torch calls it."""

    for fault in (MemoryError("host"), OutOfMemoryError("CUDA out of memory")):

        def steps(*_: Any, fault: Exception = fault) -> None:
            raise fault

        ended = work(tmp_path, monkeypatch, steps)
        assert (ended.kind, ended.stop) == ("failed", "out of memory")
        assert record(tmp_path).stop == "out of memory"


def test_a_worker_that_was_taken_over_stops_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Holder(host="other", machine="m", pid=1, born="1")

    def steps(job: CellJob, *_: Any) -> None:
        leases = RunFolder(tmp_path).leases
        leases.take(job.spec.id, other, over=job.token)
        job.folder.file("log.jsonl").open("a")

    ended = work(tmp_path, monkeypatch, steps)
    assert ended.kind == "elsewhere"
    assert not (tmp_path / "cells").exists()
    assert str(RunFolder(tmp_path).leases.of(planned(1)[0].spec.id)).startswith("held by other, process 1")


def test_each_cause_has_its_row_in_status(toy: CommandLine) -> None:
    cells = planned(len(STOPS) + 1)
    run = write(toy.folder / "results/x", cells)
    for cell, stop in zip(cells, STOPS, strict=False):
        stopped = planned_record(cell).ended("planned", POLICIES[stop].says)
        run.cell(cell.spec.id).path.mkdir(parents=True)
        run.cell(cell.spec.id).write(replace(stopped, stop=stop, attempt=2, token=3))
    run.leases.take(cells[-1].spec.id, Holder(host="gpu7", machine="m", pid=4711, born="1", job="job 62"))
    shown = toy("status", "results/x").stdout
    for stop in STOPS:
        assert f"planned ({stop})" in shown
        assert f"stopped ({stop}): 1 cell" in shown
    assert "held by gpu7, process 4711, job 62, since" in shown
    rows = json.loads(toy("status", "results/x", "--json").stdout)
    assert [row["stop"] for row in rows] == [*STOPS, None]
    assert [row["state"] for row in rows] == [*["planned"] * len(STOPS), "running"]
