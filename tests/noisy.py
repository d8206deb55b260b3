"""A model that is trained in a moment, for tests of training: its weights depend on all that training depends on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.contracts.protocols import Batch, ModelContext


class Noisy:
    """A convolution trained on noisy sources, with dropout: its course depends on every random state."""

    def __init__(self, _options: None = None, _context: ModelContext | None = None) -> None:
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(4, 1, 1))
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=1e-2)
        self.explode_at: int | None = None
        self.seen = 0

    def training_step(self, batch: Batch) -> Mapping[str, Tensor | float]:
        self.seen += 1
        noise = torch.randn_like(batch.source) + float(np.random.rand())
        loss = ((self.net(batch.source + 0.1 * noise) - batch.target).abs() * batch.mask).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"l1": math.nan if self.seen == self.explode_at else loss.detach()}

    def translate(self, source: Tensor) -> Tensor:
        self.net.eval()
        output: Tensor = self.net(source).tanh()
        self.net.train()
        return output

    def networks(self) -> Mapping[str, nn.Module]:
        return {"generator": self.net}

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
