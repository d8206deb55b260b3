"""How much memory a run will need, said before it starts: from finished cells of the same model, or the least there is.

A forecast, not a limit: ``--memory`` is one. What a model's activations take is known only once one like it has run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.data.format.reader import Dataset
from benchmark.data.streaming.places import MOST_IN_MEMORY, bytes_in_memory
from benchmark.errors import DatasetError
from benchmark.plan.expand import PlannedCell
from benchmark.store.folder import RunFolder
from benchmark.store.record import Record

PROCESS_MB = 500.0
"""A worker with torch loaded and nothing to do."""
MOST_RECORDS = 500
"""Records of earlier runs that are looked at, those of the latest runs first."""


@dataclass(frozen=True)
class Forecast:
    """What cells will take at their peak, in MB by id; ``known`` are those that a finished cell tells of."""

    cells: dict[str, float]
    known: frozenset[str]

    def at_once(self, slots: int) -> float:
        """MB of the dearest cells that may run beside each other."""
        return sum(sorted(self.cells.values(), reverse=True)[: max(1, slots)])


def forecast(cells: Sequence[PlannedCell], earlier: Iterable[Record]) -> Forecast:
    """What each cell will take: what one of the same task, model and preset took, else the least that it can.

    The least is a process with torch, and the training slices where the data set is there already.
    """
    took: dict[tuple[str, str, str], float] = {}
    for record in earlier:
        if record.done and record.peak_memory_mb is not None:
            kind = (record.spec.task, record.spec.model, record.spec.preset)
            took[kind] = max(record.peak_memory_mb, took.get(kind, 0.0))
    slices: dict[str, float] = {}
    peaks: dict[str, float] = {}
    known = set()
    for cell in cells:
        spec = cell.spec
        if cell.skip:
            continue
        if (peak := took.get((spec.task, spec.model, spec.preset))) is not None:
            known.add(spec.id)
        else:
            path = str(spec.dataset.path)
            if path not in slices:
                slices[path] = _slices(Path(path))
            peak = PROCESS_MB + slices[path]
        peaks[spec.id] = peak
    return Forecast(peaks, frozenset(known))


def _slices(path: Path) -> float:
    """MB of the training slices as a cell holds them; 0 where the data set is not there yet."""
    try:
        with Dataset(path) as dataset:
            return min(bytes_in_memory(dataset.info), MOST_IN_MEMORY) / 1e6
    except DatasetError:
        return 0.0


def earlier_records(run: Path) -> Iterator[Record]:
    """Records of a run, and of the latest runs beside it."""
    others = sorted(run.parent.glob("*/run.json"), key=lambda file: file.lstat().st_mtime, reverse=True)
    left = MOST_RECORDS
    for folder in dict.fromkeys([run, *(file.parent for file in others)]):
        for record in RunFolder(folder, salvage=True).stream() if (folder / "run.json").is_file() else ():
            yield record
            left -= 1
            if not left:
                return


def machine_mb() -> float | None:
    """The memory of this machine; ``None`` where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    except (ValueError, OSError, AttributeError):
        return None
