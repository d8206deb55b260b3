"""The jobs of a run as the run sees them: what their files say, and whether anything more will come of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.cell.job import CellJob, Progress
from benchmark.executors import Assignment, Event
from benchmark_executors import exchange
from benchmark_executors.bundle import FINAL, Bundle, ended
from benchmark_executors.queues import Standing
from benchmark_executors.remote import ORPHANED, REPLACED, STOPPED, TERMINATED, WALLTIME

WHY = {
    STOPPED: "it was told to stop",
    ORPHANED: "it found the run gone",
    REPLACED: "it was started twice",
    WALLTIME: "its time was up",
    TERMINATED: "it was terminated from outside (cancelled, preempted or requeued)",
}


@dataclass
class Cell:
    """An assignment on its way to an end. Steps say how far its training was ever seen, now and when it was last broken
    off; ``fruitless`` counts how often in a row that happened without its having come further."""

    assignment: Assignment
    best: int = -1
    best_before: int = -1
    fruitless: int = 0

    def broken_off(self) -> None:
        """Note that the job that did it is over, and it is not."""
        self.fruitless = 0 if self.best > self.best_before else self.fruitless + 1
        self.best_before = self.best


@dataclass
class Job:
    """Some cells and the job that does them; ``cells`` are those that have not ended, by their number in the bundle."""

    folder: Path
    cells: dict[int, Cell]
    id: str
    standing: Standing | None = None
    """What the batch system said last; ``None`` if it could not be asked or cannot tell."""
    beat: exchange.Pulse = field(init=False)
    _gone: int = 0
    """How many times in a row it said that it does not have the job."""
    _begun: set[int] = field(default_factory=set)
    _steps: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.beat = exchange.Pulse(self.folder / "beat")

    @property
    def gone(self) -> bool:
        """Whether the batch system does not have it any more: it said so twice, since it may answer before it has taken
        note of a job, and files may arrive later than its answer."""
        return self._gone >= 2

    @property
    def left(self) -> bool:
        """Whether nothing works on it now, by what it said itself."""
        return (self.folder / "ended").exists() or bool(exchange.last_departure(self.folder))

    def note(self, standing: Standing | None) -> None:
        """What the batch system has answered; ``None`` if nothing."""
        self.standing = standing
        if standing is not None:
            self._gone = self._gone + 1 if standing.where == "gone" else 0

    def read(self, notify: Callable[[Event], None]) -> list[tuple[Cell, str, str]]:
        """Pass on what its files say; the cells that have ended since, with state and reason."""
        self.beat.silent_seconds()
        over = []
        for number, cell in list(self.cells.items()):
            said = exchange.read(self.folder / f"progress.{number}")
            result = ended(self.folder, number)
            if said or result or (self.beat.ever and number == min(self.cells)):
                self._begin(number, notify)
            if said and said["step"] != self._steps.get(number):
                self._steps[number] = said["step"]
                cell.best = max(cell.best, said["step"])
                notify(Event("progress", cell.assignment.title, progress=Progress(**said)))
            if result and result[0] in FINAL:
                del self.cells[number]
                over.append((cell, *result))
        return over

    def _begin(self, number: int, notify: Callable[[Event], None]) -> None:
        if number not in self._begun:
            self._begun.add(number)
            notify(Event("started", self.cells[number].assignment.title))

    def why_over(self, *, independent: bool) -> str | None:
        """Why nothing more will come of it; ``None`` as long as something may, for all that is known."""
        if content := exchange.read(self.folder / "ended"):
            cause = str(content["cause"])
            return f"job {self.id}: {WHY.get(cause, cause)}"
        left, word = exchange.last_departure(self.folder), self.standing.word if self.standing else ""
        if left and not independent:
            return f"job {self.id}: {WHY.get(left, left)}"  # should it be started again, it ends at once
        if not self.gone:
            return None
        if left:
            return f"job {self.id}: {WHY.get(left, left)}{f' ({word})' if word else ''}"
        if not self.beat.ever:
            return f"job {self.id} is not in the queue any more and never started{f' ({word})' if word else ''}"
        return f"job {self.id} was broken off{f' ({word})' if word else ''}; what it printed: {self.folder / 'job.out'}"


def earlier(folder: Path, cells: dict[str, Cell]) -> Job | None:
    """The job of an earlier run in a folder, with those of its cells that are wanted and have not ended."""
    bundle = Bundle.read(folder)
    if bundle is None or not (id_ := _read_id(folder)):
        return None
    wanted = {
        number: cells[one.title]
        for number, one in enumerate(bundle.assignments)
        if one.title in cells and _same(one, cells[one.title].assignment) and ended(folder, number) is None
    }
    return Job(folder, wanted, id_)


def _read_id(folder: Path) -> str:
    try:
        return (folder / "job.id").read_text().strip()
    except OSError:
        return ""


def _same(one: Assignment, other: Assignment) -> bool:
    """Whether two assignments are the same work."""
    if isinstance(one.job, CellJob) and isinstance(other.job, CellJob):
        return (one.job.spec.id, one.job.score_only) == (other.job.spec.id, other.job.score_only)
    return one.job == other.job
