"""What a batch system is to the run that uses it: it takes jobs, says which it still has, and removes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from benchmark.executors import Assignment
from benchmark.store.stops import Stop


class Refused(Exception):
    """The batch system will never take such a job: no such partition, no such command. Nothing was submitted."""


class Busy(Exception):
    """It does not take a job now, but may later: a limit on jobs, a controller that does not answer."""


@dataclass(frozen=True)
class Standing:
    """Where a job stands: ``waiting`` to start, or to start again; ``running``; ``gone`` and not coming back."""

    where: Literal["waiting", "running", "gone"]
    word: str = ""
    """What the batch system calls it."""
    stop: Stop | None = None
    """Why it is gone, where the batch system says so."""


@dataclass(frozen=True)
class Request:
    """A job to be submitted: its folder, and what it is for."""

    folder: Path
    assignments: tuple[Assignment, ...]

    @property
    def name(self) -> str:
        """For people who look at the queue."""
        more = len(self.assignments) - 1
        return self.assignments[0].title + (f" and {more} more" if more else "")


class Queue(Protocol):
    """A batch system. Every method may take long; none raises anything else than what it says."""

    can_be_asked: bool
    """Whether :meth:`look` ever tells anything; where it does not, a job that is silent is given up."""

    def submit(self, requests: Sequence[Request]) -> list[str]:
        """Take some of the jobs, from the first on, all with the same needs; their ids.

        Raises:
            Refused: none was taken, and none of them ever will.
            Busy: none was taken; it may later.
        """
        ...

    def look(self, ids: Sequence[str]) -> Mapping[str, Standing] | None:
        """Where jobs stand, by one question for all; without those it cannot tell of. ``None``: it cannot be asked."""
        ...

    def cancel(self, ids: Sequence[str]) -> str:
        """Remove jobs, whether they run or wait; why that failed, if so."""
        ...
