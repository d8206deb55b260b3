"""Leases: who may write into a cell, and who cannot any more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import CommandLine
from test_run_toy import SMOKE, wait_for
from two_hosts import of_its_own

from benchmark.executors.building import build_once
from benchmark.plan.expand import BuildJob
from benchmark.store import holder as holders
from benchmark.store import lease as leases
from benchmark.store.holder import Holder, this_process
from benchmark.store.lease import Held, Lease, Leases, Watch
from benchmark.store.seal import read_sealed, write_sealed
from benchmark.store.stops import POLICIES, STOPS, next_attempt

CELL = "0123456789abcdef"
ELSEWHERE = Holder(host="other", machine="another kernel", pid=1, born="7", lost_seconds=10.0)


def end(lease: Lease, text: str) -> bool:
    """What a worker leaves."""
    lease.path.mkdir(exist_ok=True)  # as libraries do that save files
    (lease.path / "predictions.h5").write_text(text)
    write_sealed(lease.path / "record.json", {"state": "done", "by": text, "token": lease.token})
    return lease.commit()


def home(run: Path) -> dict[str, str]:
    """What lies in the cell's folder."""
    return {path.name: path.read_text() for path in sorted((run / "cells" / CELL).glob("*"))}


def test_a_cell_is_held_by_one_and_the_message_names_host_process_and_since(tmp_path: Path) -> None:
    Leases(tmp_path).take(CELL, replace(ELSEWHERE, job="job 62"))
    with pytest.raises(Held, match=r"held by other, process 1, job 62, since \d s ago"):
        Leases(tmp_path).take(CELL, this_process())


def test_what_is_committed_lies_in_the_cells_folder_and_nothing_else_is_left(tmp_path: Path) -> None:
    lease = Leases(tmp_path).take(CELL, this_process())
    assert end(lease, "mine")
    assert set(home(tmp_path)) == {"predictions.h5", "record.json"}
    assert not list((tmp_path / "work").iterdir())
    assert Leases(tmp_path).take(CELL, this_process()).token == 2


@pytest.mark.parametrize("moment", ["before it writes", "when it has written", "when it makes its folder anew"])
def test_a_late_worker_can_write_nothing(tmp_path: Path, moment: str) -> None:
    late = Leases(tmp_path).take(CELL, ELSEWHERE)
    if moment == "when it has written":
        (late.path / "predictions.h5").write_text("late")
    new = Leases(tmp_path).take(CELL, this_process(), over=late.token)
    if moment == "before it writes":
        with pytest.raises(FileNotFoundError):
            (late.path / "log.jsonl").open("a")
    assert not late.beat()
    assert late.lost
    assert not end(late, "late")
    assert end(new, "new")
    assert not end(late, "late")
    assert home(tmp_path)["predictions.h5"] == "new"
    assert read_sealed(tmp_path / "cells" / CELL / "record.json")["by"] == "new"


def test_the_next_holder_goes_on_from_what_the_dead_one_and_those_before_have_left(tmp_path: Path) -> None:
    first = Leases(tmp_path).take(CELL, ELSEWHERE)
    for name in ("checkpoint.pt", "log.jsonl"):
        (first.path / name).write_text("first")
    assert first.commit()
    second = Leases(tmp_path).take(CELL, ELSEWHERE)
    second.go_on()
    (second.path / "checkpoint.pt").write_text("second")
    third = Leases(tmp_path).take(CELL, ELSEWHERE, over=second.token)
    third.go_on()
    assert (third.path / "checkpoint.pt").read_text() == "second"
    assert (third.path / "log.jsonl").read_text() == "first"


def test_a_commit_that_was_cut_off_is_finished_by_whoever_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Leases(tmp_path).take(CELL, this_process())
    monkeypatch.setattr(leases, "_move_home", lambda *_: None)
    assert end(lease, "mine")
    assert not (tmp_path / "cells").exists()
    monkeypatch.undo()
    Leases(tmp_path).settle()
    assert set(home(tmp_path)) == {"predictions.h5", "record.json"}


def test_of_many_at_once_one_holds_it(tmp_path: Path) -> None:
    taken: list[Lease] = []

    def take() -> None:
        with contextlib.suppress(Held):
            taken.append(Leases(tmp_path).take(CELL, this_process()))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) <= 1
    assert len(Leases(tmp_path).standing()) == len(taken)


def test_silence_is_measured_by_our_own_clock_from_when_we_first_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    lease, watch = Leases(tmp_path).take(CELL, ELSEWHERE), Watch()
    standing = Leases(tmp_path).of(CELL)
    assert standing is not None
    assert not watch.gone(standing, 10.0)
    now += 9.9
    assert not watch.gone(standing, 10.0)
    lease.beat()
    now += 9.9
    assert not watch.gone(standing, 10.0)
    now += 10.0
    assert watch.gone(standing, 10.0)
    assert not watch.gone(standing, 30.0)


def test_a_process_of_this_machine_that_is_no_more_is_known_to_be_gone() -> None:
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = this_process()
    if not me.machine:
        pytest.skip("this system does not tell when processes were started")
    other = replace(me, pid=ended.pid, born=holders.born(ended.pid))
    assert [holder.surely_gone for holder in (me, other)] == [False, False]
    ended.kill()
    wait_for(lambda: other.surely_gone, 10)  # before anybody has waited for it
    ended.communicate()
    assert [holder.surely_gone for holder in (me, other)] == [False, True]
    assert replace(me, born="1").surely_gone, "another process of the same number"
    assert not replace(ELSEWHERE, pid=ended.pid).surely_gone


def test_each_cause_has_its_policy() -> None:
    assert set(POLICIES) == set(STOPS)
    assert {stop for stop in STOPS if next_attempt(stop, 1, 2) is None} == {"user", "cancelled"}
    assert next_attempt("walltime", 2, 2) is None
    assert next_attempt("walltime", 2, 2, further=True) == 1, "a cell may need more walltimes than attempts"


def operations(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> list[str]:
    """What is done on the file system, in order, by the names of the model."""
    done: list[str] = []

    def noted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            done.append(name)
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:
        for owner, name, word in (
            (Leases, "_names", "list"),
            (Leases, "_token", "read token"),
            (os, "rename", "rename"),
            (os, "replace", "replace"),
        ):
            patch.setattr(owner, name, noted(word, getattr(owner, name)))
        work()
    return done


def test_the_code_does_what_the_model_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Lease] = []
    take = operations(monkeypatch, lambda: held.append(Leases(tmp_path).take(CELL, ELSEWHERE)))
    assert take == ["list", "read token", "list", "replace", "rename", "list", "read token"]
    over = operations(monkeypatch, lambda: held.append(Leases(tmp_path).take(CELL, ELSEWHERE, over=1)))
    assert over == ["list", "read token", "list", "rename", "replace", "list", "read token"]
    commit = operations(monkeypatch, lambda: end(held[1], "second"))
    # the record is written; then the folder is renamed, files moved, the record last, and the rest thrown away
    assert commit == ["replace", "rename", "replace", "replace", "rename"]


@pytest.mark.slow
@pytest.mark.parametrize("flock", [True, False])
def test_two_hosts_share_a_grid_and_one_takes_over_from_the_other_when_it_dies(toy: CommandLine, flock: bool) -> None:
    arguments = (
        *SMOKE, "--models", "toy-slow,toy-affine,toy-copy", "-p", "toy-slow.seconds=0.6", "--seeds", "2", "--name", "x",
        "--jobs", "1", "--lost-seconds", "3",
    )  # fmt: skip
    # both at once: each begins with one of the two slow cells
    first, second = (of_its_own(toy, name, flock=flock).start(*arguments) for name in ("alpha", "beta"))
    work, cells = toy.folder / "results/x/work", toy.folder / "results/x/cells"
    try:
        wait_for(lambda: len(list(work.glob("*/log.jsonl"))) > 1)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate(timeout=60)
    output, _ = second.communicate(timeout=300)
    assert second.returncode == 0, output
    records = [read_sealed(path) for path in cells.glob("*/record.json")]
    assert len(records) == 6
    assert {record["state"] for record in records} == {"done"}
    assert sorted(record["token"] for record in records) == [1, 1, 1, 1, 1, 2], "all trained once, one taken over"
    assert "alpha, process" in output
    assert output.count("is taken over: held by alpha") == 1
    assert "no sign of life" in output
    assert not [path for path in work.iterdir() if not path.name.startswith(".")]


def test_data_are_built_once_however_many_need_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Path] = []

    def build(job: BuildJob, _: object, within: Path) -> None:
        built.append(within)
        (within / "data.h5").write_text("data")
        os.replace(within / "data.h5", job.path)

    monkeypatch.setattr("benchmark.plan.embedded_data.build", build)
    job = BuildJob("task", str(tmp_path / "data.h5"), None, 0, {})  # type: ignore[arg-type]
    threads = [threading.Thread(target=build_once, args=(job, lambda: False)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(built) == 1
    assert (tmp_path / "data.h5").read_text() == "data"
