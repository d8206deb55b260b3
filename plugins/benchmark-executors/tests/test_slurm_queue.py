"""What Slurm's commands are asked, and how their answers are read; none is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_executors import needs, slurm
from benchmark_executors.options import SlurmOptions
from benchmark_executors.queues import Busy, Refused, Request

from benchmark.contracts.presets import DataSize
from benchmark.errors import UsageError
from benchmark.executors import Assignment, Needs
from benchmark.plan.expand import BuildJob

submitit = pytest.importorskip("submitit")
POLICY = "sbatch: error: AssocMaxSubmitJobLimit Batch job submission failed: Job violates accounting/QOS policy"


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> slurm.SlurmQueue:
    monkeypatch.setattr(submitit.SlurmExecutor, "affinity", classmethod(lambda _: 2))
    options = SlurmOptions(partition="gpu", time=60, sbatch=("constraint=a100", "exclusive"), only=("mr-ct:time=90",))
    return slurm.SlurmQueue(options, 4, needs.Needs("slurm", options.only, slurm.SAID_OF_ONE))


def requests(number: int) -> list[Request]:
    job = BuildJob("task", "x.h5", DataSize(16, 1, 1, 1, 1), 0, {})
    return [Request(Path(str(index)), (Assignment("a", job),)) for index in range(number)]


def answers(monkeypatch: pytest.MonkeyPatch, code: int, printed: str) -> list[tuple[str, ...]]:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(slurm, "_call", lambda *command: (calls.append(command), (code, printed))[1])
    return calls


def test_arrays_become_smaller_until_the_limit_takes_them(
    queue: slurm.SlurmQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def submit(part: Sequence[Request]) -> list[SimpleNamespace]:
        tried.append(len(part))
        if len(part) > 3:
            raise RuntimeError(POLICY)
        return [SimpleNamespace(job_id=f"7_{index}") for index in range(len(part))]

    monkeypatch.setattr(queue, "_map", submit)
    assert queue.submit(requests(10)) == ["7_0", "7_1"]
    assert tried == [10, 5, 2]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (POLICY, Busy),
        ("sbatch: error: Unable to contact slurm controller (connect failure)", Busy),
        ("sbatch: error: Socket timed out on send/recv operation", Busy),
        ("sbatch: error: invalid partition specified: nowhere", Refused),
        ("sbatch: error: Requested node configuration is not available", Refused),
        ("sbatch: unrecognized option '--frobnicate'", Refused),
    ],
)
def test_what_may_pass_is_tried_again_and_the_rest_is_not(
    queue: slurm.SlurmQueue, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[Exception]
) -> None:
    def submit(part: Sequence[Request]) -> list[SimpleNamespace]:
        raise RuntimeError(said)

    monkeypatch.setattr(queue, "_map", submit)
    with pytest.raises(kind, match="sbatch"):
        queue.submit(requests(3))


def test_one_question_for_all_jobs(queue: slurm.SlurmQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "7_0|RUNNING|None",
        "7_1|PENDING|Resources",
        "7_2|COMPLETED|None",
        "7_3|NODE_FAIL|None",
        "7_4|CANCELLED|None",
        "7_5|PENDING|launch failed requeued held",
    ]
    calls = answers(monkeypatch, 0, "\n".join(lines) + "\n")
    said = queue.look([f"7_{index}" for index in range(7)])
    assert said is not None
    assert [said[f"7_{index}"].where for index in range(7)] == ["running", "waiting", *["gone"] * 5]
    assert [said[f"7_{index}"].stop for index in (3, 4)] == ["node lost", "cancelled"]
    assert [command[0] for command in calls] == ["squeue", "scancel"]  # one that is held for ever goes


def test_a_held_job_is_gone_once_it_could_be_taken_back(
    queue: slurm.SlurmQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    fates = {"squeue": (0, "7_0|PENDING|JobHoldMaxRequeue\n"), "scancel": (1, "Unable to contact slurm controller")}
    monkeypatch.setattr(slurm, "_call", lambda *command: fates[command[0]])
    assert queue.look(["7_0"]) is None
    fates["scancel"] = (0, "")
    said = queue.look(["7_0"])
    assert said is not None
    assert said["7_0"].where == "gone"


def test_a_controller_that_does_not_answer_says_nothing(
    queue: slurm.SlurmQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, 1, "slurm_load_jobs error: Unable to contact slurm controller")
    assert queue.look(["7_0"]) is None


def test_sbatch_is_asked_for_what_was_said(queue: slurm.SlurmQueue) -> None:
    asked = queue._parameters(requests(1))
    assert (asked["partition"], asked["time"], asked["cpus_per_task"]) == ("gpu", 60, 1)
    assert asked["additional_parameters"] == {"requeue": True, "constraint": "a100", "exclusive": True}
    assert "gres" not in asked
    promised = Assignment("a", requests(1)[0].assignments[0].job, needs=Needs(gpu=True))
    assert queue._parameters([Request(Path("0"), (promised,))])["gres"] == "gpu:1"


def took(*cells: tuple[float | None, float | None]) -> Request:
    """A job of cells of which finished ones took so many seconds and MB."""
    job = requests(1)[0].assignments[0].job
    return Request(Path("0"), tuple(Assignment("a", job, needs=Needs(False, *taken)) for taken in cells))


@pytest.mark.parametrize(
    ("said", "jobs", "time", "mem"),
    [
        ({}, [took((600.0, 700.0))], 24, "2G"),
        ({}, [took((600.0, 700.0), (300.0, 700.0)), took((60.0, 700.0))], 34, "2G"),
        ({}, [took((600.0, 5000.0))], 24, "16G"),
        ({"time": 7}, [took((600.0, 700.0))], 7, "2G"),
        ({"mem": "3G"}, [took((600.0, 700.0))], 24, "3G"),
        ({}, [took((None, None))], None, None),
        ({}, [took((600.0, None), (None, None))], None, None),
        ({"measured": False}, [took((600.0, 700.0))], None, None),
    ],
)
def test_time_and_memory_are_asked_for_as_finished_cells_took_them(
    said: dict[str, Any], jobs: list[Request], time: int | None, mem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitit.SlurmExecutor, "affinity", classmethod(lambda _: 2))
    options = SlurmOptions(**{"measured": True, **said})
    asked = slurm.SlurmQueue(options, 4, needs.Needs("slurm", ()))._parameters(jobs)
    assert (asked.get("time"), asked.get("mem")) == (time, mem)


@pytest.mark.parametrize("only", ["medgan", "medgan:time", "medgan:colour=red", "medgan:time=long"])
def test_wishes_for_one_model_are_checked(only: str) -> None:
    with pytest.raises(UsageError, match="only="):
        needs.Needs("slurm", (only,), slurm.SAID_OF_ONE).check("time", int)
