"""Runs of the command line with the bridges on: what is in the stores, also after Ctrl-C and SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, installed_plugins

pytest.importorskip("benchmark_observers", reason="needs benchmark-observers")

SMOKE = ("run", "--grid", "toy", "--preset", "smoke", "--name", "x")
ALL = ("--observe", "tensorboard,mlflow,wandb")
# a library that is not there, whatever is installed; and what the supervisor connects to
ABSENT = "raise ModuleNotFoundError(f'No module named {__name__!r}', name=__name__)"
WITNESS = """
import socket, sys
def hook(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        named = arguments[0]
    elif event == "socket.connect" and arguments[0].family != socket.AF_UNIX:
        named = arguments[1][0]
    else:
        return
    if named not in ("localhost", "127.0.0.1", "::1", None):
        open("called.txt", "a").write(f"{event} {named}\\n")
sys.addaudithook(hook)
"""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody's. One for all tests: a run whose environment is another's needs a new server of workers."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def bridged(tmp_path: Path, home: Path) -> CommandLine:
    """The toy plugin and the bridges, nobody logged in anywhere."""
    command = CommandLine.make(tmp_path)
    others = [name for name in installed_plugins() if name != "observers"]
    for name in list(command.environment):
        if name.startswith(("WANDB_", "MLFLOW_")):
            del command.environment[name]
    command.environment |= {"BENCHMARK_DISABLE_PLUGINS": ",".join(others), "HOME": str(home)}
    return command


@pytest.fixture
def libraries() -> None:
    for name in ("tensorboard", "alembic", "sqlalchemy", "mlflow", "wandb"):
        pytest.importorskip(name, reason="needs benchmark-observers[tensorboard,mlflow,wandb]")


def losses(folder: Path) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        event.step: event.value
        for name in events.Tags()["scalars"]
        if "loss/" in name
        for event in events.Scalars(name)
    }


def mlflow_runs(folder: Path) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/observers/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name(folder.name)
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


@pytest.mark.slow
@pytest.mark.usefixtures("libraries")
def test_a_whole_run_is_in_all_three_and_calls_nobody(
    bridged: CommandLine, wandb_runs: Callable[[Path], list[Any]]
) -> None:
    (bridged.folder.parent / "site/sitecustomize.py").write_text(WITNESS)
    ended = bridged.alone(*SMOKE, "--models", "toy-affine,toy-copy,toy-nan", *ALL)
    assert ended.returncode == 1  # toy-nan
    assert "observer" not in ended.stdout + ended.stderr
    assert "mlflow" not in ended.stderr.lower()
    assert not (bridged.folder / "called.txt").exists()
    folder = bridged.folder / "results/x"
    records = bridged.records("results/x")
    in_mlflow = {run.data.params["model"]: run for run in mlflow_runs(folder)}
    in_wandb = {run.config["model"]: run for run in wandb_runs(folder)}
    assert set(in_mlflow) == set(in_wandb) == set(records) == {"toy-affine", "toy-copy", "toy-nan"}
    for name, record in records.items():
        assert in_mlflow[name].data.tags["benchmark.state"] == record["state"] == in_wandb[name].summary["state"]
        assert in_mlflow[name].data.params["cell"] == record["id"]
        for metric, score in record.get("scores", {}).items():  # one of the toy's metrics has no value
            assert in_mlflow[name].data.metrics.get(f"score/{metric}") == score.get("mean")
            assert in_wandb[name].summary.get(f"score/{metric}") == score.get("mean")
    assert in_mlflow["toy-nan"].info.status == "FAILED"
    assert in_wandb["toy-nan"].exit_code == 1
    steps = records["toy-affine"]["training"]["steps"]
    assert list(losses(folder / "observers/tensorboard/toy-shift/toy-affine/s0")) == list(range(1, steps + 1))


@pytest.mark.slow
@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_cell_that_goes_on_after_an_interruption_is_told_from_its_first_step(
    bridged: CommandLine, wandb_runs: Callable[[Path], list[Any]], how: signal.Signals
) -> None:
    command = (*SMOKE, "--models", "toy-slow", "-p", "toy-slow.seconds=0.6", "--steps", "20", *ALL)
    folder = bridged.folder / "results/x"
    (folder / "observers/mlflow").mkdir(parents=True)
    mlflow_runs(folder)  # makes the tables, which may take longer than training does
    process = bridged.start(*command)
    until = time.monotonic() + 120
    while not (mlflow_runs(folder) and any(folder.glob("*/*/log.jsonl"))):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    if how is signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, how)  # as a terminal does: the libraries' own processes get it too
    output, _ = process.communicate(timeout=100)
    assert " is out, " not in output, output
    if how is signal.SIGINT:
        assert bridged.records("results/x")["toy-slow"]["state"] == "planned", output
    again = bridged(*command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert " is out, " not in again.stdout
    (events,) = (folder / "observers/tensorboard/toy-shift/toy-slow/s0").iterdir()
    assert list(losses(events.parent)) == list(range(1, 21))
    assert sorted(run.info.status for run in mlflow_runs(folder)) == ["FINISHED", "KILLED"], output
    files = list(folder.glob("observers/wandb/wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    if how is signal.SIGINT:
        assert sorted(run.exit_code for run in wandb_runs(folder)) == [0, 1]


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("tensorboard.folder=taken", "observer tensorboard (benchmark-observers 0.1.0) is out"),
        ("mlflow.uri=file:store", "observer mlflow (benchmark-observers 0.1.0) is out"),
        ("mlflow.uri=nonsense://here", "observer mlflow (benchmark-observers 0.1.0) is out"),
        ("wandb.project=a/b", "observer wandb (benchmark-observers 0.1.0) is out"),
    ],
)
def test_a_store_that_cannot_be_written_costs_itself_only(bridged: CommandLine, setting: str, said: str) -> None:
    (bridged.folder / "taken").write_text("a file, not a folder")
    name = setting.partition(".")[0]
    ended = bridged(*SMOKE, "--models", "toy-copy", "--observe", name, "-p", setting)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(said) == 1, ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    assert bridged.records("results/x")["toy-copy"]["state"] == "done"


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_library_is_said_before_anything_runs(bridged: CommandLine, name: str) -> None:
    (bridged.folder.parent / "site" / f"{name}.py").write_text(ABSENT)
    ended = bridged.alone(*SMOKE, "--observe", name)
    assert ended.returncode == 1
    assert f"pip install 'benchmark-observers[{name}]'" in ended.stderr
    assert len(ended.stderr.splitlines()) <= 2
    assert not (bridged.folder / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--observe", "tensorbord"), "Did you mean 'tensorboard'?"),
        (("--observe", "mlflow", "-p", "mlflow.url=x"), "Did you mean 'uri'?"),
        (("--observe", "wandb", "-p", "wandb.mode=maybe"), "offline"),
        (("-p", "mlflow.uri=x"), "mlflow"),
    ],
)
def test_a_bad_option_is_said_before_anything_runs(bridged: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    ended = bridged(*SMOKE, *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert not (bridged.folder / "results").exists()


def test_online_with_nobody_logged_in_is_said_before_anything_runs(bridged: CommandLine) -> None:
    pytest.importorskip("wandb", reason="needs benchmark-observers[wandb]")
    ended = bridged(*SMOKE, "--observe", "wandb", "-p", "wandb.mode=online")
    assert ended.returncode == 1
    assert "nobody is logged in" in ended.stderr
    assert not (bridged.folder / "results").exists()


def test_listing_imports_no_library(bridged: CommandLine) -> None:
    program = (
        "import sys\nfrom benchmark.cli import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('LOADED', *({'tensorboard', 'mlflow', 'wandb', 'torch', 'sqlalchemy'} & set(sys.modules)))"
    )
    for arguments in (("list", "observers"), ("list",), ("show", "observer", "mlflow")):
        ended = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=bridged.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert "mlflow" in ended.stdout
        assert ended.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("module", ["tensorboard_events", "mlflow_tracking", "wandb_runs"])
def test_a_bridge_needs_neither_torch_nor_tensorflow(module: str) -> None:
    program = f"import sys, benchmark_observers.{module}; assert not {{'torch', 'tensorflow'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
