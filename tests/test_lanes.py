"""Which device a job runs on, and how many share it: with devices that tests hand in."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from command_line import CommandLine
from test_run_toy import SMOKE

from benchmark.cell.job import Message
from benchmark.errors import UsageError
from benchmark.executors import Assignment, Event, lanes, worker
from benchmark.executors import local as local_executor
from benchmark.executors.lanes import Lanes, devices
from benchmark.executors.local import LocalExecutor
from benchmark.plan.expand import BuildJob

EIGHT = tuple("01234567")


def jobs(folder: Path, number: int) -> list[Assignment]:
    """Assignments whose worker is :func:`note`."""
    return [
        Assignment(f"job{index}", BuildJob(f"job{index}", str(folder), None, index, {}))  # type: ignore[arg-type]
        for index in range(number)
    ]


def note(job: BuildJob, pipe: object, device: str) -> None:
    """In place of a worker: say which devices are visible and who else is there, and stay for a moment."""
    os.environ["CUDA_VISIBLE_DEVICES"] = device
    mine = Path(job.path) / f"{device}.{job.task}"
    mine.touch()
    time.sleep(0.2)
    together = len(list(Path(job.path).glob(f"{device}.*")))
    (Path(job.path) / f"most-{device}.{job.task}").write_text(str(together))
    mine.unlink()
    pipe.send(Message("done"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("there", [EIGHT, EIGHT[:-1]])
def test_sixteen_jobs_on_eight_devices_are_two_on_each_and_never_three(
    there: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import multiprocessing

    monkeypatch.setattr(local_executor, "work", note)
    executor = LocalExecutor(0, devices=there, jobs_per_device=2, _context=multiprocessing.get_context("fork"))
    events: list[Event] = []
    outcome = executor.run(jobs(tmp_path, 16), events.append)
    assert set(outcome.values()) == {("done", "")}
    found = {path.name: int(path.read_text()) for path in tmp_path.glob("most-*")}
    assert len(found) == 16
    assert max(found.values()) <= 2
    assert {name.removeprefix("most-").partition(".")[0] for name in found} == set(there)


def test_a_job_that_ran_out_of_memory_beside_another_is_tried_once_more_and_alone() -> None:
    lanes = Lanes.of(("0", "1"), 2, 0, 4)
    first, second, third = lanes.enter(), lanes.enter(), lanes.enter()
    assert first
    assert second
    assert third
    assert [first.device, second.device, third.device] == ["0", "1", "0"]
    assert lanes.enter(alone=True) is None, "no device is empty"
    lanes.leave(second)
    alone = lanes.enter(alone=True)
    assert alone is second
    lanes.leave(third)
    assert lanes.enter() is first
    assert lanes.enter() is None, "nobody joins one that wants to be alone"
    lanes.leave(alone)
    assert lanes.enter() is second


TOLD = "RuntimeError: CUDA error: uncorrectable ECC error encountered"


@pytest.mark.parametrize("how", ["the job says so", "it is not listed any more", "its process is killed"])
def test_what_a_lost_device_broke_off_goes_on_elsewhere(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight devices, two jobs on each; the third goes away while it works."""
    import multiprocessing

    lost = tmp_path / "lost"

    def on_what_is_there(job: BuildJob, pipe: object, device: str) -> None:
        if device != "2":
            note(job, pipe, device)
            return
        lost.touch()
        if how == "its process is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        said = Message("failed", TOLD, stop="device lost") if how == "the job says so" else Message("failed", "oh")
        pipe.send(said)  # type: ignore[attr-defined]

    def listing() -> str:
        there = [number for number in EIGHT if not (number == "2" and lost.exists() and how != "the job says so")]
        return "\n".join(f"GPU {number}: Toy (UUID: GPU-{number}abc)" for number in there)

    monkeypatch.setattr(local_executor, "work", on_what_is_there)
    said: list[str] = []
    executor = LocalExecutor(
        0,
        devices=EIGHT,
        jobs_per_device=2,
        attempts=1,
        say=said.append,
        listing=listing,
        _context=multiprocessing.get_context("fork"),
    )
    events: list[Event] = []
    outcome = executor.run(jobs(tmp_path, 16), events.append)
    assert set(outcome.values()) == {("done", "")}
    assert [event.stop for event in events if event.kind == "retry"] == ["device lost"] * 2
    found = {path.name: int(path.read_text()) for path in tmp_path.glob("most-*")}
    assert len(found) == 16
    assert max(found.values()) <= 2
    assert "most-2." not in " ".join(found)
    assert len(said) == 1
    assert said[0].startswith("CUDA device 2 is gone")
    assert "left: 14 cells at once" in said[0]


def test_without_a_device_left_the_rest_fails_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    def lost(job: BuildJob, pipe: object, device: str) -> None:
        pipe.send(Message("failed", TOLD, stop="device lost"))  # type: ignore[attr-defined]

    monkeypatch.setattr(local_executor, "work", lost)
    executor = LocalExecutor(0, devices=("0", "1"), listing=lambda: "", _context=multiprocessing.get_context("fork"))
    outcome = executor.run(jobs(tmp_path, 4), lambda _: None)
    assert {state for state, _ in outcome.values()} == {"failed"}
    assert sum("no CUDA device is left" in reason for _, reason in outcome.values()) >= 2


@pytest.mark.parametrize(("device", "is_gone"), [("1", False), ("2", True), ("GPU-1ab", False), ("MIG-9", True)])
def test_a_device_is_gone_once_it_is_not_listed_any_more(device: str, is_gone: bool) -> None:
    before = "GPU 1: A (UUID: GPU-1abc)\nGPU 2: B (UUID: GPU-2abc)\n  MIG 1g.18gb Device 0: (UUID: MIG-9)"
    assert lanes.gone(device, before, lambda: before) is False
    assert lanes.gone(device, before, lambda: "GPU 1: A (UUID: GPU-1abc)\n") is is_gone
    assert lanes.gone(device, "", lambda: "") is False, "nothing tells"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError("CUDA error: no CUDA-capable device is detected"), "device lost"),
        (RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"), "device lost"),
        (RuntimeError("CUDA error: uncorrectable NVLink error detected during the execution"), "device lost"),
        (RuntimeError("CUDA error: device-side assert triggered"), None),
        (ValueError("GPU is lost"), None),
        (MemoryError(), "out of memory"),
    ],
)
def test_why_a_cell_failed_is_told_from_its_error(error: Exception, cause: str | None) -> None:
    assert worker._cause(error) == cause


@pytest.mark.parametrize("together", [True, False])
def test_out_of_memory_is_retried_only_by_one_that_shared(
    together: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import multiprocessing

    def greedy(job: BuildJob, pipe: object, device: str) -> None:
        mine = Path(job.path) / f"{device}.{job.task}"
        mine.touch()
        time.sleep(0.3)
        alone = len(list(Path(job.path).glob(f"{device}.*"))) == 1
        mine.unlink()
        full = Message("failed", "CUDA out of memory", stop="out of memory")
        pipe.send(Message("done") if alone and together else full)  # type: ignore[attr-defined]

    monkeypatch.setattr(local_executor, "work", greedy)
    executor = LocalExecutor(
        0, devices=("0",), jobs_per_device=2 if together else 1, _context=multiprocessing.get_context("fork")
    )
    events: list[Event] = []
    outcome = executor.run(jobs(tmp_path, 2), events.append)
    retried = sum(event.kind == "retry" for event in events)
    if together:
        assert set(outcome.values()) == {("done", "")}
        assert retried in (1, 2)
    else:
        assert {state for state, _ in outcome.values()} == {"failed"}
        assert not retried


def test_devices_are_those_that_the_environment_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-1234,7")
    assert devices("auto") == devices("cuda") == ("4", "GPU-1234", "7")
    assert devices("cuda:0,2") == ("4", "7")
    assert devices("cpu") == ()
    with pytest.raises(UsageError, match=r"no CUDA device 3 here, there are 0, 1, 2"):
        devices("cuda:0,3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,-1,2")
    assert devices("cuda") == ("1",)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices("auto") == ()


def test_jobs_limits_all_devices_together() -> None:
    lanes = Lanes.of(EIGHT, 2, 3, 4)
    assert [lane.device for lane in (lanes.enter(), lanes.enter(), lanes.enter()) if lane] == ["0", "1", "2"]
    assert lanes.enter() is None
    assert "3 cells at once" in str(lanes)


@pytest.mark.parametrize("device", ["tpu", "cuda:", "cuda:x", "cpu:0"])
def test_a_device_that_means_nothing_is_refused(toy: CommandLine, device: str) -> None:
    ended = toy(*SMOKE, "--device", device)
    assert ended.returncode == 2
    assert "cuda:0,2" in ended.stderr
