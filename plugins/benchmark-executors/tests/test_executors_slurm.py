"""Toy grids on a real Slurm that the tests bring up themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_runs import logged, numbers, started, wait_for, with_executors
from command_line import CommandLine
from slurm_cluster import Cluster, NoSlurm, cluster

pytestmark = pytest.mark.slurm
SLURM = ("--executor", "slurm", "-p", "slurm.poll_seconds=0.2", "-p", "slurm.query_seconds=1")
TOYS = ("run", "--grid", "toy", "--preset", "smoke", "--models")
SLOW = (*TOYS, "toy-slow", "-p", "toy-slow.seconds=0.2", "--steps", "30")


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    pytest.importorskip("submitit")
    # not in tmp_path: sockets have short names
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        try:
            with cluster(Path(folder)) as running:
                yield running
        except NoSlurm as reason:
            pytest.skip(str(reason))


@pytest.fixture
def toy(tmp_path: Path, slurm: Cluster) -> CommandLine:
    command = with_executors(tmp_path)
    command.environment["SLURM_CONF"] = slurm.environment["SLURM_CONF"]
    return command


def test_packed_cells_give_the_numbers_of_local(toy: CommandLine, slurm: Cluster) -> None:
    models = (*TOYS, "toy-affine,toy-copy,toy-nan")
    ended = toy(*models, "--name", "x", *SLURM, "-p", "slurm.pack=2", "-p", "slurm.only=toy-nan:cpus=2")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    states = {model: record["state"] for model, record in toy.records("results/x").items()}
    assert states == {"toy-affine": "done", "toy-copy": "done", "toy-nan": "failed"}
    bundles = sorted(path.parent.name for path in toy.folder.glob("results/x/jobs/*/*/bundle.json"))
    assert len(bundles) == 3  # the data; two cells; the one that needs more
    wait_for(lambda: not slurm.jobs())  # a job outlives its last cell by a moment
    local = toy(*TOYS, "toy-affine,toy-copy", "--name", "local")
    assert local.returncode == 0, local.stderr
    ours, theirs = numbers(toy, "results/x"), numbers(toy, "results/local")
    assert {cell: ours[cell] for cell in theirs} == theirs


@pytest.mark.slow
def test_warned_requeued_and_left_alone_cells_go_on_by_themselves(toy: CommandLine, slurm: Cluster) -> None:
    arguments = (*SLOW, "--seeds", "3", "--name", "x", *SLURM)
    run = toy.folder / "results/x"
    with started(toy, *arguments):  # and killed
        wait_for(lambda: len([lines for lines in logged(run).values() if lines > 2]) == 3)
        first, second, third = (id_ for id_, _ in slurm.jobs())
        slurm.call("scancel", "--signal=USR2", first)  # what Slurm sends before time is up
        slurm.call("scontrol", "requeue", second)
    wait_for(lambda: {state for id_, state in slurm.jobs() if id_ != third} <= {"PENDING"})
    for id_, state in slurm.jobs():
        if state == "PENDING":  # Slurm lets a requeued job wait two minutes
            slurm.call("scontrol", "update", f"JobId={id_}", "StartTime=now")
    ended = toy(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    wait_for(lambda: not slurm.jobs())  # a job outlives its last cell by a moment
    assert len(list(run.glob("jobs/*/*/bundle.json"))) == 4  # nothing was submitted twice
    assert toy(*SLOW, "--seeds", "3", "--name", "local").returncode == 0
    assert numbers(toy, "results/x") == numbers(toy, "results/local")


@pytest.mark.slow
def test_detached_cells_are_done_without_the_run_and_a_cancelled_one_waits(toy: CommandLine, slurm: Cluster) -> None:
    arguments = (*SLOW, "--seeds", "2", "--name", "x", *SLURM)
    left = toy(*arguments, "-p", "slurm.detach=yes")
    assert left.returncode == 0, left.stdout + left.stderr
    assert "2 cells are in Slurm's queue" in left.stderr
    run = toy.folder / "results/x"
    wait_for(lambda: len([lines for lines in logged(run).values() if lines > 2]) == 2)
    with started(toy, *arguments) as process:
        slurm.call("scancel", slurm.jobs()[0][0])
        printed, _ = process.communicate(timeout=300)
    wait_for(lambda: not slurm.jobs())  # a job outlives its last cell by a moment
    again = toy(*arguments)
    assert again.returncode == 0, printed + again.stdout + again.stderr


def test_what_slurm_never_takes_fails_with_its_words(toy: CommandLine) -> None:
    ended = toy(*TOYS, "toy-copy", "--name", "x", *SLURM, "-p", "slurm.partition=nowhere")
    assert ended.returncode == 1
    assert "nvalid partition" in toy.records("results/x")["toy-copy"]["reason"]
