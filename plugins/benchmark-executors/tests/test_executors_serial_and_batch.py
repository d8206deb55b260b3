"""Runs of the toy plugin through each executor: the same numbers, the same failures, the same resuming."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_runs import logged, wait_for, with_executors
from command_line import CommandLine

SMOKE = ("run", "--grid", "toy", "--preset", "smoke")
QUEUE = """#!/bin/sh
# a batch system of one line: starts the script in a session of its own and prints an id
setsid sh "$1" > "$2" 2>&1 &
echo "queued as"
echo "$!;cluster"
"""
CANCEL = """#!/bin/sh
# numbers of processes are used again: only one of this test may be ended
grep -qs '{folder}' "/proc/$1/cmdline" && kill -9 -- "-$1"
exit 0
"""


@pytest.fixture
def toy(tmp_path: Path) -> CommandLine:
    """The command line with two plugins: the toy, and the executors."""
    return with_executors(tmp_path)


@pytest.fixture
def batch(toy: CommandLine) -> Iterator[tuple[str, ...]]:
    """Arguments that run cells through a queue which only starts processes; what is left of them is killed."""
    script, cancel = toy.folder / "submit", toy.folder / "cancel"
    script.write_text(QUEUE)
    cancel.write_text(CANCEL.format(folder=toy.folder))
    for file in (script, cancel):
        file.chmod(0o755)
    options = {
        "submit": f"{script} {{script}} {{output}}",
        "cancel": f"{cancel} {{id}}",
        "query": "ps -A -o pid=",
        "query_seconds": "0.3",
        "poll_seconds": "0.1",
        "lost_seconds": "3",
    }
    yield (
        "--executor",
        "batch",
        *(part for name, value in options.items() for part in ("-p", f"batch.{name}={value}")),
    )
    for file in toy.folder.glob("results/*/jobs/*/*/job.id"):
        subprocess.run([toy.folder / "cancel", file.read_text().strip()], check=False)


def trains(run: Path) -> bool:
    """Whether a cell of a run is in the midst of its training."""
    return any(lines > 2 for lines in logged(run).values())


def weights(toy: CommandLine, run: str, model: str) -> bytes:
    import torch

    cell = toy.records(f"results/{run}")[model]["id"]
    payload = torch.load(toy.folder / f"results/{run}/cells/{cell}/checkpoint.pt", weights_only=True)
    return b"".join(value.numpy().tobytes() for value in payload["model"]["net"].values())


def slow(name: str, steps: int = 15) -> tuple[str, ...]:
    return (*SMOKE, "--models", "toy-slow", "-p", "toy-slow.seconds=0.2", "--steps", str(steps), "--name", name)


def test_every_executor_gives_the_same_numbers(toy: CommandLine, batch: tuple[str, ...]) -> None:
    for name, arguments in (("local", ()), ("serial", ("--executor", "serial")), ("batch", batch)):
        ended = toy(*SMOKE, "--models", "toy-affine", "--name", name, *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    local = toy.records("results/local")
    for name in ("serial", "batch"):
        found = toy.records(f"results/{name}")
        for key in ("id", "scores"):
            assert {model: one[key] for model, one in found.items()} == {
                model: one[key] for model, one in local.items()
            }
        assert weights(toy, name, "toy-affine") == weights(toy, "local", "toy-affine")
    about = json.loads((toy.folder / "results/batch/run.json").read_text())
    assert about["options"]["executor"] == "batch"


@pytest.mark.slow
def test_failures_are_rows_whoever_runs_the_cells(toy: CommandLine, batch: tuple[str, ...]) -> None:
    for name, arguments, last, state in (
        ("serial", ("--executor", "serial"), "toy-copy", "done"),
        ("batch", batch, "toy-crash", "failed"),  # in the process itself a crash would end everything
    ):
        ended = toy(*SMOKE, "--models", f"toy-nan,toy-lacking,{last}", "--name", name, *arguments)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        states = {model: record["state"] for model, record in toy.records(f"results/{name}").items()}
        assert states == {"toy-nan": "failed", "toy-lacking": "skipped", last: state}
    reason = toy.records("results/batch")["toy-crash"]["reason"]
    assert "was killed by SIGKILL, 2 of 2 attempts" in reason, "inside its job a cell is tried again, as by local"


def test_what_a_model_prints_in_the_foreground_is_seen(toy: CommandLine) -> None:
    ended = toy(*SMOKE, "--models", "toy-talker", "--executor", "serial", "--name", "x")
    assert "chatter from a model" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["serial", "batch"])
def test_interrupted_it_continues_from_its_checkpoint(toy: CommandLine, batch: tuple[str, ...], executor: str) -> None:
    arguments = (*slow("broken"), *(batch if executor == "batch" else ("--executor", "serial")))
    process = toy.start(*arguments)
    folder = toy.folder / "results/broken"
    wait_for(lambda: trains(folder))
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert toy.records("results/broken")["toy-slow"]["state"] == "planned"
    again = toy(*arguments)
    assert again.returncode == 0, again.stdout + again.stderr
    assert toy.records("results/broken")["toy-slow"]["training"]["resumed_at"] > 0
    assert toy(*slow("unbroken")).returncode == 0
    assert weights(toy, "broken", "toy-slow") == weights(toy, "unbroken", "toy-slow")


@pytest.mark.slow
def test_jobs_end_when_the_run_was_killed_and_the_next_run_waits_for_them(
    toy: CommandLine, batch: tuple[str, ...]
) -> None:
    # the job must still be there, in training, when the next run looks, however long that takes to start
    arguments = (*slow("killed", steps=45), *batch, "-p", "batch.lost_seconds=30")
    process = toy.start(*arguments)
    folder = toy.folder / "results/killed"
    wait_for(lambda: trains(folder))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    again = toy(*arguments)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "waiting for 1 jobs of an earlier run" in again.stdout
    causes = [json.loads(path.read_text())["cause"] for path in folder.glob("jobs/*/*/ended")]
    assert causes.count("finished") == 2, "the job of the data, and the cell's last"
    assert {*causes} - {"finished"} <= {"stopped", "orphaned"}, "whichever the cell's first saw before the other"
    assert len(causes) == 3
    assert toy.records("results/killed")["toy-slow"]["state"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["serial", "batch"])
def test_a_cell_that_takes_too_long_is_a_timeout(toy: CommandLine, batch: tuple[str, ...], executor: str) -> None:
    how = batch if executor == "batch" else ("--executor", "serial")
    ended = toy(*slow("x"), "--steps", "1000", "--timeout", "8", *how)
    assert ended.returncode == 1
    assert toy.records("results/x")["toy-slow"]["state"] == "timeout"


@pytest.mark.slow
def test_a_job_that_never_starts_and_left_the_queue_has_failed(toy: CommandLine, batch: tuple[str, ...]) -> None:
    (toy.folder / "submit").write_text("#!/bin/sh\necho 4194999\n")
    assert toy(*SMOKE, "--models", "toy-copy", "--name", "y").returncode == 0  # the data are there
    more = ("-p", "batch.lost_seconds=0.5", "-p", "batch.cancel=", "-p", "batch.query=true")
    ended = toy(*SMOKE, "--models", "toy-copy", "--name", "x", *batch, *more)
    assert ended.returncode == 1
    assert "not in the queue any more" in ended.stdout


@pytest.mark.slow
def test_a_template_is_filled_and_the_queue_is_kept_short(toy: CommandLine, batch: tuple[str, ...]) -> None:
    (toy.folder / "job.sh").write_text("#!/bin/sh\n#SBATCH --gres=gpu:1\ndate +%s%N > started\n  {command}\n")
    more = ("--models", "toy-mean,toy-copy", "-p", "batch.template=job.sh", "--json")
    ended = toy(*SMOKE, "--name", "x", "--jobs", "1", *batch, *more)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    scripts = [path.read_text() for path in toy.folder.glob("results/x/jobs/*/*/job.sh")]
    assert scripts
    assert all("#SBATCH --gres=gpu:1" in text and "{command}" not in text for text in scripts)
    running = 0
    for line in ended.stdout.splitlines():
        running += {"started": 1, "finished": -1}.get(json.loads(line)["event"], 0)
        assert running in (0, 1)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("submit=no-such-command {script}", "no command 'no-such-command'"),
        ("submit=sh", "has no {script}"),
        ("template=nowhere.sh", "nowhere.sh"),
        ("poll_seconds=0", "lost_seconds above poll_seconds"),
        ("sumbit=x", "Did you mean 'submit'"),
    ],
)
def test_a_wrong_option_is_one_line(toy: CommandLine, batch: tuple[str, ...], option: str, said: str) -> None:
    ended = toy(*SMOKE, "--name", "x", *batch, "-p", f"batch.{option}")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_command_that_refuses_a_job_fails_its_cell_with_what_it_said(
    toy: CommandLine, batch: tuple[str, ...]
) -> None:
    (toy.folder / "submit").write_text("#!/bin/sh\necho 'no such partition' >&2\nexit 3\n")
    assert toy(*SMOKE, "--name", "x").returncode == 0  # data are there
    ended = toy(*SMOKE, "--models", "toy-mean", "--name", "y", *batch)
    assert ended.returncode == 1
    assert "exited with 3: no such partition" in toy.records("results/y")["toy-mean"]["reason"]


def test_a_cell_imports_nothing_that_the_fork_server_could_have_had_ready(toy: CommandLine) -> None:
    """Each cell has a process of its own: what it imports is imported once a cell."""
    program = """
import sys
import benchmark.executors.preload
ready = set(sys.modules)
import benchmark
run = benchmark.run("toy", preset="smoke", models=["toy-affine"], executor="serial")
assert run.ok, run.states
packages = [name.partition(".")[0] for name in set(sys.modules) - ready]
heavy = ("torch", "numpy", "scipy", "h5py", "nibabel", "pandas", "pyarrow", "matplotlib")
print("LATE", *(name for name in heavy if packages.count(name) > 3), flush=True)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=toy.folder,
        env=toy.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert "LATE\n" in ended.stdout, ended.stdout
