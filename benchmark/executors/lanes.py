"""Where jobs of this machine run: each device is a lane that takes so many at once, or the cores are the only one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmark.errors import UsageError

ASK_SECONDS = 20.0


@dataclass
class Lane:
    """A device, by what ``CUDA_VISIBLE_DEVICES`` calls it (empty: the processor), and who is on it."""

    device: str
    capacity: int
    jobs: int = 0
    reserved: bool = False
    """Whether the job on it wants to be alone."""


@dataclass
class Lanes:
    """All of them. ``slots``: how many jobs at once on all together."""

    slots: int
    lanes: list[Lane] = field(default_factory=list)

    @classmethod
    def of(cls, devices: Sequence[str], per_device: int, jobs: int, cores: int) -> Lanes:
        """One for each device; ``jobs``: at most so many on all together, 0 for what there is room for."""
        if not devices:
            slots = jobs or cores
            return cls(slots, [Lane("", slots)])
        lanes = [Lane(device, per_device) for device in devices]
        return cls(min(jobs or len(lanes) * per_device, len(lanes) * per_device), lanes)

    def enter(self, *, alone: bool = False) -> Lane | None:
        """A place on the emptiest lane; ``None`` while there is none."""
        if sum(lane.jobs for lane in self.lanes) >= self.slots:
            return None
        if not self.lanes:
            return None
        lane = min(self.lanes, key=lambda lane: (lane.reserved, lane.jobs))
        if lane.reserved or lane.jobs >= (1 if alone else lane.capacity):
            return None
        lane.jobs, lane.reserved = lane.jobs + 1, alone
        return lane

    def leave(self, lane: Lane) -> None:
        """A job of the lane has ended."""
        lane.jobs -= 1
        lane.reserved = False

    def take_out(self, lane: Lane) -> bool:
        """Its device is gone: nothing more goes there. Whether it was one of them until now."""
        if lane not in self.lanes:
            return False
        self.lanes.remove(lane)
        self.slots = min(self.slots, sum(each.capacity for each in self.lanes))
        return True

    def __str__(self) -> str:
        """For people."""
        if not self.lanes:
            return "none is left"
        if self.lanes[0].device:
            names = ", ".join(lane.device for lane in self.lanes)
            return f"{self.slots} cells at once, {self.lanes[0].capacity} each on CUDA device {names}"
        return f"{self.slots} cells at once, on the processor's cores"


def gone(device: str, before: str, ask: Callable[[], str]) -> bool:
    """Whether a device is no longer listed that was in an earlier :func:`listing`; where nothing tells, it is not."""
    known = any(_names(device, line) for line in before.splitlines())
    return known and not any(_names(device, line) for line in ask().splitlines())


def _names(device: str, line: str) -> bool:
    """Whether a line of a listing is of a device: by its number, or the start of its id."""
    return line.startswith(f"GPU {device}:") if device.isdigit() else f"UUID: {device}" in line


def listing() -> str:
    """The devices of this machine and their parts, a line each, as the driver's own tool lists them."""
    return _ask("-L")


def devices(asked: str) -> tuple[str, ...]:
    """The devices that ``--device`` means on this machine, by what ``CUDA_VISIBLE_DEVICES`` calls them; torch is not
    imported for it. Empty for ``cpu``, and where there are none or nothing tells.

    Raises:
        UsageError: ``cuda:N`` of a device that is not there.
    """
    if asked == "cpu":
        return ()
    there = _installed()
    _, _, numbers = asked.partition(":")
    if not numbers:
        return there
    wanted = [int(number) for number in numbers.split(",")]
    if missing := [number for number in wanted if number >= len(there)]:
        has = f"there are {', '.join(map(str, range(len(there))))}" if there else "there is none"
        raise UsageError(f"--device {asked}: no CUDA device {missing[0]} here, {has}; see 'benchmark doctor'")
    return tuple(there[number] for number in dict.fromkeys(wanted))


def _installed() -> tuple[str, ...]:
    """Those that this process may use: what the environment says, else what the driver's own tool lists."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        # as CUDA reads it: everything up to the first that means nothing
        end = next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))
        return tuple(names[:end])
    said = _ask("--query-gpu=index", "--format=csv,noheader")
    return tuple(line.strip() for line in said.splitlines() if line.strip().isdigit())


def _ask(*arguments: str) -> str:
    """What the driver's tool prints, whatever it exits with: of many devices it may miss one. Empty without it."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return ""
    try:
        return subprocess.run(
            [tool, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
