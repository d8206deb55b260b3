"""Score predictions that were made elsewhere, without any training, and keep them beside those of a run.

An evaluation becomes a cell like any other (record, rows, predictions on the data set's slices), of kind
``evaluated``; it needs no plan, so it can join any run folder, or one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmark import atomic
from benchmark.data.format.facts import DataFacts
from benchmark.data.format.pixels import altered_pixels
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import CaseKey
from benchmark.errors import BenchmarkError, DatasetError, UsageError
from benchmark.evaluation.plausibility import Doubts, require_plausible
from benchmark.evaluation.predictions import Lost, PredictionFolder, open_predictions
from benchmark.plan.claim import CellAddress, CellSpec, DataSource, library_version
from benchmark.plan.expand import Plan, file_info
from benchmark.plan.file_tasks import task_of
from benchmark.registry.plugins import Registry
from benchmark.scoring.downstream import downstream_key, evaluate_downstream, evaluations_for
from benchmark.scoring.judge import Judge, make_judge, score_key
from benchmark.scoring.prepare import Study
from benchmark.scoring.rows import Rows, write_rows
from benchmark.scoring.score import score_studies
from benchmark.store.folder import RunFolder
from benchmark.store.predictions import PredictionsReader, PredictionsWriter, write_predictions
from benchmark.store.record import Record

PRESET = "external"
"""Preset of a folder that holds evaluations only: nobody knows what they were trained with."""


@dataclass(frozen=True)
class Request:
    """What to score, on which data, under which definitions, and where to keep it."""

    task: str
    predictions: Path
    into: Path
    name: str
    profile: str | None = None
    """``None``: the task's."""
    data: Path | None = None
    """``None``: the data set that the run in ``into`` used for this task."""
    labels: Path | None = None
    """A folder of label maps found in the predictions, for metrics of structures."""
    seed: int = 0
    trust_unit: bool = False
    """Do not look whether the predictions can be in the target's unit."""
    same_method: bool = False
    """They are of the method that the run trains under this name, with another seed."""


@dataclass(frozen=True)
class Evaluation:
    """The record, and what became of every study of the test split."""

    record: Record
    data: DataFacts
    folder: RunFolder
    scored: tuple[str, ...]
    missing: tuple[str, ...]
    failed: dict[str, str]
    unused: tuple[str, ...]

    @property
    def expected(self) -> int:
        """Number of studies in the test split."""
        return len(self.scored) + len(self.missing) + len(self.failed)


def evaluate(registry: Registry, request: Request, say: Callable[[str], None] = lambda _: None) -> Evaluation:
    """Score predictions and commit them as a cell of the folder ``request.into``.

    Raises:
        UsageError: an unknown task or profile, a profile for another unit, the name of a model that the run trains,
            predictions of another shape or plainly in another unit, or not one usable prediction.
        DatasetError: the data set is not there, broken, for another task, or its pixels are not those that it was
            hashed with.
    """
    folder = RunFolder(request.into)
    path = request.data or _data_of(folder, request.task)
    task = task_of(registry, request.task, path)
    profile = request.profile or task.profile
    registry.profile(profile)
    file_info(path, task)
    _require_own_name(folder, request)
    preset = folder.about().preset if folder.exists else PRESET
    with Dataset(path) as dataset:
        if fault := altered_pixels(dataset.info):
            raise DatasetError(f"{fault}: nothing can be scored on it; build or import it again")
        judge = make_judge(registry, profile, dataset.info)
        intake = _Intake(registry, request, dataset, say)
        temporary = folder.path / "cells" / f".evaluating-{atomic.sha256_of(str(request.predictions))[:12]}.part"
        try:
            record, rows = _scored(registry, request, preset, judge, dataset, intake, temporary)
            if not folder.exists:
                folder.create(Plan("evaluated", PRESET, (), (), ()), registry.plugins, {})
            cell = folder.cell(record.id)
            cell.path.mkdir(parents=True, exist_ok=True)
            temporary.replace(cell.predictions)
        finally:
            temporary.unlink(missing_ok=True)
    write_rows(cell.file("scores.parquet"), rows)
    record = replace(record, files=cell.hashes(), stamps=cell.stamps())
    cell.write(record)
    _replace_older(folder, record)
    return Evaluation(
        record=record,
        data=intake.data,
        folder=folder,
        scored=tuple(intake.scored),
        missing=tuple(intake.missing),
        failed=intake.failed,
        unused=tuple(intake.source.unused()),
    )


def _scored(
    registry: Registry,
    request: Request,
    preset: str,
    judge: Judge,
    dataset: Dataset,
    intake: _Intake,
    stored: Path,
) -> tuple[Record, Rows]:
    """Score what can be read, on the way into a file of predictions.

    Raises:
        UsageError: there is not one usable prediction.
    """
    task = task_of(registry, request.task, dataset.info)
    address = CellAddress(request.task, request.name, request.seed)
    with write_predictions(stored, dataset.info) as writer:
        scores = score_studies(judge, intake.studies(writer), address)
    if not intake.scored:
        raise UsageError(_nothing(request.predictions, intake))
    with PredictionsReader(stored) as predictions:
        downstream = evaluate_downstream(evaluations_for(registry, task), dataset, predictions, address)
    record = Record(
        spec=_spec(request, judge.profile.name, preset, dataset, stored),
        kind="evaluated",
        baseline=False,
        state="done",
        device="elsewhere",
        dataset=intake.data,
        profile_definition=judge.definition,
        health=intake.doubts.findings(),
        score_key=score_key(registry, judge.profile.name),
        scores=scores.summary,
        downstream_key=downstream_key(registry, task),
        downstream=downstream.summary,
    )
    return record, scores.rows + downstream.rows


def _require_own_name(folder: RunFolder, request: Request) -> None:
    """A name that the run trains stands for that training, unless the user says that this is the same method.

    Raises:
        UsageError: it is taken.
    """
    if request.same_method or not folder.exists:
        return
    for record in folder.stream():
        if record.task == request.task and record.name == request.name and not record.evaluated:
            raise UsageError(
                f"{request.name!r} is a model that {folder.path} trains: give the predictions another --name, or say "
                "--same-method if they are of the same method with another seed"
            )


class _Intake:
    """Reads predictions study by study, stores them on the data set's slices, and notes what is lost."""

    def __init__(self, registry: Registry, request: Request, dataset: Dataset, say: Callable[[str], None]) -> None:
        self._dataset, self._say = dataset, say
        self.data = DataFacts.of(dataset)
        self._trusted = request.trust_unit
        readers = [offer.spec for offer in registry.all("reader").values()]
        self.source = open_predictions(request.predictions, dataset.info, readers)
        self._labels = PredictionFolder(request.labels, dataset.info, readers) if request.labels else None
        self.scored: list[str] = []
        self.missing: list[str] = []
        self.failed: dict[str, str] = {}
        self.doubts = Doubts()

    def studies(self, writer: PredictionsWriter) -> Iterator[tuple[CaseKey, Study | str]]:
        """Every study of the test split, or why it cannot be scored; stored on the way."""
        unit = self._dataset.info.target.unit
        for case in self._dataset.iterate("test"):
            name = str(case.key)
            try:
                prediction = self.source.prediction(case).astype(np.float32)
                labels = self._labels.labels(case) if self._labels else None
            except Lost as reason:
                state = str(reason)
                if state == "missing":
                    self.missing.append(name)
                else:
                    self.failed[name] = state.removeprefix("failed: ")
                self._say(f"{name}: {state}")
                writer.lose(case.key, state)
                yield case.key, state
                continue
            if not self._trusted:
                require_plausible(prediction, case, unit)
            self.doubts.add(prediction, case)
            writer.add(case.key, prediction, labels=labels)
            self.scored.append(name)
            yield case.key, Study(case, prediction, labels)


def _data_of(folder: RunFolder, task: str) -> Path:
    """The data set that a run used for a task.

    Raises:
        UsageError: there is no run, it has no such task, or used several data sets for it.
    """
    if not folder.exists:
        raise UsageError(f"no run in {folder.path}; say which data the predictions are for: --data FILE")
    paths = {record.spec.dataset.path for record in folder.stream() if record.task == task}
    if len(paths) != 1:
        found = "no cell" if not paths else f"{len(paths)} data sets"
        raise UsageError(f"{folder.path} has {found} for task {task!r}; give --data FILE")
    return Path(paths.pop())


def _nothing(path: Path, intake: _Intake) -> str:
    """Why not one study could be scored."""
    if intake.failed:
        name, reason = next(iter(intake.failed.items()))
        return f"{path}: no usable prediction of {len(intake.failed) + len(intake.missing)}; {name}: {reason}"
    unused = intake.source.unused()
    return (
        f"{path}: no prediction for the test split, which expects {', '.join(intake.missing[:3])}"
        f"{', ...' if len(intake.missing) > 3 else ''} (PATIENT.nii.gz or PATIENT_STUDY.nii.gz)"
        + (f"; there is {', '.join(unused[:3])}" if unused else "")
    )


def _spec(request: Request, profile: str, preset: str, dataset: Dataset, predictions: Path) -> CellSpec:
    """What the cell claims: these predictions, under this profile."""
    return CellSpec(
        task=request.task,
        model="evaluated",
        name=request.name,
        seed=request.seed,
        preset=preset,
        precision="",
        options={"predictions_sha256": atomic.sha256_file(predictions), "profile": profile},
        recipe={},
        dataset=DataSource("file", dataset.info.content_sha256, str(dataset.path.absolute())),
        profile=profile,
        sources={},
        libraries={name: library_version(name) for name in ("numpy", "scipy", "h5py")},
    )


def withdraw(folder: RunFolder, task: str, name: str) -> int:
    """Take the evaluations of a name out of a folder, under whatever profile and seed; returns how many there were.

    Raises:
        UsageError: there is no such row of predictions made elsewhere.
    """
    if not folder.exists:
        raise UsageError(f"no run in {folder.path}; say with --into where the row stands")
    rows = [record for record in folder.records() if record.evaluated]
    going = [record for record in rows if (record.task, record.name) == (task, name)]
    if not going:
        there = ", ".join(sorted({f"{record.task}/{record.name}" for record in rows})) or "none"
        raise UsageError(f"{folder.path}: no predictions {name!r} for {task!r} to withdraw; there are: {there}")
    for record in going:
        _remove(folder, record)
    return len(going)


def _replace_older(folder: RunFolder, record: Record) -> None:
    """Remove earlier evaluations of the same name, seed and profile: one name is one row."""
    for other in folder.records():
        same = other.evaluated and (other.title, other.profile) == (record.title, record.profile)
        if same and other.id != record.id:
            _remove(folder, other)


def _remove(folder: RunFolder, record: Record) -> None:
    cell = folder.cell(record.id)
    for name in ("record.json", "scores.parquet", "predictions.h5"):
        cell.file(name).unlink(missing_ok=True)
    try:
        cell.path.rmdir()
    except OSError as error:
        raise BenchmarkError(f"{cell.path}: cannot be removed ({error})") from None
