"""A cell is done only if its saved state gives back the model that made its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark import ModelSpec
from benchmark.cell.plain_states import require_storable
from benchmark.cell.updates import UpdateCounter
from benchmark.contracts.protocols import Batch, ModelContext, TrainingSlices
from benchmark.errors import BenchmarkError
from benchmark.store.record import Record
from benchmark.testing import tiny


class Sound:
    """One convolution."""

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.net = torch.nn.Conv2d(1, 1, 3, padding=1)
        self.optimiser = torch.optim.SGD(self.net.parameters(), 1e-2)

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        loss = (self.net(batch.source) - batch.target).abs().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"pixel": loss.detach()}

    def translate(self, source: Tensor) -> Tensor:
        return self.net(source).clamp(-1, 1)

    def networks(self) -> Mapping[str, torch.nn.Module]:
        return {"generator": self.net}

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])


class Noisy(Sound):
    """Draws noise while it translates, as its paper may say."""

    def translate(self, source: Tensor) -> Tensor:
        return (self.net(source) + 0.1 * torch.randn_like(source)).clamp(-1, 1)


class Threefold(Sound):
    """Three updates in each step."""

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        return [super(Threefold, self).training_step(batch) for _ in range(3)][-1]


class HiddenGain(Sound):
    """What it learns beside its network is lost."""

    gain = 1.0

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        self.gain *= 0.8
        return super().training_step(batch)

    def translate(self, source: Tensor) -> Tensor:
        return self.gain * super().translate(source)


class LoadsNothing(Sound):
    """Takes its state and does nothing with it."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def training_step(self, batch: Batch) -> Mapping[str, Any]:
        losses = super().training_step(batch)
        with torch.no_grad():
            self.net.bias.add_(0.2)
        return losses


class ForgetfulFit:
    """The mean target; its state has another."""

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.mean = 0.0

    def fit(self, slices: TrainingSlices) -> None:
        self.mean = float(np.mean([target.mean() for _, target, _ in slices])) + 0.3

    def translate(self, source: Tensor) -> Tensor:
        return torch.full_like(source, self.mean).clamp(-1, 1)

    def state_dict(self) -> dict[str, Any]:
        return {"mean": 0.0}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean = state["mean"]


class Pickled(Sound):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "where": Path("weights")}


def run(model: type, folder: Path, **more: Any) -> Record:
    spec = ModelSpec("made-up", f"{__name__}:{model.__name__}", **more)
    task = tiny.task_for(spec)
    tiny.write(folder / "tiny.h5", task, (32, 32))
    cell = tiny.cell(spec, folder / "tiny.h5", steps=4, options={})
    tiny.run(cell, folder / "cell", tiny.registry_with(spec, task), lambda: False)
    record = tiny.job(cell, folder / "cell").folder.read()
    assert record is not None
    return record


@pytest.mark.parametrize("model", [Sound, Noisy])
def test_a_model_that_comes_back_is_done(model: type, tmp_path: Path) -> None:
    assert run(model, tmp_path).done


@pytest.mark.parametrize(("model", "more"), [(HiddenGain, {}), (LoadsNothing, {}), (ForgetfulFit, {"kind": "fitted"})])
def test_a_model_that_does_not_come_back_fails_with_the_reason(model: type, more: Any, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"a fresh model with its saved state translates otherwise, by up to .* %"):
        run(model, tmp_path, **more)
    assert not (tmp_path / "cell" / "scores.parquet").exists()


def test_a_state_that_cannot_be_stored_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"holds pathlib.*Path at \['where'\], which cannot be stored"):
        run(Pickled, tmp_path)
    assert not (tmp_path / "cell" / "log.jsonl").exists()


class Thing:
    pass


@pytest.mark.parametrize("value", [Thing(), [torch.zeros(1), {"a": Thing}], lambda: 0])
def test_what_only_pickle_could_store_is_named(value: object) -> None:
    with pytest.raises(BenchmarkError, match="cannot be stored"):
        require_storable({"net": {}, "value": value})


@pytest.mark.parametrize(
    "value", [torch.Size([1]), torch.float16, (1, 2.0), {"a": None}, torch.nn.Linear(1, 1).state_dict()]
)
def test_what_comes_back_without_pickle_is_taken(value: object) -> None:
    require_storable({"value": value})


@pytest.mark.parametrize(("model", "updates"), [(Sound, 4), (Threefold, 12)])
def test_updates_that_were_made_stand_in_the_record(model: type, updates: int, tmp_path: Path) -> None:
    facts = run(model, tmp_path).training
    assert facts is not None
    assert (facts.steps, facts.updates) == (4, updates)


def test_the_weights_that_were_updated_most_count() -> None:
    one, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    optimisers = [torch.optim.Adam(net.parameters()) for net in (one, other)]
    again = torch.optim.SGD(one.parameters(), 0.1)
    with UpdateCounter() as counter:
        for optimiser in (*optimisers, again):
            optimiser.step()
    optimisers[1].step()
    assert counter.most == 2
