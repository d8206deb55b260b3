"""Models small enough to train in a blink, and some that go wrong on purpose."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import Unavailable
from benchmark.contracts.protocols import Batch, ModelContext, Samples, TrainingSlices


class Affine:
    """A 3x3 convolution trained with L1 on a slightly noisy source; its rate falls as the recipe says."""

    extendable = True

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.net = nn.Conv2d(1, 1, 3, padding=1, bias=getattr(options, "bias", True)).to(context.device)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=context.recipe.learning_rate)
        self.rate, self.budget, self.done = context.recipe.learning_rate, context.steps, 0
        self.start = context.recipe.decay_from * context.steps

    def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
        left = (self.budget - self.done) / (self.budget - self.start) if self.done > self.start else 1.0
        self.optimiser.param_groups[0]["lr"] = self.rate * left
        self.done += 1
        noisy = batch.source + 0.01 * torch.randn_like(batch.source)
        loss = ((self.net(noisy) - batch.target).abs() * batch.mask).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"l1": loss.detach()}

    def translate(self, source: Tensor) -> Tensor:
        output: Tensor = self.net(source).clamp(-1, 1)
        return output

    def networks(self) -> Mapping[str, nn.Module]:
        return {"generator": self.net}

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict(), "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = int(state["done"])


class Diverging(Affine):
    """Its third loss is NaN."""

    steps = 0

    def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
        self.steps += 1
        losses = super().training_step(batch)
        return {"l1": float("nan")} if self.steps == 3 else losses


class Crashing(Affine):
    """Its process is killed in the first step, as the kernel does when memory runs out."""

    def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().training_step(batch)


class Slow(Affine):
    """Sleeps in each step."""

    def __init__(self, options: Any, context: ModelContext) -> None:
        super().__init__(None, context)
        self.seconds = options.seconds

    def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
        time.sleep(self.seconds)
        return super().training_step(batch)


class Copy:
    """The source itself."""

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.gain = getattr(options, "gain", 1.0)

    def translate(self, source: Tensor) -> Tensor:
        return source * self.gain


class Talker(Copy):
    """Prints to standard output and to standard error."""

    def translate(self, source: Tensor) -> Tensor:
        print("chatter from a model", flush=True)
        os.write(2, b"more chatter\n")
        return super().translate(source)


class Mean:
    """The mean training target."""

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.mean = torch.zeros(context.task.image_size, dtype=torch.float64)

    def fit(self, slices: TrainingSlices) -> None:
        for _, target, _ in slices:
            self.mean += torch.from_numpy(target) / len(slices)

    def translate(self, source: Tensor) -> Tensor:
        return self.mean.to(source).expand_as(source)

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean = state["mean"]


class Drawer:
    """Noise, and which of it is positive."""

    def __init__(self, options: Any, context: ModelContext) -> None:
        self.size = context.task.image_size

    def sample(self, count: int, generator: torch.Generator) -> Samples:
        images = 2 * torch.rand(count, 1, *self.size, generator=generator) - 1
        return Samples(images, (images[:, 0] > 0).long())


def lacking(options: Any, context: ModelContext) -> Copy:
    """Would need weights that are not there."""
    raise Unavailable("weights missing: toy.pth; put it into $BENCHMARK_WEIGHTS")
