"""One training step as precision and device want it: autocast, and a CUDA graph where asked for and possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from benchmark.cell.device import autocast
from benchmark.contracts.protocols import Batch, CapturableModel, TrainedModel
from benchmark.errors import BenchmarkError, UsageError

WARM_UP = 3
"""Steps before the capture, run as they are: they allocate the optimisers' state and choose algorithms."""


@dataclass(frozen=True)
class Stepper:
    """Trains one step on a batch and gives its loss terms; ``how`` is for the record."""

    step: Callable[[Batch], dict[str, float]]
    how: str
    replays: bool = False
    """Most steps are replays of a graph, in which no optimiser is called."""


def make_stepper(model: TrainedModel, device: torch.device, precision: str, *, graphs: bool = False) -> Stepper:
    """How to train the model one step. With ``graphs``, as a CUDA graph if the model declares that it can.

    Raises:
        UsageError: graphs are asked for on a device that has none.
    """
    if graphs and device.type != "cuda":
        raise UsageError(f"--cuda-graphs: the device is {device.type}; use --device cuda, or leave it out")
    if graphs and getattr(model, "capturable", False):
        graphed = GraphedStep(cast(CapturableModel, model), device, precision)
        return Stepper(graphed, f"CUDA graph after {WARM_UP} steps", replays=True)

    def eager(batch: Batch) -> dict[str, float]:
        with autocast(device, precision):
            losses = model.training_step(batch)
        return as_numbers(losses)

    return Stepper(eager, "eager: the model does not declare its step capturable" if graphs else "eager")


class GraphedStep:
    """Replays a model's update as one CUDA graph: training at batch 1 is bound by launches, not by arithmetic.

    The first :data:`WARM_UP` steps run on a side stream, as capture asks; they train like any other. The capture
    itself computes nothing, so the step it belongs to is its first replay.
    """

    def __init__(self, model: CapturableModel, device: torch.device, precision: str) -> None:
        self._model = model
        self._device = device
        self._precision = precision
        self._warm_up = WARM_UP
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch: Batch | None = None
        self._losses: Mapping[str, Tensor | float] = {}

    def __call__(self, batch: Batch) -> dict[str, float]:
        """One step.

        Raises:
            BenchmarkError: the update cannot be captured after all.
        """
        self._model.begin_step()
        if self._warm_up:
            self._warm_up -= 1
            return self._beside(batch)
        if self._graph is None or self._batch is None:
            self._batch = Batch(batch.source.clone(), batch.target.clone(), batch.mask.clone())
            self._graph = self._capture(self._batch)
        else:
            for name in ("source", "target", "mask"):
                getattr(self._batch, name).copy_(getattr(batch, name))
        self._graph.replay()
        return as_numbers(self._losses)

    def _beside(self, batch: Batch) -> dict[str, float]:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream), autocast(self._device, self._precision):
            losses = self._model.update(batch)
        current.wait_stream(self._stream)
        return as_numbers(losses)

    def _capture(self, batch: Batch) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph), autocast(self._device, self._precision):
                self._losses = self._model.update(batch)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise BenchmarkError(
                f"its step cannot be captured as a CUDA graph ({reason}); leave out --cuda-graphs"
            ) from error
        return graph


def as_numbers(losses: Mapping[str, Tensor | float]) -> dict[str, float]:
    """Loss terms as plain numbers, waiting for the device once, however many terms there are."""
    tensors = [value.detach().double().reshape(()) for value in losses.values() if isinstance(value, Tensor)]
    values = iter(torch.stack(tensors).tolist() if tensors else ())
    return {name: next(values) if isinstance(value, Tensor) else float(value) for name, value in losses.items()}
