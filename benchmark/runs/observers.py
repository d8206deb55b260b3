"""Observers: who is told what a run does, as it does it - bridges to TensorBoard, MLflow and the like.

An observer is switched on by name (``benchmark run --observe NAME``); that its plugin is installed changes nothing.
It works in a thread of the supervisor, which never imports torch, and is told plain data in order. Whatever it raises,
and however long it takes, the run goes on: its first fault is said once, and it is asked no more.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmark.contracts import options
from benchmark.contracts.specs import ObserverSpec
from benchmark.errors import BenchmarkError, UsageError
from benchmark.executors import Event
from benchmark.plan.expand import Plan, PlannedCell
from benchmark.printable import printable
from benchmark.registry.plugins import Offer, Registry
from benchmark.runs.execute import Observer
from benchmark.store.folder import RunFolder
from benchmark.store.log import LogTail

PATIENCE_SECONDS = 60.0
"""How long a run that has ended waits for an observer that is still writing."""


@dataclass(frozen=True)
class ObservedCell:
    """A cell of the plan. ``title`` is task/model/seed; ``id`` its folder, a hash of everything it claims."""

    id: str
    title: str
    task: str
    model: str
    seed: int
    preset: str
    options: Mapping[str, Any]
    """The model's options, every one with its value."""
    recipe: Mapping[str, Any]
    """The training recipe, likewise."""
    profile: str
    baseline: bool


@dataclass(frozen=True)
class ObservedRun:
    """A run that is about to begin. ``folder`` is the run's own; an observer's files go below :attr:`place`."""

    name: str
    folder: Path
    grid: str
    preset: str
    cells: tuple[ObservedCell, ...]
    """Those that will be run; what is done already is not told again."""

    def place(self, observer: str) -> Path:
        """Where an observer keeps files unless it is told otherwise."""
        return self.folder / "observers" / observer


class RunObserver(Protocol):
    """What the factory of an :class:`benchmark.ObserverSpec`, called with its options, gives.

    Methods that an observer does not need may be left out. All are called in one thread, one after the other, in the
    order of events; several cells may be under way at once. The factory raises :class:`benchmark.Unavailable` where
    its library is missing, which stops the command before anything runs; it opens no connection, ``run_started`` does.
    """

    def run_started(self, run: ObservedRun) -> None:
        """Cells are about to run."""
        ...

    def cell_started(self, cell: ObservedCell) -> None:
        """A cell begins, or goes on from its checkpoint; after a retry it does so again."""
        ...

    def cell_logged(self, cell: ObservedCell, line: Mapping[str, Any]) -> None:
        """A line of the cell's log: ``step`` with ``losses`` and ``images_per_s``, or with ``validation_mae``."""
        ...

    def cell_finished(self, cell: ObservedCell, record: Mapping[str, Any]) -> None:
        """A cell has ended; ``record`` is its ``record.json``, with ``state`` and, when done, ``scores``."""
        ...

    def run_finished(self) -> None:
        """Nothing more will come; also after Ctrl-C."""
        ...


@dataclass(frozen=True)
class Notice:
    """What an observer is told: a method's name of :class:`RunObserver`, and its arguments."""

    method: str
    arguments: tuple[Any, ...]


@dataclass
class Watcher:
    """One observer and the thread that it works in."""

    name: str
    title: str
    observer: Any
    fault: str = ""
    _waiting: queue.SimpleQueue[Notice | None] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start listening."""
        # a daemon, so that one that hangs does not keep the process
        self._thread = threading.Thread(target=self._listen, name=f"observer {self.name}", daemon=True)
        self._thread.start()

    def tell(self, notice: Notice | None) -> None:
        """Queue a notice; ``None`` is the last."""
        self._waiting.put(notice)

    def wait(self, until: float) -> None:
        """Until everything is told, or a moment of :func:`time.monotonic`."""
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
            if self._thread.is_alive() and not self.fault:
                self.fault = f"still busy {PATIENCE_SECONDS:g} s after the run; what it was not told yet is lost"

    def _listen(self) -> None:
        while (notice := self._waiting.get()) is not None:
            if self.fault:
                continue
            try:
                if (method := getattr(self.observer, notice.method, None)) is not None:
                    method(*notice.arguments)
            except BaseException as error:  # a plugin may raise SystemExit, and this thread is nobody else's
                text = printable(" ".join(str(error).split()))[:300]
                self.fault = f"{notice.method}: {type(error).__name__}{f': {text}' if text else ''}"


def chosen(
    registry: Registry, names: Sequence[str], settings: Mapping[str, Mapping[str, Any]]
) -> list[tuple[Any, Any]]:
    """Offers of observers and their options, nothing of them imported.

    Raises:
        UsageError: no such observer or option, or options of one that was not asked for.
    """
    found: list[tuple[Any, Any]] = []
    for name in dict.fromkeys(names):
        offer: Offer[ObserverSpec] = registry.find("observer", name)
        values = options.resolve(name, offer.spec.options, settings.get(name, {}))
        found.append((offer, options.build(offer.spec.options, values)))
    if idle := sorted(set(settings) - set(names)):
        raise UsageError(f"options of observer {idle[0]!r}, which was not asked for")
    return found


@contextlib.contextmanager
def observed(
    plan: Plan,
    folder: RunFolder,
    registry: Registry,
    names: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    screen: Observer,
) -> Iterator[Observer]:
    """What to run a plan with so that observers are told too; they have the last word when this is left.

    Raises:
        UsageError: no such observer or option, or a value of one that cannot be.
        Unavailable: the library that an observer writes with is not installed.
    """
    watchers = [_make(offer, values, screen.say) for offer, values in chosen(registry, names, settings)]
    if not watchers:
        yield screen
        return
    audience = _Audience(plan, folder, [watcher for watcher in watchers if watcher], screen)
    try:
        yield Observer(audience.planned, audience.event, screen.say)
    finally:
        audience.end()


def _make(offer: Offer[ObserverSpec], values: Any, say: Callable[[str], None]) -> Watcher | None:
    """Build an observer: what it says to the user stops the command, what breaks inside it costs only itself."""
    spec = offer.spec
    watcher = Watcher(spec.name, offer.plugin.title, None)
    try:
        watcher.observer = spec.load()(values)
    except (BenchmarkError, KeyboardInterrupt):
        raise
    except BaseException as error:
        watcher.fault = f"cannot be built: {type(error).__name__}: {printable(' '.join(str(error).split()))[:300]}"
        say(_said(watcher))
        return None
    return watcher


def _said(watcher: Watcher) -> str:
    return f"observer {watcher.name} ({watcher.title}) is out, the run is not affected: {watcher.fault}"


class _Audience:
    """All observers of one run; hands them what the supervisor hears."""

    def __init__(self, plan: Plan, folder: RunFolder, watchers: list[Watcher], screen: Observer) -> None:
        self._plan = plan
        self._folder = folder
        self._watchers = watchers
        self._screen = screen
        self._cells = {cell.spec.title: _observed(cell) for cell in plan.cells}
        self._logs: dict[str, LogTail] = {}
        self._reported: set[str] = set()
        self._begun = False

    def planned(self, cells: list[tuple[str, str]]) -> None:
        """The run begins."""
        self._screen.planned(cells)
        todo = tuple(self._cells[title] for title, state in cells if state == "planned")
        folder = self._folder.path
        run = ObservedRun(folder.absolute().name, folder.absolute(), self._plan.grid, self._plan.preset, todo)
        self._begun = True
        for watcher in self._watchers:
            watcher.begin()
        self._tell("run_started", run)

    def event(self, event: Event) -> None:
        """Something happened to a cell."""
        self._screen.event(event)
        cell = self._cells[event.title]
        folder = self._folder.cell(cell.id)
        if event.kind == "started":
            self._logs[cell.title] = LogTail(lambda: self._folder.log(cell.id).path)
            self._tell("cell_started", cell)
        elif event.kind in ("progress", "finished") and (log := self._logs.get(cell.title)):
            for line in log.new():
                self._tell("cell_logged", cell, line)
        if event.kind == "finished":
            record = folder.read()
            said = record.to_json() if record is not None else {"state": event.state, "reason": event.reason}
            self._tell("cell_finished", cell, said)
        self._report()

    def end(self) -> None:
        """The run is over, however it ended."""
        if not self._begun:
            return
        self._tell("run_finished")
        for watcher in self._watchers:
            watcher.tell(None)
        until = time.monotonic() + PATIENCE_SECONDS
        for watcher in self._watchers:
            watcher.wait(until)
        self._report()

    def _tell(self, method: str, *arguments: Any) -> None:
        for watcher in self._watchers:
            watcher.tell(Notice(method, arguments))

    def _report(self) -> None:
        for watcher in self._watchers:
            if watcher.fault and watcher.name not in self._reported:
                self._reported.add(watcher.name)
                self._screen.say(_said(watcher))


def _observed(cell: PlannedCell) -> ObservedCell:
    spec = cell.spec
    return ObservedCell(
        id=spec.id,
        title=spec.title,
        task=spec.task,
        model=spec.name,
        seed=spec.seed,
        preset=spec.preset,
        options=dict(spec.options),
        recipe=dict(spec.recipe),
        profile=spec.profile,
        baseline=cell.baseline,
    )
