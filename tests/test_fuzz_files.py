"""Damaged and hostile files of every format that the project reads: an error that names the file, or harmless.

A hundred files of each kind in the default suite, 400 in the tests marked ``slow`` (2,000 before a release). They are
read in a process of their own, so that a hang or a crash is found and said to be one.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from command_line import STRANGERS
from fuzzing import TEXT, counts, mutated, other_json, outcomes
from small_datasets import write

from benchmark import leaderboard as boards
from benchmark.cell import checkpoints
from benchmark.contracts.specs import WeightsSpec
from benchmark.data.checks.file import check
from benchmark.data.format.reader import Dataset
from benchmark.data.summary import summary
from benchmark.errors import BenchmarkError
from benchmark.evaluation.predictions import Lost, open_predictions
from benchmark.plan.expand import make_plan
from benchmark.plan.grid import load_grid
from benchmark.pretrained import weights
from benchmark.registry import plugins
from benchmark.registry.plugins import Registry
from benchmark.settings.statement import PlanChoices
from benchmark.store.folder import RunFolder
from benchmark.store.predictions import write_predictions
from benchmark.store.seal import sealed

COUNTS = counts(100)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished run of the toy grid."""
    return Path(shutil.copytree(finished / "results/run", tmp_path / "run"))


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """The toy plugin alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STRANGERS / "benchmark-toy" / "src"))
        yield plugins.load([EntryPoint("toy", "benchmark_toy", "benchmark.plugins")])
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmark_toy"]:
        del sys.modules[name]


@COUNTS
def test_data_sets(tmp_path: Path, count: int) -> None:
    path = write(tmp_path / "d.h5", splits={"train": 1, "val": 1, "test": 1})
    original = path.read_bytes()

    def read(damaged: Path) -> None:
        errors = [problem for problem in check(damaged) if problem.severity == "error"]
        assert all(problem.what.isprintable() and problem.advice for problem in errors)
        with Dataset(damaged) as dataset:
            for key in dataset.info.cases:
                _ = dataset.load(key), dataset.physics(key), dataset.origins(key)
        summary(damaged)

    found = outcomes(read, path, lambda seed: mutated(original, seed), count)
    assert found["refused"] > count / 2


def look_at(run: Path, registry: Registry, shown: set[str]) -> None:
    """What is done with a run: its cells are listed, and its leaderboards built in every form.

    Most damaged files are refused alike; boards of records that stand in ``shown`` were built before.
    """
    folder = RunFolder(run)
    folder.records(verify=True)
    metrics, tasks = ({n: o.spec for n, o in registry.all(kind).items()} for kind in ("metric", "task"))
    material = [*folder.stream()], folder.about().published, folder.unreadable()
    if (description := repr(material)) in shown:
        return
    built = boards.build(material[0], metrics, tasks, *material[1:])
    for form in (boards.to_markdown, boards.to_csv, boards.to_json, boards.to_latex, boards.print_terminal):
        form(built)
    shown.add(description)


@COUNTS
def test_plans_of_runs(run: Path, registry: Registry, count: int) -> None:
    path = run / "run.json"
    original, shown = path.read_bytes(), set[str]()
    try:
        found = outcomes(
            lambda _: look_at(run, registry, shown), path, lambda seed: mutated(original, seed, TEXT), count
        )
    finally:
        path.write_bytes(original)
    assert found["refused"] > 0.9 * count


@COUNTS
def test_plans_of_runs_that_somebody_made_up(run: Path, registry: Registry, count: int) -> None:
    path = run / "run.json"
    original, shown = path.read_bytes(), set[str]()
    plan = {key: value for key, value in json.loads(original).items() if key != "sha256"}
    try:
        found = outcomes(
            lambda _: look_at(run, registry, shown),
            path,
            lambda seed: sealed(other_json(plan, random.Random(seed))),
            count,
        )
    finally:
        path.write_bytes(original)
    assert min(found["refused"], found["read"]) > count / 20


@COUNTS
def test_records(run: Path, registry: Registry, count: int) -> None:
    path = next(run.glob("cells/*/record.json"))
    original, shown = path.read_bytes(), set[str]()
    try:
        found = outcomes(
            lambda _: look_at(run, registry, shown), path, lambda seed: mutated(original, seed, TEXT), count
        )
    finally:
        path.write_bytes(original)
    assert found["read"] == count


@COUNTS
@pytest.mark.parametrize("name", ["scores.parquet", "predictions.h5", "checkpoint.pt"])
def test_altered_files_of_a_finished_cell(run: Path, count: int, name: str) -> None:
    """Nobody opens them: their hash stands in the record, and the cell counts as failed."""
    path = next(run.glob(f"cells/*/{name}"))
    original = path.read_bytes()
    (record,) = [each for each in RunFolder(run).records() if each.id == path.parent.name]

    def read(damaged: Path) -> None:
        states = {each.id: each for each in RunFolder(run).records(verify=True)}
        found = states[record.id]
        if damaged.read_bytes() != original:
            assert (found.state, found.reason) == ("failed", f"{name} was altered")

    try:
        assert outcomes(read, path, lambda seed: mutated(original, seed), count)["read"] == count
    finally:
        path.write_bytes(original)


@COUNTS
def test_predictions(tmp_path: Path, count: int) -> None:
    """As the harness writes them; files of others are read in the same way."""
    data = Dataset(write(tmp_path / "d.h5", splits={"train": 1, "test": 2}))
    cases = list(data.iterate("test"))
    path = tmp_path / "p.h5"

    with write_predictions(path, data.info, cell="c") as stored:
        for case in cases:
            stored.add(case.key, case.target)
    data.close()
    original = path.read_bytes()

    def read(damaged: Path) -> None:
        predictions = open_predictions(damaged, data.info)
        for case in cases:
            with suppress(Lost):
                np.testing.assert_array_equal(predictions.prediction(case), case.target)
        assert predictions.unused() is not None

    found = outcomes(read, path, lambda seed: mutated(original, seed), count)
    assert found["refused"] > count / 8


@COUNTS
def test_checkpoints(tmp_path: Path, count: int) -> None:
    path = tmp_path / "checkpoint.pt"
    model = {"generator": {"weight": torch.linspace(-1, 1, 600)}, "optimiser": [{"lr": 1e-3, "betas": (0.5, 0.9)}]}
    checkpoints.save(path, checkpoints.Checkpoint("c", 3, 1.0, False, model, checkpoints.random_state()))
    original = path.read_bytes()

    def read(damaged: Path) -> None:
        found = checkpoints.load(damaged, "c", torch.device("cpu"))
        if found is not None:
            assert torch.equal(found.model["generator"]["weight"], model["generator"]["weight"])
            assert (found.step, found.model["optimiser"]) == (3, model["optimiser"])
            checkpoints.restore_random_state(found.random)

    assert checkpoints.load(path, "c", torch.device("cpu")) is not None
    outcomes(read, path, lambda seed: mutated(original, seed), count)


def as_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    safetensors.numpy.save_file(arrays, path)


def as_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(path, **arrays)


def as_pth(path: Path, arrays: dict[str, np.ndarray]) -> None:
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)


@COUNTS
@pytest.mark.parametrize(
    ("name", "save"), [("eyes.safetensors", as_safetensors), ("eyes.npz", as_npz), ("eyes.pth", as_pth)]
)
def test_pretrained_weights(
    tmp_path: Path, count: int, name: str, save: Callable[[Path, dict[str, np.ndarray]], None]
) -> None:
    path = tmp_path / name
    save(path, {"features.0.weight": np.ones((4, 3, 3), np.float32), "features.0.bias": np.zeros(4, np.float32)})
    wanted = WeightsSpec(
        "eyes", "eyes.pth", title="Eyes", url="file:///x", sha256="", parameters=40, prefix="features."
    )
    original = path.read_bytes()

    def read(damaged: Path) -> None:
        tensors = weights.read(damaged, wanted)
        assert sum(tensor.numel() for tensor in tensors.values()) == 40

    found = outcomes(read, path, lambda seed: mutated(original, seed), count)
    assert found["refused"] > count / 8


GRID = """
name = "mine"
summary = "What it is for."

[[entries]]
tasks = ["toy-shift"]
profile = "toy"
models = [
    "toy-affine",
    { model = "toy-affine", name = "toy-2", options = { scale = 1.5 }, recipes = { smoke = { batch_size = 2 } } },
]

[[published]]
task = "toy-shift"
source = "somebody"
note = "on what"
[published.scores]
toy-affine = { toy-error = 0.5 }
"""


@COUNTS
def test_grids(tmp_path: Path, registry: Registry, count: int) -> None:
    path = tmp_path / "grid.toml"
    original = GRID.encode()

    def read(damaged: Path) -> None:
        grid = load_grid(registry, str(damaged))
        assert not set(grid.name) & set("/\\ \0")
        with suppress(BenchmarkError):  # a name that nobody offers
            make_plan(registry, grid, PlanChoices(preset="smoke", datasets=tmp_path))

    found = outcomes(read, path, lambda seed: mutated(original, seed, TEXT), count)
    assert found["refused"] > count / 2
