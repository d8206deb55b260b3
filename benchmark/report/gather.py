"""Everything that a report reads from disk: records, logs, predictions and images. No other module here opens a file
of a run.

Records are read once, one at a time; of each only :class:`CellFacts` stays, so that memory does not grow with what
the cells left behind.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError
from benchmark.leaderboard import Leaderboard, Table, build
from benchmark.registry.plugins import registry
from benchmark.runs.read import Cell, Run, load_run
from benchmark.store.folder import CellFolder, RunFolder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.data.format.reader import Case, DatasetInfo
    from benchmark.data.format.schema import CaseKey

LAST_LINES = 12
"""Lines of a failed cell's log that are shown."""
LONGEST_LINE = 400


@dataclass(frozen=True, slots=True)
class CellFacts:
    """What a page says of one cell."""

    run: Path
    id: str
    task: str
    name: str
    """Its row: the model's name, with the run behind it where several runs are reported."""
    model: str
    seed: int
    state: str
    reason: str
    preset: str
    content_sha256: str
    data_path: str
    view: str
    steps: int | None
    images_per_s: float | None
    findings: tuple[tuple[str, str, str], ...]
    """Term, fault and detail of what looks wrong in its training."""
    patients: Mapping[str, Mapping[str, float]]
    """By metric that ranks and patient; without those that have no finite value."""
    has_predictions: bool

    @property
    def title(self) -> str:
        """task/name/seed."""
        return f"{self.task}/{self.name}/s{self.seed}"


@dataclass(frozen=True)
class RunFacts:
    """A run and what it says of itself."""

    label: str
    path: Path
    about: Mapping[str, Any]


@dataclass
class Material:
    """What a report is made of."""

    runs: list[RunFacts]
    board: Leaderboard
    cells: list[CellFacts] = field(default_factory=list)

    def of(self, table: Table) -> dict[str, list[CellFacts]]:
        """The done cells of a table's rows, by row and then by seed."""
        names = {row.name for row in table.rows}
        mine: dict[str, list[CellFacts]] = {}
        for cell in self.cells:
            if (
                cell.state == "done"
                and cell.name in names
                and (cell.task, cell.preset, cell.content_sha256) == (table.task, table.preset, table.content_sha256)
            ):
                mine.setdefault(cell.name, []).append(cell)
        for cells in mine.values():
            cells.sort(key=lambda cell: cell.seed)
        return mine

    def states(self) -> dict[str, int]:
        """How many cells are in which state."""
        counts: dict[str, int] = {}
        for cell in self.cells:
            counts[cell.state] = counts.get(cell.state, 0) + 1
        return dict(sorted(counts.items()))


def gather(paths: Sequence[Path | None]) -> Material:
    """Read runs and rank what may be ranked together.

    Raises:
        UsageError: there is no run.
        BenchmarkError: a run is damaged.
    """
    runs = list({run.path.resolve(): run for run in map(load_run, paths)}.values())
    labels = _labels([run.path for run in runs])
    material = Material(
        [RunFacts(label, run.path, run.about) for label, run in zip(labels, runs, strict=True)], Leaderboard((), None)
    )
    specs = {kind: {name: offer.spec for name, offer in registry().all(kind).items()} for kind in ("metric", "task")}
    published = [table for run in material.runs for table in run.about.get("published", ())]
    unreadable = [
        (cell if len(runs) == 1 else f"{cell} ({label})", reason)
        for label, run in zip(labels, runs, strict=True)
        for cell, reason in RunFolder(run.path).unreadable()
    ]
    material.board = build(
        _watched(material, runs, labels), specs["metric"], specs["task"], _distinct(published), unreadable
    )
    return material


def _watched(material: Material, runs: Sequence[Run], labels: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The records on their way to the leaderboard; their facts stay behind."""
    for run, label in zip(runs, labels, strict=True):
        for cell in run:
            record = cell.record if len(runs) == 1 else {**cell.record, "name": f"{cell.name} ({label})"}
            # the leaderboard says of a record that makes no sense that it does not
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                material.cells.append(_facts(run.path, record))
            yield record


def _facts(run: Path, record: Mapping[str, Any]) -> CellFacts:
    definition = record.get("profile_definition") or {}
    dataset, training = record.get("dataset") or {}, record.get("training") or {}
    shown = {definition.get("primary"), *(definition.get("ranked_by") or ())}
    return CellFacts(
        run=run,
        id=str(record["id"]),
        task=str(record["task"]),
        name=str(record["name"]),
        model=str(record["model"]),
        seed=int(record["seed"]),
        state=str(record["state"]),
        reason=str(record.get("reason") or ""),
        preset=str(record["preset"]),
        content_sha256=str(dataset.get("content_sha256", "")),
        data_path=str(((record.get("spec") or {}).get("dataset") or {}).get("path", "")),
        view=str(dataset.get("view", "")),
        steps=training.get("steps"),
        images_per_s=training.get("images_per_s"),
        findings=tuple((str(f["term"]), str(f["fault"]), str(f.get("detail", ""))) for f in record.get("health", ())),
        patients={
            metric: {
                patient: float(value)
                for patient, value in (score.get("patients") or {}).items()
                if value is not None and math.isfinite(value)
            }
            for metric, score in (record.get("scores") or {}).items()
            if metric in shown
        },
        has_predictions="predictions.h5" in (record.get("files") or {}),
    )


def cell_facts(cell: Cell) -> CellFacts:
    """What a figure needs to know of a cell."""
    return _facts(cell.path.parent.parent, cell.record)


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names of runs: the folder's, with as many folders above it as tell them apart."""
    parts = [path.resolve().parts for path in paths]
    depth = 1
    while len({part[-depth:] for part in parts}) < len(parts):
        depth += 1
    return ["/".join(part[-depth:]) for part in parts]


def _distinct(tables: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Published tables, each once: several runs may bring the same."""
    return [table for place, table in enumerate(tables) if table not in tables[:place]]


def training_log(cell: CellFacts) -> list[dict[str, Any]]:
    """What was logged in training; empty where there is nothing that can be read."""
    try:
        return [line for line in _cell(cell).log() if isinstance(line, dict)]
    except (ValueError, BenchmarkError):
        return []


def last_lines(cell: CellFacts) -> str:
    """The end of a failed cell's log."""
    folder = RunFolder(cell.run).cell(cell.id)
    for name in ("error.txt", "output.txt"):
        try:
            lines = folder.file(name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        if lines:
            return "\n".join(line[:LONGEST_LINE] for line in lines[-LAST_LINES:])
    return ""


def slice_scores(cell: CellFacts, metrics: Sequence[str]) -> dict[tuple[str, str, str], dict[int, float]]:
    """Values of slices by metric, patient and study; nothing where the file is gone or was altered."""
    try:
        rows = _cell(cell).table()
    except (BenchmarkError, OSError):
        return {}
    scores: dict[tuple[str, str, str], dict[int, float]] = {}
    columns = (rows[name] for name in ("metric", "patient", "study", "slice", "value"))
    for metric, patient, study, number, value in zip(*columns, strict=True):
        if metric in metrics and number is not None and number >= 0 and value is not None and math.isfinite(value):
            scores.setdefault((metric, patient, study), {})[int(number)] = float(value)
    return scores


def _cell(facts: CellFacts) -> Cell:
    record = CellFolder(RunFolder(facts.run).cell(facts.id).path).read()
    if record is None:
        raise BenchmarkError(f"{facts.title}: its record cannot be read any more")
    return Cell(facts.run, record)


class Images:
    """The test images of one data set beside cells' translations of them; one study in memory at a time."""

    def __init__(self, cells: Mapping[str, CellFacts]) -> None:
        """``cells``: those to be shown, by row; all of the same data.

        Raises:
            BenchmarkError: the data set is not there any more, or is another one.
        """
        from benchmark.data.format.reader import Dataset

        first = next(iter(cells.values()))
        self._dataset = Dataset(first.data_path)
        if self._dataset.info.content_sha256 != first.content_sha256:
            self._dataset.close()
            raise BenchmarkError(f"{first.data_path}: is not the data set any more that these cells were made from")
        self._cells = dict(cells)
        self.gone: dict[str, str] = {}
        """Rows whose translations cannot be shown, and why."""
        self._paths: dict[str, Path] = {}
        for name, cell in cells.items():
            try:
                self._paths[name] = _cell(cell)._payload("predictions.h5")
            except BenchmarkError as error:
                self.gone[name] = str(error)

    def __enter__(self) -> Images:
        return self

    def __exit__(self, *_: object) -> None:
        self._dataset.close()

    @property
    def info(self) -> DatasetInfo:
        """What the data set says of itself."""
        return self._dataset.info

    @property
    def names(self) -> list[str]:
        """The rows that can be shown."""
        return list(self._paths)

    def case(self, key: CaseKey) -> Case:
        """Source, target and region of a study."""
        return self._dataset.load(key)

    def translation(self, name: str, case: Case) -> NDArray[np.float32] | None:
        """A row's translation ``(Z, H, W)`` of a study in the target's unit; ``None`` where there is none."""
        from benchmark.data.format.chunks import read_array
        from benchmark.data.format.reader import guarded, open_file

        with contextlib.ExitStack() as opened:
            path = self._paths[name]
            opened.enter_context(guarded(str(path)))
            file = opened.enter_context(open_file(path))
            if str(case.key) not in file:
                return None
            values = read_array(file[str(case.key)]).astype("float32", copy=False)
            return values if values.shape == case.target.shape else None
