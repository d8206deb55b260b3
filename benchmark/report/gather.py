"""Everything that a report reads from disk: records, logs, predictions and images. No other module here opens a file
of a run.

Records are read once, one at a time; of each only :class:`CellFacts` stays, so that memory does not grow with what
the cells left behind.
"""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError
from benchmark.leaderboard import Leaderboard, Table, build
from benchmark.plan.claim import CellAddress
from benchmark.registry.plugins import registry
from benchmark.runs.read import Cell, Run, load_run
from benchmark.store.data_file import data_file
from benchmark.store.folder import RunFolder
from benchmark.store.predictions import PredictionsReader
from benchmark.store.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.contracts.budget import Budget
    from benchmark.data.format.cases import Case, DatasetInfo
    from benchmark.data.format.schema import CaseKey

LAST_LINES = 12
"""Lines of a failed cell's log that are shown."""
LONGEST_LINE = 400
MOST_PLOTS = 60
LARGEST_PLOT = 1_000_000
"""Bytes; a tuning's plots are a tenth of it."""


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
    budget: Budget | None
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
        """task/name/seed, and the budget where there is one."""
        return str(CellAddress(self.task, self.name, self.seed, self.budget.label if self.budget else ""))


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
                and (cell.budget in (None, table.budget) if table.budget else cell.budget is None)
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
    labels = run_labels([run.path for run in runs])
    material = Material(
        [RunFacts(label, run.path, run.about.to_json()) for label, run in zip(labels, runs, strict=True)],
        Leaderboard((), None),
    )
    specs = {kind: {name: offer.spec for name, offer in registry().all(kind).items()} for kind in ("metric", "task")}
    published = [table for run in material.runs for table in run.about.get("published", ())]
    unreadable = [
        (cell if len(runs) == 1 else f"{cell} ({label})", reason)
        for label, run in zip(labels, runs, strict=True)
        for cell, reason in run.unreadable
    ]
    material.board = build(
        _watched(material, runs, labels), specs["metric"], specs["task"], _distinct(published), unreadable
    )
    return material


def _watched(material: Material, runs: Sequence[Run], labels: Sequence[str]) -> Iterator[Record]:
    """The records on their way to the leaderboard; their facts stay behind."""
    for run, label in zip(runs, labels, strict=True):
        for cell in run:
            record = cell.record
            name = record.name if len(runs) == 1 else f"{record.name} ({label})"
            material.cells.append(_facts(run.path, record, name))
            yield record if len(runs) == 1 else replace(record, spec=replace(record.spec, name=name))


def _facts(run: Path, record: Record, name: str) -> CellFacts:
    definition, training = record.profile_definition, record.training
    shown = {definition.get("primary"), *(definition.get("ranked_by") or ())}
    return CellFacts(
        run=run,
        id=record.id,
        task=record.task,
        name=name,
        model=record.spec.model,
        seed=record.seed,
        state=record.state,
        reason=record.reason,
        preset=record.spec.preset,
        budget=record.spec.budget,
        content_sha256=record.dataset.content_sha256 if record.dataset else "",
        data_path=str(data_file(record.spec.dataset)),
        view=record.dataset.view if record.dataset else "",
        steps=training.steps if training else None,
        images_per_s=training.images_per_s if training else None,
        findings=tuple((finding.term, finding.fault, finding.detail) for finding in record.health),
        patients={
            metric: {
                patient: value
                for patient, value in score.patients.items()
                if value is not None and math.isfinite(value)
            }
            for metric, score in record.scores.items()
            if metric in shown
        },
        has_predictions="predictions.h5" in record.files,
    )


def cell_facts(cell: Cell) -> CellFacts:
    """What a figure needs to know of a cell."""
    return _facts(cell.path.parent.parent, cell.record, cell.name)


def run_labels(paths: Sequence[Path]) -> list[str]:
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


def tuning_plots(material: Material) -> list[tuple[str, str]]:
    """The plots that a tuning left beside its run, as titles and SVG in base64."""
    paths = [path for run in material.runs for path in sorted((run.path / "tuning").glob("*.svg"))][:MOST_PLOTS]
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            if path.stat().st_size <= LARGEST_PLOT:
                found.append((path.stem, base64.b64encode(path.read_bytes()).decode()))
    return found


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
        rows = _cell(cell).frame()
    except (BenchmarkError, OSError):
        return {}
    rows = rows[rows["metric"].isin(list(metrics)) & rows["slice"].notna() & rows["value"].notna()]
    scores: dict[tuple[str, str, str], dict[int, float]] = {}
    columns = (rows[name].tolist() for name in ("metric", "patient", "study", "slice", "value"))
    for metric, patient, study, number, value in zip(*columns, strict=True):
        if math.isfinite(value):
            scores.setdefault((metric, patient, study), {})[int(number)] = float(value)
    return scores


def _cell(facts: CellFacts) -> Cell:
    record = RunFolder(facts.run).cell(facts.id).read()
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
        self._open: dict[str, PredictionsReader] = {}
        """Each file is opened once: to look through all of one for what does not belong there takes its time."""
        for name, cell in cells.items():
            try:
                self._paths[name] = _cell(cell)._payload("predictions.h5")
            except BenchmarkError as error:
                self.gone[name] = str(error)

    def __enter__(self) -> Images:
        return self

    def __exit__(self, *_: object) -> None:
        self._dataset.close()
        for reader in self._open.values():
            reader.close()

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
        if name not in self._open:
            self._open[name] = PredictionsReader(self._paths[name])
        reader = self._open[name]
        if case.key not in reader.keys:
            return None
        values = reader.read(case.key)
        return values if values.shape == case.target.shape else None
