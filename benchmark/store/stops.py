"""Why a cell stopped before its end, kept apart, and what follows from each: it goes on by itself, or waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Stop = Literal["user", "walltime", "preempted", "node lost", "cancelled", "out of memory", "lost sight of"]
STOPS: tuple[Stop, ...] = get_args(Stop)


@dataclass(frozen=True)
class Policy:
    """What follows when a cell has stopped.

    ``continues``: it is begun again by itself, from its checkpoint, until it was begun ``--attempts`` times; otherwise
    it waits for the user's next ``benchmark run``. ``alone``: without others on its device.
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
    "lost sight of": Policy("it gave no sign of life any more", continues=True),
}


def goes_on(stop: Stop | None, attempt: int, attempts: int) -> bool:
    """Whether a cell that stopped in its ``attempt``-th attempt is begun again by itself."""
    return stop is not None and POLICIES[stop].continues and attempt < attempts


def outlook(stop: Stop, attempt: int, attempts: int) -> str:
    """Why it stopped and what comes next, for its row."""
    policy = POLICIES[stop]
    if goes_on(stop, attempt, attempts):
        return f"{policy.says}; goes on by itself, attempt {attempt + 1} of {attempts}"
    if policy.continues:
        return f"{policy.says}, in {attempt} of {attempts} attempts; the same command goes on from its checkpoint"
    return f"{policy.says}; the same command goes on from its checkpoint"
