"""One grid, several runs: which cells another run has, on this host or another, and what becomes of them.

Work is taken, not divided beforehand: every run goes through the same list, leaves out what others hold, and looks
again when it has nothing else to do. What a worker could not say any more is written here, under the cell's lease too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from benchmark.cell.job import CellJob
from benchmark.errors import BenchmarkError
from benchmark.executors import Event
from benchmark.plan.expand import PlannedCell
from benchmark.settings.statement import HowToRun
from benchmark.store.folder import CellFolder, RunFolder, planned_record
from benchmark.store.holder import this_process
from benchmark.store.lease import Held, Leases, Standing, Watch
from benchmark.store.record import State
from benchmark.store.stops import POLICIES, Stop

POLL_SECONDS = 1.0
SETTLED = ("done", "failed", "timeout", "skipped")
"""States in which another run's cell is taken as it is."""


@dataclass
class Sharing:
    """What a run knows of the others on its folder."""

    folder: RunFolder
    how: HowToRun
    say: Callable[[str], None]
    _watch: Watch = field(default_factory=Watch)
    _seen: dict[str, int] = field(default_factory=dict)
    """The token of each cell's record when this run began: a later one is somebody's work of meanwhile."""
    _said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.leases = Leases(self.folder.path)

    def begin(self, cells: Iterable[PlannedCell]) -> None:
        """Finish commits that were begun by processes that are gone, and note how things stand.

        Raises:
            BenchmarkError: another process works here on cells that this plan does not have.
        """
        self.leases.settle()
        planned = {cell.spec.id for cell in cells}
        strangers = [standing for cell, standing in self.leases.standing().items() if cell not in planned]
        for standing in strangers:
            self._wait_for_stranger(standing)

    def _wait_for_stranger(self, standing: Standing) -> None:
        """Two plans in one folder would take each other's cells for stale."""
        patience = max(self.how.lost_seconds, standing.by.lost_seconds if standing.by else 0.0)
        began, first = time.monotonic(), standing.sign
        while not self._watch.gone(standing, self.how.lost_seconds):
            current = self.leases.of(standing.cell)
            if current is None or current.token != standing.token:
                return
            if standing.sign != first or time.monotonic() - began > patience:
                raise BenchmarkError(
                    f"{self.folder.path} is in use for another plan: cell {standing.cell} is {standing}; "
                    "wait for it, or choose another folder with --results or --name"
                )
            self._say_once(
                f"{self.folder.path}: cell {standing.cell} of another plan is {standing}; looking whether "
                f"it gives a sign of life within {patience:g} s"
            )
            time.sleep(min(POLL_SECONDS, self.how.lost_seconds / 10))

    def note(self, cell: PlannedCell, token: int) -> None:
        """Remember how a cell's record stood when the run looked at it."""
        self._seen[cell.spec.id] = token

    def seen(self, cell: PlannedCell) -> int:
        """The token that its record had then."""
        return self._seen.get(cell.spec.id, 0)

    def free(self, cells: Iterable[PlannedCell]) -> tuple[list[tuple[PlannedCell, int | None]], list[PlannedCell]]:
        """Cells that may be begun, with the token of the dead holder to take over from, and those that others hold."""
        standing = self.leases.standing()
        ready: list[tuple[PlannedCell, int | None]] = []
        held: list[PlannedCell] = []
        for cell in cells:
            holder = standing.get(cell.spec.id)
            if holder is None:
                ready.append((cell, None))
            elif self._watch.gone(holder, self.how.lost_seconds):
                if holder.by is not None and not holder.by.surely_gone:
                    self._say_once(
                        f"{cell.spec.title} is taken over: {holder}, which gave no sign of life for "
                        f"{self._watch.silent_seconds(holder):.0f} s",
                        f"{cell.spec.id} from {holder.token}",
                    )
                ready.append((cell, holder.token))
            else:
                held.append(cell)
        return ready, held

    def taken(self, cell: PlannedCell, over: int | None) -> bool:
        """Whether another run has a cell that was free, or has ended it."""
        holder = self.leases.of(cell.spec.id)
        if holder is not None:
            return holder.token != over and not (holder.by is not None and holder.by.surely_gone)
        return self.ended_by_others(cell) is not None

    def ended_by_others(self, cell: PlannedCell) -> Event | None:
        """How another run has ended a cell since this one began."""
        record = self.folder.cell(cell.spec.id).read()
        if record is None or record.token <= self.seen(cell) or record.state not in SETTLED:
            return None
        return Event("finished", cell.spec.title, record.state, record.reason, stop=record.stop)

    def wait(self, cells: list[PlannedCell], notify: Callable[[Event], None]) -> list[PlannedCell]:
        """Until at least one of the cells that others hold may be begun, or all have been ended by them; returns those
        that are still to be done. The endings of others are told to ``notify``."""
        while cells:
            left = []
            standing = self.leases.standing()
            for cell in cells:
                ended = None if cell.spec.id in standing else self.ended_by_others(cell)
                if ended is None:
                    left.append(cell)
                else:
                    notify(ended)
            if not left or self.free(left)[0]:
                return left
            self._tell_of(left, standing)
            cells = left
            time.sleep(POLL_SECONDS)
        return []

    def _tell_of(self, cells: list[PlannedCell], standing: dict[str, Standing]) -> None:
        holders: dict[str, list[PlannedCell]] = {}
        for cell in cells:
            if (holder := standing.get(cell.spec.id)) is not None and holder.by is not None:
                holders.setdefault(str(holder.by), []).append(cell)
        for by, theirs in holders.items():
            holder = standing[theirs[0].spec.id]
            patience = max(self.how.lost_seconds, holder.by.lost_seconds if holder.by else 0.0)
            which = theirs[0].spec.title if len(theirs) == 1 else f"{len(theirs)} cells"
            self._say_once(
                f"waiting for {which}, {holder}; if {by} gives no sign of life for {patience:g} s, they are taken over",
                by,
            )

    def _say_once(self, text: str, key: str = "") -> None:
        if (key or text) not in self._said:
            self._said.add(key or text)
            self.say(text)

    def record(
        self, cell: PlannedCell, state: State, reason: str, *, stop: Stop | None = None, attempt: int = 1
    ) -> None:
        """Record what a worker did not: its lease is taken from it, so that it can write nothing any more.

        On a full disk there is nothing more to do than to say so at the end.
        """
        with contextlib.suppress(OSError, Held):
            holder = self.leases.of(cell.spec.id)
            lease = self.leases.take(cell.spec.id, this_process(), holder.token if holder else None)
            lease.go_on()
            ended = replace(planned_record(cell).ended(state, reason), stop=stop, attempt=attempt, token=lease.token)
            CellFolder(lease.path).write(ended)
            lease.commit()

    def settle(self, cell: PlannedCell, event: Event) -> None:
        """Make sure that what a worker said, or could not say any more, stands in the record."""
        record = self.folder.cell(cell.spec.id).read()
        told = record is not None and record.token > self.seen(cell)
        if event.state == "interrupted":
            if not told or record is None or record.state != "planned" or self.leases.of(cell.spec.id):
                stop = event.stop or "user"
                self.record(cell, "planned", event.reason or POLICIES[stop].says, stop=stop, attempt=event.attempt)
        elif told and record is not None and record.done:
            return  # its last word was lost, its work was not
        elif event.state == "done":
            if record is None or not record.done:
                self.record(cell, "failed", event.reason or "left no record")
        elif not told or record is None or record.state != event.state:
            state: State = event.state if event.state in SETTLED else "failed"  # type: ignore[assignment]
            self.record(cell, state, event.reason or "left no record", stop=event.stop, attempt=event.attempt)

    def leave(self, cells: Iterable[PlannedCell]) -> None:
        """The user stopped the run: cells whose workers ended without a word wait for the next."""
        for cell in cells:
            holder = self.leases.of(cell.spec.id)
            if holder is not None and holder.by is not None and holder.by.surely_gone:
                reason = f"{POLICIES['user'].says}; continues from its checkpoint"
                self.record(cell, "planned", reason, stop="user")


def job_of(cell: PlannedCell, folder: RunFolder, how: HowToRun, *, seen: int = 0, over: int | None = None) -> CellJob:
    """What a worker is told of a cell."""
    cell_folder = folder.cell(cell.spec.id)
    record = cell_folder.read()
    return CellJob(
        cell.spec,
        cell_folder,
        cell.baseline,
        how.device.partition(":")[0],
        score_only=bool(record and record.done and not cell_folder.damage(record)),
        graphs=how.cuda_graphs,
        kind=cell.kind,
        seen=seen,
        over=over,
        lost_seconds=how.lost_seconds,
    )
