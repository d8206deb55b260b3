"""Runs read back: ``benchmark.load_run`` gives a :class:`Run`, which gives its cells and leaderboards.

Light: torch is imported only where a trained model is asked for, numpy and HDF5 only where arrays are.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, UsageError
from benchmark.plan.claim import CellSpec
from benchmark.registry.plugins import registry
from benchmark.store.address import matching, meant, one_cell
from benchmark.store.data_file import data_file
from benchmark.store.folder import CellFolder, RunFacts, RunFolder
from benchmark.store.index import Brief, Index
from benchmark.store.record import Record

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from benchmark.data.format.cases import Sides
    from benchmark.inference.trained_cell import TrainedCell
    from benchmark.leaderboard import Leaderboard
    from benchmark.runs.compare import RunComparison
    from benchmark.store.signature import Signed

FINE = frozenset({"done", "skipped", "stale"})
"""States that leave nothing to be done."""


@dataclass(frozen=True)
class Prediction:
    """The translation of one study: ``values`` float32 ``(Z, H, W)`` in ``unit``, the target's."""

    patient: str
    study: str
    values: NDArray[np.float32]
    unit: str
    images: Sides | None = None
    """Source, target and region ``(Z, H, W)`` of the study with its spacing, where they were asked for; a source of
    several channels is ``(C, Z, H, W)``."""
    labels: NDArray[np.uint8] | None = None
    """The label map ``(Z, H, W)`` that was predicted with it, if there is one."""


class Cell:
    """One task, model and seed of a run, as it stood on disk when it was read."""

    def __init__(self, run: Path, record: Record) -> None:
        self._run = run
        self.record = record
        """Everything that ``record.json`` says; ``record.to_json()`` gives it as plain values."""

    def __repr__(self) -> str:
        return f"<Cell {self.title} {self.state}{f': {self.reason}' if self.reason else ''}>"

    @property
    def id(self) -> str:
        """Sixteen hex digits: the hash of what the cell claims."""
        return self.record.id

    @property
    def task(self) -> str:
        """The task's name."""
        return self.record.task

    @property
    def name(self) -> str:
        """The model's name in the grid, which is also its row in leaderboards."""
        return self.record.name

    @property
    def seed(self) -> int:
        """The training seed."""
        return self.record.seed

    @property
    def title(self) -> str:
        """How people refer to it: task/name/seed."""
        return self.record.title

    @property
    def state(self) -> str:
        """``planned``, ``running``, ``done``, ``failed``, ``timeout``, ``skipped`` or ``stale``."""
        return self.record.state

    @property
    def reason(self) -> str:
        """Why it is not done."""
        return self.record.reason

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._folder.path

    @property
    def scores(self) -> dict[str, float | None]:
        """Mean over patients by metric; ``None`` where a metric has no value. Empty unless done."""
        return {metric: score.mean for metric, score in self.record.scores.items()}

    def patients(self, metric: str) -> dict[str, float | None]:
        """A metric's value of every test patient, averaged over slices; ``None`` where it is undefined.

        Raises:
            UsageError: the cell has no such metric, or none of patients.
        """
        from benchmark.errors import unknown_name

        scores = self.record.scores
        if metric not in scores:
            raise unknown_name("metric", metric, scores, hint=f"({self.title} is {self.state})")
        return dict(scores[metric].patients)

    def frame(self) -> pd.DataFrame:
        """All scores as a long frame: one row for each slice or volume and metric; imports pandas.

        Raises:
            BenchmarkError: the cell is not done, or its file was altered.
        """
        from benchmark.runs.frames import scores_frame

        return scores_frame([self._payload("scores.parquet")])

    def predictions(self, *, images: bool = False) -> Iterator[Prediction]:
        """The translations of the test split, one study in memory at a time.

        ``images``: give the source, target and region of each beside it, from the data set that the run used.

        Raises:
            BenchmarkError: the cell is not done, its file was altered, or the data set is not there any more.
        """
        from benchmark.data.format.reader import Dataset
        from benchmark.store.predictions import PredictionsReader

        path = self._payload("predictions.h5")
        with contextlib.ExitStack() as opened:
            stored = opened.enter_context(PredictionsReader(path))
            dataset = opened.enter_context(Dataset(self._dataset)) if images else None
            if dataset is not None and dataset.info.content_sha256 != stored.dataset:
                raise BenchmarkError(f"{dataset.path}: is not the data set any more that {self.title} was made from")
            for key in stored.keys:
                sides = dataset.load_sides(key) if dataset is not None else None
                yield Prediction(key.patient, key.study, stored.read(key), stored.unit, sides, stored.labels(key))

    def log(self) -> list[dict[str, Any]]:
        """What was logged in training: steps with losses and images/s, and the validation error; empty without.

        A line that is being written, or was torn when the process was killed, is not among them.
        """
        return self._folder.log.lines()

    def load(self, device: str = "auto") -> TrainedCell:
        """The trained model, as it was scored; imports torch. :mod:`benchmark.inference.translate` uses it on volumes.

        Raises:
            UsageError: the cell is not done, or its model draws images and translates none.
            BenchmarkError: its files are damaged.
        """
        from benchmark.inference.trained_cell import load_cell

        return load_cell(f"{self._run}/{self.id}", registry(), device)

    @property
    def _dataset(self) -> Path:
        return data_file(self.record.spec.dataset)

    @property
    def _folder(self) -> CellFolder:
        return RunFolder(self._run).cell(self.id)

    def _payload(self, name: str) -> Path:
        """A file of a finished cell, after its hash was compared."""
        if self.state != "done":
            raise BenchmarkError(f"{self.title} is {self.state}{f' ({self.reason})' if self.reason else ''}")
        if damage := self._folder.damage(self.record, [name], thorough=True):
            raise BenchmarkError(f"{self.title}: {damage}; run the grid again")
        return self._folder.file(name)


class Run:
    """A run folder. Cells are read from disk each time they are asked for, so a running one can be watched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._store = RunFolder(path, salvage=True)

    def __repr__(self) -> str:
        return f"<Run {self.path}: {', '.join(f'{count} {state}' for state, count in self.states.items())}>"

    def __iter__(self) -> Iterator[Cell]:
        """Every cell, whatever its state; the first record is read when the first cell is wanted."""
        return (Cell(self.path, record) for record in self._store.stream())

    @property
    def about(self) -> RunFacts:
        """What ``run.json`` says: grid, preset, seeds, plugins, environment, planned cells.

        Where that file is damaged, what the cells that are there say; :attr:`unreadable` names it then.
        """
        return self._store.about()

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """``run.json`` where it is damaged, folders of cells that no plan knows: each with what is wrong with it."""
        return self._store.unreadable()

    @property
    def states(self) -> dict[str, int]:
        """How many cells are in which state."""
        counts: dict[str, int] = {}
        for record in self._store.stream():
            counts[record.state] = counts.get(record.state, 0) + 1
        return dict(sorted(counts.items()))

    @property
    def ok(self) -> bool:
        """Whether every cell is done, or skipped for a reason."""
        return self.states.keys() <= FINE

    def frame(self) -> pd.DataFrame:
        """One row a cell: task, model, seed, state, costs and the means of its metrics; imports pandas."""
        from benchmark.runs.frames import cells_frame

        return cells_frame(self._store.stream())

    def scores(self) -> pd.DataFrame:
        """The scores of all done cells as one long frame: a row for each slice or volume and metric; imports pandas.

        Raises:
            BenchmarkError: a file was altered.
        """
        from benchmark.runs.frames import scores_frame

        return scores_frame(cell._payload("scores.parquet") for cell in self if cell.state == "done")

    def overview(self) -> Iterator[tuple[CellSpec, Brief]]:
        """Every cell with its state and costs, its files looked at; of finished ones that were seen before no record is
        read.
        """
        index = Index(self._store)
        yield from index.overview()
        index.keep()

    def cells(self, *, verify: bool = False) -> list[Cell]:
        """All cells; with ``verify`` the files of done ones are looked at, and an altered one makes them ``failed``."""
        return list(self.each_cell(verify=verify))

    def each_cell(self, *, verify: bool = False) -> Iterator[Cell]:
        """The same one at a time, for runs of ten thousand."""
        return (Cell(self.path, record) for record in self._store.stream(verify=verify))

    def find(self, cell: str, *, verify: bool = False) -> list[Cell]:
        """The cells that a text means: an id, the start of one, task/model/s0, or the left part of that.

        Raises:
            UsageError: there is none.
        """
        records = matching(self._store.stream(verify=verify, only=meant(cell)), cell)
        if not records:
            raise UsageError(f"no cell {cell!r} in {self.path}; see 'benchmark status {self.path}'")
        return [Cell(self.path, record) for record in records]

    def cell(self, cell: str) -> Cell:
        """The one cell of the plan that a text means: an id, the start of one, or task/model/s0.

        Raises:
            UsageError: there is none, or several.
        """
        return Cell(self.path, one_cell(self._store, cell))

    def leaderboard(self) -> Leaderboard:
        """The leaderboards, derived from the cells anew: a table for each task, data set, profile and preset."""
        return self.leaderboard_and_states()[0]

    def leaderboard_and_states(self) -> tuple[Leaderboard, dict[str, int]]:
        """The same with :attr:`states`, for which every record is read only once."""
        from benchmark.leaderboard import build

        counts: Counter[str] = Counter()

        def counted() -> Iterator[Record]:
            for record in self._store.stream():
                counts[record.state] += 1
                yield record

        specs = {kind: {name: each.spec for name, each in registry().all(kind).items()} for kind in ("metric", "task")}
        about = self.about
        board = build(counted(), specs["metric"], specs["task"], about.published, self._store.unreadable())
        board = replace(board, notes=(*board.notes, *kit_notes(about.plugins)))
        return board, dict(sorted(counts.items()))

    def compare(self, after: Run, metric: str | None = None) -> RunComparison:
        """Did a change help? This run and a later one, paired by task, model, seed and patient.

        ``metric``: one metric, or ``all``; by default each task's primary one.

        Raises:
            UsageError: other data or other profiles, or nothing in common.
        """
        from benchmark.runs.compare import compare

        metrics = {name: offer.spec for name, offer in registry().all("metric").items()}
        return compare(self._store.stream(), after._store.stream(), metrics, metric)

    def sign(self, key: str | Path) -> int:
        """Sign the run's records and plan with an SSH key (``ssh-keygen -Y sign``); how many records.

        Raises:
            UsageError: there is no such key, or cells are at work.
            BenchmarkError: a record is damaged, or ``ssh-keygen`` is missing or refuses.
        """
        from benchmark.store.signature import sign

        return sign(self._store, Path(key))

    def signature(self, signers: str | Path) -> Signed:
        """Who of the allowed signers (``man ssh-keygen``) signed exactly these records and this plan, or what differs.

        Raises:
            UsageError: there is no such file.
            BenchmarkError: ``ssh-keygen`` is missing.
        """
        from benchmark.store.signature import check

        return check(self._store, Path(signers))

    def verify(self) -> Iterator[tuple[Cell, str]]:
        """Score the stored predictions of every cell again: each that is neither stale nor skipped, and what is wrong.

        The text is empty where the numbers come out again to the last digit. Imports torch where a metric does.
        """
        from benchmark.executors.local import available_cores
        from benchmark.runs.verify import PARALLEL_FROM, examine_all

        asked = (record for record in self._store.stream(verify=True) if record.state not in ("stale", "skipped"))
        many = len(self.about.cells) >= PARALLEL_FROM
        for record, problem in examine_all(self._store, registry(), asked, available_cores() if many else 1):
            yield Cell(self.path, record), problem


def kit_notes(plugins: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What the conformance kit had said of the plugins when the run was started; nothing where none was tried."""
    titles: dict[str, list[str]] = {}
    for plugin in plugins:
        if "kit" in plugin:
            title = f"{plugin.get('distribution', '')} {plugin.get('version', '')}".strip()
            titles.setdefault(str(plugin["kit"]), []).append(title)
    if "passed" in titles or "failed" in titles:
        told = [f"{words} {', '.join(titles[kit])}" for kit, words in KIT.items() if kit in titles]
        yield f"Conformance kit, when the run was started: {'; '.join(told)}."


KIT = {"passed": "passed by", "failed": "FAILED by", "not tried": "not tried on"}
"""Verdicts of the conformance kit as tables word them."""


def load_run(path: str | Path | None = None) -> Run:
    """A run that was made before: its folder, or a folder that holds one run; by default the latest under results/.

    Raises:
        UsageError: there is none, or there are several.
    """
    start = Path("results") if path is None else Path(path)
    # a run.json that is lost or no file: what the cells tell is shown all the same
    if (start / "run.json").is_file() or (path is not None and (start / "cells").is_dir()):
        return Run(start)
    plans = (file for file in start.glob("*/run.json") if file.is_file() or (file.parent / "cells").is_dir())
    runs = sorted(plans, key=lambda file: file.lstat().st_mtime)
    if not runs:
        raise UsageError(f"no run in {start}; give the folder that 'benchmark run' printed")
    if path is not None and len(runs) > 1:
        names = ", ".join(str(file.parent) for file in runs[-5:])
        raise UsageError(f"{start} holds {len(runs)} runs; give one of them: {names}")
    return Run(runs[-1].parent)
