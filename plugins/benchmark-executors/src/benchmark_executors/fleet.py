"""Get cells done by jobs on other machines: submit them, watch them, submit what was broken off once more.

Whether a cell is done is read from files, never asked of a batch system; whether a job may still begin, or begin
again, is asked of the batch system, and *cannot be asked* is never taken for *is gone*.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.executors import Assignment, Event, Surroundings
from benchmark.store.stops import POLICIES
from benchmark_executors import exchange
from benchmark_executors.bundle import Bundle
from benchmark_executors.jobs import Cell, End, Job, earlier, read_id
from benchmark_executors.queues import Busy, Queue, Refused, Request

GRACE_SECONDS = 60.0
"""How long running jobs may take to write a checkpoint before they are cancelled."""
SLOWEST_RETRY_SECONDS = 120.0


@dataclass(frozen=True)
class Rules:
    """How a fleet is led.

    ``limit``: jobs queued or running at once. ``pack``: cells a job; 0: as many as leave four jobs for each of the
    ``side_by_side`` that run at once. ``patience``: seconds for which submitting may fail while there is no job to wait
    for. ``query_seconds``: how often the batch system is asked. ``independent``: jobs go on without the run, and it
    takes over those of an earlier one. ``stage``: see :class:`benchmark_executors.bundle.Bundle`.
    """

    limit: int
    side_by_side: int
    pack: int
    patience: float
    poll_seconds: float
    lost_seconds: float
    query_seconds: float
    independent: bool = False
    stage: str = ""


class Fleet:
    """The jobs of one run; :meth:`run` is what an executor's does. ``needs`` says which cells may share a job."""

    def __init__(
        self, queue: Queue, rules: Rules, surroundings: Surroundings, needs: Callable[[Assignment], Hashable]
    ) -> None:
        self._queue, self._rules, self._surroundings, self._needs = queue, rules, surroundings, needs
        self._root = surroundings.folder.absolute() / "jobs"
        self._jobs: list[Job] = []

    def run(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> Mapping[str, tuple[str, str]]:
        """See :class:`benchmark.executors.Executor`."""
        self._begin(assignments, notify)
        with exchange.Heart(self._session / "alive", self._rules.poll_seconds):
            try:
                while self._waiting or self._jobs:
                    self._submit()
                    self._look()
                    if self._waiting or self._jobs:
                        time.sleep(self._rules.poll_seconds)
            except BaseException:
                self._stop()
                raise
        return self._outcome

    def leave(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> Mapping[str, str]:
        """Submit everything and return; ids of jobs by title. Only for jobs that are independent of the run."""
        self._begin(assignments, notify)
        self._submit()
        while self._waiting:  # for a place under the limit, or for the batch system
            self._look()
            time.sleep(self._rules.poll_seconds)
            self._submit()
        return {cell.assignment.title: job.id for job in self._jobs for cell in job.cells.values()}

    def cancel(self) -> int:
        """End every job of the run's folder, whoever submitted it; how many there were."""
        folders = self._open_folders()
        self._jobs = [Job(folder, {}, read_id(folder)) for folder in folders]
        for job in self._jobs:
            job.beat.silent_seconds()
        self._stop()
        return len(folders)

    def take_back(self) -> None:
        """Remove the jobs whose cells others have done."""
        self._take_back(earlier(folder, {}) for folder in self._open_folders())

    def _take_back(self, jobs: Iterable[Job | None]) -> None:
        """Those that nobody needs: Slurm may hold them for ever. Where it cannot be asked, the next time."""
        needless = [job for job in jobs if job is not None and job.needless]
        if needless and not self._queue.cancel([job.id for job in needless]):
            for job in needless:
                exchange.end(job.folder, "given up")

    def _open_folders(self) -> list[Path]:
        """Of the jobs of the run's folder that have not ended, whoever submitted them."""
        return [path.parent for path in self._root.glob("*/*/bundle.json") if not (path.parent / "ended").exists()]

    def _begin(self, assignments: Sequence[Assignment], notify: Callable[[Event], None]) -> None:
        self._notify = notify
        self._outcome: dict[str, tuple[str, str]] = {}
        self._jobs = []
        self._numbers, self._asked = 0, time.monotonic()
        self._refusal, self._refused_since, self._next_try, self._delay = "", 0.0, 0.0, 0.0
        self._root.mkdir(parents=True, exist_ok=True)
        (self._root / ".gitignore").write_text("*\n")
        cells = {one.title: Cell(one) for one in assignments}
        self._meet_earlier_jobs(cells)
        taken = {cell.assignment.title for job in self._jobs for cell in job.cells.values()}
        taken.update(self._outcome)
        self._waiting = deque(cell for title, cell in cells.items() if title not in taken)
        self._pack = self._rules.pack or max(1, len(self._waiting) // (4 * max(1, self._rules.side_by_side)))
        self._session = self._root / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        self._session.mkdir()

    def _submit(self) -> None:
        """Submit what waits, as far as the limit and the batch system allow."""
        while self._waiting and len(self._jobs) < self._rules.limit and time.monotonic() >= self._next_try:
            packs = self._next_packs()
            requests = [self._prepare(cells) for cells in packs]
            try:
                ids, refusal = self._queue.submit(requests), None
            except Refused as error:
                for cell in (cell for cells in packs for cell in cells):
                    self._finish(cell, "failed", str(error))
                self._forget(requests)
                continue
            except Busy as error:
                ids, refusal = [], str(error)
            except BaseException:
                for request in requests:  # some may have been taken: they end as soon as they start
                    exchange.end(request.folder, "given up")
                raise
            for request, cells, id_ in zip(requests, packs, ids, strict=False):
                (request.folder / "job.id").write_text(f"{id_}\n")
                self._jobs.append(Job(request.folder, dict(enumerate(cells)), id_))
            self._waiting.extendleft(cell for cells in reversed(packs[len(ids) :]) for cell in reversed(cells))
            self._forget(requests[len(ids) :])
            if refusal is not None:
                self._wait_before_trying_again(refusal)
                return
            self._refusal, self._delay = "", 0.0

    def _forget(self, requests: Sequence[Request]) -> None:
        """Jobs that were not taken: should one have been all the same, it finds nothing to do."""
        for request in requests:
            shutil.rmtree(request.folder, ignore_errors=True)

    def _next_packs(self) -> list[list[Cell]]:
        """The next jobs' cells: all that need the same as the first, in their order, packed."""
        room = (self._rules.limit - len(self._jobs)) * self._pack
        needs = self._needs(self._waiting[0].assignment)
        alike, others = list[Cell](), deque[Cell]()
        for cell in self._waiting:
            fits = len(alike) < room and self._needs(cell.assignment) == needs
            (alike if fits else others).append(cell)
        self._waiting = others
        return [alike[start : start + self._pack] for start in range(0, len(alike), self._pack)]

    def _prepare(self, cells: Sequence[Cell]) -> Request:
        """A job's folder, with all that it has to know."""
        folder = self._session / f"{self._numbers:04d}"
        self._numbers += 1
        rules, assignments = self._rules, tuple(cell.assignment for cell in cells)
        bundle = Bundle(
            assignments,
            self._surroundings.timeout,
            self._surroundings.attempts,
            tuple(self._surroundings.preload),
            rules.poll_seconds,
            rules.lost_seconds,
            rules.independent,
            rules.stage,
        )
        bundle.write(folder)
        return Request(folder, assignments)

    def _wait_before_trying_again(self, reason: str) -> None:
        now = time.monotonic()
        self._delay = min(SLOWEST_RETRY_SECONDS, max(2 * self._delay, 2 * self._rules.poll_seconds))
        self._next_try = now + self._delay
        if not self._refusal or self._jobs:
            self._refused_since = now
        if reason != self._refusal:
            self._refusal = reason
            self._surroundings.say(f"{len(self._waiting)} cells cannot be submitted now, trying again: {reason}")
        if now - self._refused_since > self._rules.patience:
            self._refusal = ""
            while self._waiting:
                cell = self._waiting.popleft()
                self._finish(cell, "failed", f"not taken in {self._rules.patience:g} s of trying: {reason}")

    def _look(self) -> None:
        """Pass on what is new of every job, and settle those that are over."""
        if self._jobs and time.monotonic() - self._asked >= self._rules.query_seconds:
            standings = self._queue.look([job.id for job in self._jobs])
            self._asked = time.monotonic()
            for job in self._jobs:
                job.note(standings.get(job.id) if standings is not None else None)
            self._end_silent_ones()
        for job in list(self._jobs):
            self._settle(job)
            over = job.why_over(independent=self._rules.independent)
            if over is None:
                continue
            exchange.end(job.folder, "given up")
            self._settle(job)  # what it finished in the meantime counts
            self._jobs.remove(job)
            for cell in job.cells.values():
                self._again(cell, over)

    def _settle(self, job: Job) -> None:
        for event in job.read(self._notify):
            self._outcome[event.title] = event.state, event.reason
            self._notify(event)

    def _end_silent_ones(self) -> None:
        """Remove jobs that have begun and give no sign of life, unless they wait to be started again."""
        silent = [job for job in self._jobs if job.beat.ever and job.beat.silent_seconds() > self._rules.lost_seconds]
        for job in silent:
            if job.standing is None and not self._queue.can_be_asked:
                exchange.end(job.folder, f"gave no sign of life for {self._rules.lost_seconds:g} s")
        # one that the batch system still has is over once it says so
        running = [job for job in silent if job.standing is None or job.standing.where == "running"]
        for job in running:
            job.given_up = True
        if running:
            self._queue.cancel([job.id for job in running])

    def _again(self, cell: Cell, over: End) -> None:
        """A cell was broken off: once more, unless the reason is one that waits for the user or nothing comes of it."""
        title = cell.assignment.title
        if cell.again(over.stop, self._surroundings.attempts):
            self._notify(Event("retry", title, "interrupted", over.reason, stop=over.stop))
            self._waiting.append(cell)
            return
        continues = POLICIES[over.stop].continues
        reason = f"{cell.attempt} attempts came to nothing: {over.reason}" if continues else over.reason
        state = "failed" if continues else "interrupted"
        self._outcome[title] = state, reason
        self._notify(Event("finished", title, state, reason, stop=over.stop, attempt=cell.attempt))

    def _finish(self, cell: Cell, state: str, reason: str) -> None:
        self._outcome[cell.assignment.title] = state, reason
        self._notify(Event("finished", cell.assignment.title, state, reason))

    def _stop(self) -> None:
        """Let every job write its checkpoint; remove those that wait in the queue or do not end."""
        for job in self._jobs:
            (job.folder / "stop").touch()
        open_ = [job for job in self._jobs if job.beat.ever and not job.left]
        if open_:
            self._surroundings.say(f"{len(open_)} running jobs are writing checkpoints")
        deadline = time.monotonic() + GRACE_SECONDS
        while open_ and time.monotonic() < deadline:
            time.sleep(min(0.2, self._rules.poll_seconds))
            open_ = [job for job in open_ if not job.left]
        still = [job.id for job in self._jobs if job.id and not (job.folder / "ended").exists()]
        if still and (fault := self._queue.cancel(still)):
            self._surroundings.say(f"{len(still)} jobs not cancelled, they end as soon as they start: {fault}")
        for job in self._jobs:
            exchange.end(job.folder, "given up")

    def _meet_earlier_jobs(self, cells: dict[str, Cell]) -> None:
        """Jobs that an earlier run left behind: taken over where they live without it, waited for where they end."""
        if self._rules.independent:
            jobs = {folder: earlier(folder, cells) for folder in sorted(self._open_folders())}
            self._take_back(jobs.values())
            for folder, job in jobs.items():
                if job is None:
                    exchange.end(folder, "given up")  # whether it was submitted is not known: if so, it ends at once
                elif job.cells:
                    self._jobs.append(job)
            self._forget_the_gone()
            if self._jobs:
                self._surroundings.say(f"taking over {len(self._jobs)} jobs of an earlier run")
        else:
            self._wait_for(self._open_folders())

    def _forget_the_gone(self) -> None:
        """Of an earlier run's jobs those that ended while nobody looked: whatever ended them, this is the user's next
        run, and their cells are submitted anew."""
        for _ in range(2):  # Job.gone is said twice
            standings = self._queue.look([job.id for job in self._jobs]) if self._jobs else None
            for job in self._jobs:
                job.note(standings.get(job.id) if standings is not None else None)
            if all(job.standing is None or job.standing.where != "gone" for job in self._jobs):
                return
            time.sleep(self._rules.poll_seconds)
        for job in [job for job in self._jobs if job.gone]:
            exchange.end(job.folder, "given up")
            self._settle(job)
            self._jobs.remove(job)

    def _wait_for(self, folders: Sequence[Path]) -> None:
        """Jobs of a run that was killed end by themselves; until then nobody else may work on their cells."""
        jobs = [Job(folder, {}, "") for folder in folders]
        for job in jobs:
            (job.folder / "stop").touch()
        said = False
        while jobs:
            for job in list(jobs):
                silent = job.beat.silent_seconds()
                # one that never gave a sign of life sees the stop when it starts
                if job.left or silent > self._rules.lost_seconds or not job.beat.ever:
                    exchange.end(job.folder, "given up")
                    jobs.remove(job)
            if jobs and not said:
                self._surroundings.say(f"waiting for {len(jobs)} jobs of an earlier run to end")
                said = True
            if jobs:
                time.sleep(self._rules.poll_seconds)
