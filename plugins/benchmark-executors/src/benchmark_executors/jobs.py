"""The jobs of a run as the run sees them: what their files say, and whether anything more will come of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark.cell.job import CellJob, Progress
from benchmark.errors import BenchmarkError
from benchmark.executors import Assignment, Event
from benchmark.plan.expand import BuildJob
from benchmark.store.stops import POLICIES, Stop, next_attempt
from benchmark_executors import exchange
from benchmark_executors.bundle import Bundle, ended
from benchmark_executors.queues import Standing
from benchmark_executors.remote import WHY


@dataclass(frozen=True)
class End:
    """Why nothing more will come of a job."""

    reason: str
    stop: Stop


@dataclass
class Cell:
    """An assignment on its way to an end. Steps say how far its training was ever seen, now and when it was last broken
    off; ``attempt`` counts as :func:`benchmark.store.stops.next_attempt` does."""

    assignment: Assignment
    best: int = -1
    best_before: int = -1
    attempt: int = 1

    def again(self, stop: Stop, attempts: int) -> bool:
        """Note that it was broken off, and why; whether it is begun again by itself."""
        further = self.best > self.best_before
        self.best_before = self.best
        following = next_attempt(stop, self.attempt, attempts, further=further)
        if following is None:
            return False
        self.attempt = following
        if isinstance(self.assignment.job, CellJob):
            self.assignment = replace(self.assignment, job=self.assignment.job.again(following))
        return True


@dataclass
class Job:
    """Some cells and the job that does them; ``cells`` are those that have not ended, by their number in the bundle."""

    folder: Path
    cells: dict[int, Cell]
    id: str
    standing: Standing | None = None
    """What the batch system said last; ``None`` if it could not be asked or cannot tell."""
    needless: bool = False
    """Whether nothing that it was for is left to do, whoever did it."""
    given_up: bool = False
    """Whether it was cancelled for giving no sign of life."""
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

    def read(self, notify: Callable[[Event], None]) -> list[Event]:
        """Pass on what its files say; how cells have ended since."""
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
            if result:
                del self.cells[number]
                over.append(result)
        return over

    def _begin(self, number: int, notify: Callable[[Event], None]) -> None:
        if number not in self._begun:
            self._begun.add(number)
            notify(Event("started", self.cells[number].assignment.title))

    def why_over(self, *, independent: bool) -> End | None:
        """Why nothing more will come of it; ``None`` as long as something may, for all that is known."""
        standing = self.standing or Standing("gone")
        word = f" ({standing.word})" if standing.word else ""
        if content := exchange.read(self.folder / "ended"):
            cause = str(content["cause"])
            return self._end(cause, "", WHY.get(cause, "lost sight of"))
        left = exchange.last_departure(self.folder)
        if left and not independent:
            return self._end(left, word, WHY.get(left, "lost sight of"))  # should it be started again, it ends at once
        if not self.gone:
            return None
        stop: Stop = "lost sight of" if self.given_up else standing.stop or WHY.get(left, "lost sight of")
        if left or self.given_up:
            return self._end(left or "silent", word, stop)
        if not self.beat.ever:
            return End(f"job {self.id} is not in the queue any more and never started{word}", stop)
        return End(f"job {self.id} was broken off{word}; what it printed: {self.folder / 'job.out'}", stop)

    def _end(self, cause: str, word: str, stop: Stop) -> End:
        return End(f"job {self.id}, {cause}{word}: {POLICIES[stop].says}", stop)


def earlier(folder: Path, cells: dict[str, Cell]) -> Job | None:
    """The job of an earlier run in a folder, with those of its cells that are wanted and have not ended."""
    bundle = Bundle.read(folder)
    if bundle is None or not (id_ := read_id(folder)):
        return None
    wanted = {
        number: cells[one.title]
        for number, one in enumerate(bundle.assignments)
        if one.title in cells and _same(one, cells[one.title].assignment) and ended(folder, number) is None
    }
    return Job(folder, wanted, id_, needless=not wanted and all(_done(one.job) for one in bundle.assignments))


def _done(job: CellJob | BuildJob) -> bool:
    if isinstance(job, BuildJob):
        return Path(job.path).is_file()
    try:
        record = job.folder.read(job.spec)
    except BenchmarkError:
        return False
    return record is not None and record.done and not job.score_only


def read_id(folder: Path) -> str:
    """What the batch system called the job of a folder; empty where that is not known."""
    try:
        return (folder / "job.id").read_text().strip()
    except OSError:
        return ""


def _same(one: Assignment, other: Assignment) -> bool:
    """Whether two assignments are the same work."""
    if isinstance(one.job, CellJob) and isinstance(other.job, CellJob):
        return (one.job.spec.id, one.job.score_only) == (other.job.spec.id, other.job.score_only)
    return one.job == other.job
