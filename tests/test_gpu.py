"""Cells on a CUDA device, from the command line. ``BENCHMARK_GPU_TESTS_ON=cpu`` shows without one whether the tests
themselves work; with ``tox -e gpu`` they run, and the tables of docs/performance.md are made."""

from __future__ import annotations

import os
import time

import pytest
from cluster_runs import logged, numbers
from command_line import CommandLine

pytestmark = pytest.mark.gpu
AFFINE = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-affine", "--steps", "40")
SLOW = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-slow", "--steps", "60")


@pytest.fixture(scope="module")
def device() -> str:
    asked = os.environ.get("BENCHMARK_GPU_TESTS_ON", "cuda")
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    return asked


def test_a_cell_says_which_device_it_was_trained_on_and_what_memory_it_took(toy: CommandLine, device: str) -> None:
    ended = toy.alone(*AFFINE, "--name", "x", "--device", device)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    record = toy.records("results/x")["toy-affine"]
    assert (record["device"] == "cpu") is (device == "cpu")
    assert ("peak_gpu_memory_mb" in record) is (device == "cuda")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_scores_as_on_the_processor(precision: str, toy: CommandLine, device: str) -> None:
    scores = {}
    for name, where in (("x", device), ("y", "cpu")):
        ended = toy.alone(*AFFINE, "--name", name, "--device", where, "--precision", precision)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        scores[name] = toy.records(f"results/{name}")["toy-affine"]["scores"]["toy-error"]["mean"]
    assert scores["x"] == pytest.approx(scores["y"], rel=1e-2 if precision == "fp32" else 1e-1)


def test_stopped_there_it_goes_on_on_the_processor(toy: CommandLine, device: str) -> None:
    """A checkpoint of a machine with GPUs is continued on one without."""
    arguments = (*SLOW, "-p", "toy-slow.seconds=0.2", "--name", "x")
    process = toy.start(*arguments, "--device", device)
    deadline = time.monotonic() + 300
    while not any(lines > 2 for lines in logged(toy.folder / "results/x").values()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    process.terminate()
    process.communicate(timeout=120)
    ended = toy.alone(*arguments, "--device", "cpu")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    record = toy.records("results/x")["toy-slow"]
    assert record["device"] == "cpu"
    assert record["training"]["resumed_at"] > 0


def test_two_cells_share_a_device_and_give_the_numbers_of_one_after_the_other(toy: CommandLine, device: str) -> None:
    for name, shared in (("x", "2"), ("y", "1")):
        ended = toy.alone(*AFFINE, "--seeds", "2", "--name", name, "--device", device, "--jobs-per-device", shared)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    ours, theirs = ({cell: scores for cell, (scores, _) in numbers(toy, f"results/{run}").items()} for run in "xy")
    means = [[each["toy-error"]["mean"] for _, each in sorted(run.items())] for run in (ours, theirs)]
    assert means[0] == pytest.approx(means[1], rel=1e-3)
