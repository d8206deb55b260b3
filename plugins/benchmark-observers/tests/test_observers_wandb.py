"""Weights & Biases' offline run files, read back as the library's own messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SKIP = "needs benchmark-observers[wandb]"
pytest.importorskip("benchmark_observers", reason=SKIP)
pytest.importorskip("wandb", reason=SKIP)

from benchmark_observers.options import WandbOptions  # noqa: E402
from benchmark_observers.wandb_runs import WandbObserver  # noqa: E402

from benchmark import Unavailable  # noqa: E402

Read = Callable[[Path], list[Any]]


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No one is logged in, and nothing set outside leaks in."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT", "NETRC"):
        monkeypatch.delenv(name, raising=False)


def test_config_history_summary_and_nothing_else_are_in_the_run_file(story: Any, wandb_runs: Read) -> None:
    observer = WandbObserver(WandbOptions(project="trials"))
    observer.run_started(story.run)
    observer.cell_started(story.cell)
    story.log(observer, 1, 2)
    observer.cell_finished(story.cell, story.record)
    observer.run_finished()
    (run,) = wandb_runs(story.run.folder / "observers/wandb")
    assert (run.name, run.group, run.project, run.exit_code) == ("mr-ct/net/s0", "trial", "trials", 0)
    assert run.config["recipe.learning_rate"] == 0.001
    assert run.config["option.kernels"] == "[3, 5]"
    assert run.config["cell"] == story.cell.id
    assert [(line["_step"], line["loss/pixel"]) for line in run.history] == [(1, 1.0), (2, 2.0)]
    kept = {name: value for name, value in run.summary.items() if not name.startswith("_")}
    assert kept == {
        "loss/pixel": 2.0,
        "training/images_per_s": 8.0,
        "score/psnr": 20.5,
        "time/train_s": 1.5,
        "parameters/generator": 12.0,
        "state": "done",
        "dataset": "phantom",
        "simulated": "yes",
        "profile": "default/1",
    }
    # neither output, nor files (packages, git, code), nor statistics of the machine
    assert run.files == []
    assert run.kinds <= {"header", "run", "telemetry", "summary", "history", "exit"}


def test_an_earlier_attempt_stays_as_failed_beside_the_new_one(story: Any, wandb_runs: Read) -> None:
    observer = WandbObserver(WandbOptions())
    observer.run_started(story.run)
    observer.cell_started(story.cell)
    story.log(observer, 1, 2, 3)
    observer.cell_started(story.cell)
    story.log(observer, 1, 2, 3, 4)
    observer.cell_finished(story.cell, story.record)
    observer.run_finished()
    found = {run.exit_code: run for run in wandb_runs(story.run.folder)}
    assert sorted(found) == [0, 1]
    assert [line["_step"] for line in found[1].history] == [1, 2, 3]
    assert [line["_step"] for line in found[0].history] == [1, 2, 3, 4]
    assert "score/psnr" not in found[1].summary


@pytest.mark.parametrize(("state", "code"), [("skipped", 0), ("failed", 1)])
def test_how_a_cell_ended_is_its_exit_code(story: Any, wandb_runs: Read, state: str, code: int) -> None:
    observer = WandbObserver(WandbOptions())
    observer.run_started(story.run)
    observer.cell_finished(story.cell, {"state": state, "reason": "weights missing"})
    (run,) = wandb_runs(story.run.folder)
    assert run.exit_code == code
    assert run.summary["reason"] == "weights missing"


def test_online_needs_someone_logged_in() -> None:
    with pytest.raises(Unavailable, match="nobody is logged in"):
        WandbObserver(WandbOptions(mode="online"))
