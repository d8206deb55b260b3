"""How long a run will still take: what its cells have taken so far, laid onto the workers that are there."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

FIRST_SHARE = 0.2
"""Of a cell that has taken no time yet nothing is said; of one whose training has come this far, something."""


@dataclass
class Pace:
    """What finished cells have taught: seconds by model, for a unit of declared cost, and after training."""

    _of_model: dict[str, list[float]] = field(default_factory=dict)
    _seconds: float = 0.0
    _cost: float = 0.0
    _tails: list[float] = field(default_factory=list)

    def learn(self, model: str, cost: float, seconds: float, tail: float | None) -> None:
        """A cell of a model took so many seconds, of which ``tail`` after its training (translating and scoring)."""
        self._of_model.setdefault(model, []).append(seconds)
        self._seconds += seconds
        self._cost += cost
        if tail is not None:
            self._tails.append(tail)

    @property
    def tail(self) -> float | None:
        """What comes after training, on average."""
        return sum(self._tails) / len(self._tails) if self._tails else None

    def expected(self, model: str, cost: float) -> float | None:
        """Seconds that a cell will take: as its model's others did, or else by its cost; ``None`` at first."""
        if known := self._of_model.get(model):
            return sum(known) / len(known)
        return self._seconds * cost / self._cost if self._cost else None

    def rest(self, model: str, cost: float, elapsed: float, share: float) -> float | None:
        """Seconds left of a cell that is running and has trained ``share`` of its steps; ``None`` if nobody knows."""
        expected = self.expected(model, cost)
        if share >= 1.0 and self.tail is not None:
            whole = elapsed + self.tail
        elif share > 0.0 and (share >= FIRST_SHARE or expected is None):
            whole = elapsed / share + (self.tail or 0.0)
        else:
            whole = expected if expected is not None else 0.0
        if whole == 0.0:
            return None
        # one that takes longer than it should is not about to end at any moment
        return max(whole - elapsed, 0.1 * elapsed)


def makespan(running: Iterable[float], waiting: Iterable[float], slots: int) -> float:
    """Seconds until everything is done: each of ``waiting`` starts, in this order, where the first slot gets free."""
    free = list(running)[:slots] if slots else []
    free += [0.0] * (max(1, slots) - len(free))
    heapq.heapify(free)
    for seconds in waiting:
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free)
