"""Why a cell stopped before its end, kept apart, and what follows from each: it goes on by itself, or waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Stop = Literal[
    "user", "walltime", "preempted", "node lost", "cancelled", "out of memory", "device lost", "lost sight of"
]
STOPS: tuple[Stop, ...] = get_args(Stop)


@dataclass(frozen=True)
class Policy:
    """What follows when a cell has stopped.

    ``continues``: it is begun again by itself, from its checkpoint, until ``--attempts`` in a row did not get further;
    otherwise it waits for the user's next ``benchmark run``. ``alone``: without others on its device.
    """

    says: str
    continues: bool
    alone: bool = False


POLICIES: Mapping[Stop, Policy] = {
    "user": Policy("the user stopped the run", continues=False),
    "walltime": Policy("the time that the batch system gave it was over", continues=True),
    "preempted": Policy("the batch system needed the machine for another job", continues=True),
    "node lost": Policy("its machine went away", continues=True),
    "cancelled": Policy("somebody cancelled its job", continues=False),
    "out of memory": Policy("memory ran out", continues=True, alone=True),
    "device lost": Policy("its device went away", continues=True),
    "lost sight of": Policy("it gave no sign of life any more", continues=True),
}


def next_attempt(stop: Stop | None, attempt: int, attempts: int, *, further: bool = False) -> int | None:
    """Which attempt comes next, by itself, for a cell that stopped in its ``attempt``-th; ``None``: it waits.

    ``further``: its training went on from where it stood. Such an attempt does not count, or a cell that takes ten
    walltimes could not be trained.
    """
    if stop is None or not POLICIES[stop].continues:
        return None
    if further:
        return 1
    return attempt + 1 if attempt < attempts else None
