"""MLflow's stores, read back with MLflow's own client."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

SKIP = "needs benchmark-observers[mlflow]"
for needed in ("benchmark_observers", "alembic", "sqlalchemy", "mlflow"):
    pytest.importorskip(needed, reason=SKIP)

from benchmark_observers.mlflow_tracking import MLflowObserver  # noqa: E402
from benchmark_observers.options import MLflowOptions  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402

from benchmark.runs.observers import ObservedRun  # noqa: E402


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that the observer made; MLflow needs seconds for its tables, so that tests begin with a copy."""
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        MLflowObserver(MLflowOptions()).run_started(ObservedRun("empty", folder, "full", "smoke", ()))
    return folder / "observers/mlflow/mlflow.db"


@pytest.fixture
def own(story: Any, tables: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of the run folder's own database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    file = story.run.folder / "observers/mlflow/mlflow.db"
    file.parent.mkdir(parents=True)
    shutil.copy(tables, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["database", "files"])
def uri(request: pytest.FixtureRequest, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the observer writes: its own database unless told otherwise, or plain files, which MLflow must allow."""
    if request.param == "database":
        return own
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    return (tmp_path / "store").as_uri()


def runs(uri: str, experiment: str = "trial") -> list[Any]:
    """Oldest first."""
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return sorted(client.search_runs([found.experiment_id]), key=lambda run: (run.info.start_time, run.info.end_time))


def test_settings_curves_scores_and_state_are_in_the_store(story: Any, uri: str) -> None:
    observer = MLflowObserver(MLflowOptions())
    observer.run_started(story.run)
    observer.cell_started(story.cell)
    story.log(observer, 1, 2)
    observer.cell_finished(story.cell, story.record)
    observer.run_finished()
    (run,) = runs(uri)
    assert (run.info.run_name, run.info.status) == ("mr-ct/net/s0", "FINISHED")
    assert run.data.params["recipe.learning_rate"] == "0.001"
    assert run.data.params["option.kernels"] == "[3, 5]"
    assert run.data.params["cell"] == story.cell.id
    assert run.data.metrics == {
        "loss/pixel": 2.0,
        "training/images_per_s": 8.0,
        "score/psnr": 20.5,
        "time/train_s": 1.5,
        "parameters/generator": 12.0,
    }
    history = MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, "loss/pixel")
    assert sorted((point.step, point.value) for point in history) == [(1, 1.0), (2, 2.0)]
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("benchmark.")}
    assert tags == {
        "benchmark.state": "done",
        "benchmark.dataset": "phantom",
        "benchmark.simulated": "yes",
        "benchmark.profile": "default/1",
    }


def test_an_earlier_attempt_stays_as_killed_beside_the_new_one(story: Any, uri: str) -> None:
    first = MLflowObserver(MLflowOptions())
    first.run_started(story.run)
    first.cell_started(story.cell)
    story.log(first, 1, 2, 3)
    first.cell_started(story.cell)  # a retry
    story.log(first, 1, 2)
    first.run_finished()  # Ctrl-C
    assert [run.info.status for run in runs(uri)] == ["KILLED", "KILLED"]
    second = MLflowObserver(MLflowOptions())
    second.run_started(story.run)
    second.cell_started(story.cell)
    story.log(second, 1, 2, 3, 4)
    second.cell_finished(story.cell, story.record)
    found = runs(uri)
    assert sorted(run.info.status for run in found) == ["FINISHED", "KILLED", "KILLED"]
    assert {run.data.metrics["loss/pixel"] for run in found if run.info.status == "FINISHED"} == {4.0}


@pytest.mark.parametrize(
    ("state", "status"),
    [("skipped", "FINISHED"), ("failed", "FAILED"), ("timeout", "FAILED"), ("planned", "KILLED")],
)
def test_how_a_cell_ended_is_its_status(story: Any, tmp_path: Path, tables: Path, state: str, status: str) -> None:
    uri = f"sqlite:///{shutil.copy(tables, tmp_path / 'mine.db')}"
    observer = MLflowObserver(MLflowOptions(uri=uri, experiment="ablation"))
    observer.run_started(story.run)
    observer.cell_finished(story.cell, {"state": state, "reason": "so " * 400})
    (run,) = runs(uri, "ablation")
    assert run.info.status == status
    assert run.data.tags["benchmark.reason"].startswith("so so")


def test_what_a_killed_supervisor_left_open_is_ended_in_the_run_folders_own_database_only(
    story: Any, own: str, tables: Path, tmp_path: Path
) -> None:
    shared = f"sqlite:///{shutil.copy(tables, tmp_path / 'shared.db')}"
    for options, uri, status in ((MLflowOptions(), own, "KILLED"), (MLflowOptions(uri=shared), shared, "RUNNING")):
        lost = MLflowObserver(options)
        lost.run_started(story.run)
        lost.cell_started(story.cell)  # and no more
        assert [run.info.status for run in runs(uri)] == ["RUNNING"]
        MLflowObserver(options).run_started(story.run)
        assert [run.info.status for run in runs(uri)] == [status]  # a shared store may hold someone else's
