"""How often weights were really updated: what optimisers did while a model trained, whoever called them.

The budget counts calls of ``training_step``; a model may do more in one than an update of each of its networks, as
MedGAN's algorithm says it does. That is its right, and a reader's to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook


@contextmanager
def watched_steps(stepped: Callable[[Optimizer], None]) -> Iterator[None]:
    """Inside, every step of any optimiser of this process is told when it has ended, once.

    A step that calls its base class's passes torch's hooks twice, or once, as other optimisers were made before.
    """
    begun: dict[int, int] = {}

    def begin(optimiser: Optimizer, *_: Any) -> None:
        begun[id(optimiser)] = begun.get(id(optimiser), 0) + 1

    def end(optimiser: Optimizer, *_: Any) -> None:
        begun[id(optimiser)] -= 1
        if not begun[id(optimiser)]:
            stepped(optimiser)

    handles = [register_optimizer_step_pre_hook(begin), register_optimizer_step_post_hook(end)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class UpdateCounter:
    """Counts the steps of all optimisers of this process while it is open.

    Two optimisers of the same weights count together; steps that a CUDA graph replays are not seen.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._open = ExitStack()

    @property
    def most(self) -> int:
        """Updates of those weights that had most."""
        return max(self._counts.values(), default=0)

    def __enter__(self) -> UpdateCounter:
        self._open.enter_context(watched_steps(self._count))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def _count(self, optimiser: Optimizer) -> None:
        for group in optimiser.param_groups:
            if group["params"]:
                key = id(group["params"][0])
                self._counts[key] = self._counts.get(key, 0) + 1
