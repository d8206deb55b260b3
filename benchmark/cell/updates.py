"""How often weights were really updated: what optimisers did while a model trained, whoever called them.

The budget counts calls of ``training_step``; a model may do more in one than an update of each of its networks, as
MedGAN's algorithm says it does. That is its right, and a reader's to know.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook


class UpdateCounter:
    """Counts the steps of all optimisers of this process while it is open.

    Two optimisers of the same weights count together; steps that a CUDA graph replays are not seen.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._handle: Any = None

    @property
    def most(self) -> int:
        """Updates of those weights that had most."""
        return max(self._counts.values(), default=0)

    def __enter__(self) -> UpdateCounter:
        self._handle = register_optimizer_step_post_hook(self._count)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._handle.remove()

    def _count(self, optimiser: Optimizer, _: Any, __: Any) -> None:
        for group in optimiser.param_groups:
            if group["params"]:
                key = id(group["params"][0])
                self._counts[key] = self._counts.get(key, 0) + 1
