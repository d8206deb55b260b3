"""What a run was about, told by its cells alone, where its ``run.json`` is damaged: enough to show what is there."""

from __future__ import annotations

import os
from pathlib import Path

from benchmark.plan.expand import PlannedCell
from benchmark.store.record import Record
from benchmark.store.seal import read_sealed


def planned_by_records(cells: Path) -> tuple[PlannedCell, ...]:
    """The cells that left a record, as if they had been planned; of those with one address the latest.

    What was planned and never begun is not among them: nobody knows of it any more.
    """
    latest: dict[str, tuple[int, PlannedCell]] = {}
    for name in sorted(os.listdir(cells)) if cells.is_dir() else ():
        path = cells / name / "record.json"
        try:
            written, record = path.stat().st_mtime_ns, Record.from_json(read_sealed(str(path)))
        except (OSError, ValueError, RecursionError):
            continue
        if record.evaluated or written < latest.get(record.title, (0,))[0]:
            continue
        latest[record.title] = (
            written,
            PlannedCell(spec=record.spec, cost=1.0, baseline=record.baseline, kind=record.kind),
        )
    return tuple(cell for _, cell in latest.values())
