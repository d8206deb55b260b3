"""A data set file for a task that no plugin offers: it says itself all that a run needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import CommandLine
from small_datasets import write

from benchmark.data.format.schema import Side, Window

OWN = ("run", "--grid", "toy", "--preset", "smoke", "--profile", "toy", "--data", "t1-t2=own.h5", "--tasks", "t1-t2")
RUN = "results/own"


@pytest.fixture
def own(toy: CommandLine) -> CommandLine:
    """A folder with ``own.h5``: MR T1 to MR T2, which the toy plugin knows nothing of."""
    side = Side("MR T2", "a.u.", Window(0.5, 99.5, "percentile"))
    write(toy.folder / "own.h5", splits={"train": 6, "val": 1, "test": 3}, target=side, task="t1-t2", side=16)
    return toy


def test_every_model_of_the_grid_is_trained_scored_verified_and_done_only_once(own: CommandLine) -> None:
    first = own(*OWN, "--models", "toy-affine,toy-copy,toy-hu", "--name", "own")
    assert first.returncode == 0, first.stdout + first.stderr
    records = own.records(RUN)
    assert {name: record["state"] for name, record in records.items()} == {
        "toy-affine": "done",
        "toy-copy": "done",
        "toy-hu": "skipped",
    }
    assert records["toy-hu"]["reason"] == "toy-hu works on targets in HU, t1-t2 is in a.u."
    assert {record["task"] for record in records.values()} == {"t1-t2"}
    tables = own("leaderboard", RUN).stdout
    assert "MR T1" in tables
    assert "MR T2" in tables
    verified = own("verify", RUN)
    assert verified.returncode == 0, verified.stdout
    assert "2 cells hold what they say" in verified.stdout
    again = own(*OWN, "--models", "toy-affine,toy-copy,toy-hu", "--name", "own", "--json")
    assert "started" not in [json.loads(line)["event"] for line in again.stdout.splitlines()]


def test_without_naming_tasks_it_joins_those_of_the_grid(own: CommandLine) -> None:
    shown = own("run", "--grid", "toy", "--profile", "toy", "--data", "t1-t2=own.h5", "--dry-run", "--json")
    cells = json.loads(shown.stdout)["cells"]
    models = {"toy-affine", "toy-copy", "toy-mean"}
    for task in ("toy-shift", "t1-t2"):
        assert {cell["model"] for cell in cells if cell["task"] == task} == models


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tasks", "t1-t2"), "no task 't1-t2'"),
        (("--data", "t1-t3=own.h5"), "its data are for task 't1-t2'; give it as --data t1-t2=own.h5"),
        (("--data", "t1-t2=missing.h5"), "missing.h5"),
        (("--data", "t1-t2=own.h5", "--tasks", "toy-shift"), "data for task 't1-t2', but only toy-shift was asked for"),
        (("--data", "t1-t2=own.h5", "--tasks", "t1-t2"), "no profile 'default'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(
    own: CommandLine, arguments: tuple[str, ...], message: str
) -> None:
    ended = own("run", "--grid", "toy", "--preset", "smoke", *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not (own.folder / "results").exists()


@pytest.mark.slow
def test_predictions_made_elsewhere_are_scored_on_it(own: CommandLine) -> None:
    own(*OWN, "--models", "toy-copy", "--name", "own")
    stored = next(Path(own.folder / RUN).glob("cells/*/predictions.h5"))
    common = ("evaluate", "--task", "t1-t2", "--predictions", str(stored), "--profile", "toy", "--name", "elsewhere")
    for where in (("--data", "own.h5"), ("--into", RUN)):
        ended = own(*common, *where)
        assert ended.returncode == 0, ended.stderr
    scores = [record["scores"]["toy-error"]["mean"] for record in own.records(RUN).values()]
    assert len(scores) == 2
    assert scores[0] == scores[1]
