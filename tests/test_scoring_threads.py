"""Scores are the same to the last bit with any number of threads: what sums in parallel sums on one thread here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from small_datasets import write
from threadpoolctl import threadpool_info, threadpool_limits

from benchmark import MetricSpec, MetricUse, ProfileSpec, hookimpl
from benchmark.contracts.protocols import Images
from benchmark.data.format.reader import Dataset
from benchmark.plan.claim import CellAddress
from benchmark.registry import plugins
from benchmark.scoring.judge import make_judge
from benchmark.scoring.prepare import Study
from benchmark.scoring.score import score_studies
from benchmark.scoring.threads import one_thread


class Dot:
    """As a mean square error is computed."""

    def score(self, images: Images) -> float:
        errors = (images.prediction - images.target).ravel()
        return float(errors @ errors)


class Product:
    """As features of many windows are."""

    def score(self, images: Images) -> float:
        errors = (images.prediction - images.target).reshape(len(images), -1)
        return float(np.linalg.norm(errors @ errors.T))


class Network:
    """As a perceptual distance is."""

    def score(self, images: Images) -> float:
        errors = torch.from_numpy(images.prediction - images.target).float()
        return float(errors.square().mean() + (errors.reshape(-1, 64) @ torch.ones(64)).sum())


METRICS = (Dot, Product, Network)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> plugins.Registry:
    module = ModuleType("plugin_of_threads")

    @hookimpl
    def benchmark_metrics() -> Iterator[MetricSpec]:
        for metric in METRICS:
            name = metric.__name__.lower()
            yield MetricSpec(name, f"{module.__name__}:{metric.__name__}", label=name, higher_is_better=False,
                             level="volume")  # fmt: skip

    @hookimpl
    def benchmark_profiles() -> Iterator[ProfileSpec]:
        uses = tuple(MetricUse(metric.__name__.lower(), clip=False, outside="keep") for metric in METRICS)
        yield ProfileSpec("all", 1, uses, primary="dot")

    vars(module).update({metric.__name__: metric for metric in METRICS})
    vars(module).update(benchmark_metrics=benchmark_metrics, benchmark_profiles=benchmark_profiles)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return plugins.load([EntryPoint("made-up", module.__name__, "benchmark.plugins")])


@pytest.fixture
def threads() -> Iterator[None]:
    """Gives torch its threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_scores_do_not_depend_on_the_number_of_threads(registry: plugins.Registry, tmp_path: Path) -> None:
    with Dataset(write(tmp_path / "d.h5", splits={"train": 1, "test": 2}, slices=16, side=128)) as dataset:
        judge = make_judge(registry, "all", dataset.info)
        noise = np.random.default_rng(0)
        made = [
            (case.key, Study(case, case.target + noise.normal(0, 90, case.target.shape)))
            for case in dataset.iterate("test")
        ]
        rows = []
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            with threadpool_limits(limits=number):
                rows.append(score_studies(judge, made, CellAddress("mr-ct", "m", 0)).rows)
    assert len(rows[0]) == len(METRICS) * 2
    assert rows[0] == rows[1] == rows[2]


@pytest.mark.usefixtures("threads")
def test_threads_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    torch.set_num_threads(2)

    def broken() -> None:
        with one_thread():
            assert torch.get_num_threads() == 1
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}
            assert os.environ["MKL_NUM_THREADS"] == "1"
            raise KeyError

    with threadpool_limits(limits=2):
        with pytest.raises(KeyError):
            broken()
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {2}
    assert torch.get_num_threads() == 2
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ
