"""The order of things in a step replayed as a CUDA graph, with stand-ins for CUDA's part: no device is needed.

What a graph computes is checked on hardware by tests marked ``gpu``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark import BenchmarkError
from benchmark.cell.step import WARM_UP, make_stepper
from benchmark.contracts.protocols import Batch

CUDA = torch.device("cuda")


class Notes:
    """A model that notes what it is asked; its loss is the mean of the source."""

    capturable = True

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.seen: Batch | None = None

    def begin_step(self) -> None:
        self.calls.append("begin")

    def update(self, batch: Batch) -> Mapping[str, Tensor | float]:
        self.calls.append("update")
        self.seen = batch
        return {"mean": batch.source.mean()}

    def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
        self.begin_step()
        return self.update(batch)


class Graph:
    """Replays by noting what lies in the batch that was captured."""

    def __init__(self, model: Notes) -> None:
        self.model = model
        self.replayed: list[float] = []

    def replay(self) -> None:
        assert self.model.seen is not None
        self.model.calls.append("replay")
        self.replayed.append(float(self.model.seen.source.mean()))


class Stream:
    def __init__(self, device: Any = None) -> None: ...

    def wait_stream(self, other: Stream) -> None: ...


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Notes:
    notes = Notes()
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Graph(notes))

    @contextmanager
    def graph(_: Graph) -> Iterator[None]:
        notes.calls.append("capture")
        yield

    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr("benchmark.cell.step.autocast", lambda *_: nullcontext())
    return notes


def batch(value: float) -> Batch:
    image = torch.full((1, 1, 2, 2), value)
    return Batch(image, image, image)


def test_warm_up_steps_train_then_one_capture_then_replays_on_the_same_memory(model: Notes) -> None:
    stepper = make_stepper(model, CUDA, "fp32", graphs=True)  # type: ignore[arg-type]
    assert stepper.how == f"CUDA graph after {WARM_UP} steps"
    for number in range(WARM_UP + 3):
        stepper.step(batch(float(number)))
    ordinary, first, later = ["begin", "update"], ["begin", "capture", "update", "replay"], ["begin", "replay"]
    assert model.calls == ordinary * WARM_UP + first + later * 2
    graph = stepper.step._graph  # type: ignore[attr-defined]
    assert graph.replayed == [WARM_UP, WARM_UP + 1, WARM_UP + 2]


def test_the_callers_batch_is_not_written_to(model: Notes) -> None:
    stepper = make_stepper(model, CUDA, "fp32", graphs=True)  # type: ignore[arg-type]
    batches = [batch(float(number)) for number in range(WARM_UP + 3)]
    for each in batches:
        stepper.step(each)
    assert [float(each.source.mean()) for each in batches] == list(range(WARM_UP + 3))


def test_a_model_that_does_not_declare_itself_capturable_runs_as_it_is_and_says_so(model: Notes) -> None:
    model.capturable = False
    stepper = make_stepper(model, CUDA, "fp32", graphs=True)  # type: ignore[arg-type]
    assert "does not declare" in stepper.how
    assert stepper.step(batch(2.0)) == {"mean": 2.0}
    assert model.calls == ["begin", "update"]


def test_without_being_asked_for_there_is_no_graph(model: Notes) -> None:
    assert make_stepper(model, CUDA, "fp32").how == "eager"  # type: ignore[arg-type]


def test_a_capture_that_fails_says_what_to_leave_out(model: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    stepper = make_stepper(model, CUDA, "fp32", graphs=True)  # type: ignore[arg-type]
    for _ in range(WARM_UP):
        stepper.step(batch(0.0))

    def refuse(_: Batch) -> Mapping[str, Tensor | float]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(model, "update", refuse)
    with pytest.raises(BenchmarkError, match=r"not permitted when stream is capturing\); leave out --cuda-graphs"):
        stepper.step(batch(0.0))
