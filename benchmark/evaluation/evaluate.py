"""Score predictions that were made elsewhere, without any training, and keep them beside those of a run.

An evaluation becomes a cell like any other (record, rows, predictions on the data set's slices), marked
``origin: evaluated``; it needs no plan, so it can join any run folder, or one of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import atomic
from benchmark.data.format.hdf5 import written
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import LABELS, PREDICTIONS_SCHEMA, STORED, CaseKey, set_text
from benchmark.errors import BenchmarkError, UsageError
from benchmark.evaluation.predictions import Lost, PredictionFolder, open_predictions, require_plausible
from benchmark.plan.claim import CellSpec, DataSource, library_version
from benchmark.plan.expand import Plan, file_info
from benchmark.plan.file_tasks import task_of
from benchmark.registry.plugins import Registry
from benchmark.scoring.downstream import measure, measure_key
from benchmark.scoring.prepare import Study
from benchmark.scoring.score import Judge, make_judge, score_key, score_studies, write_rows
from benchmark.store.folder import EVALUATED, RunFolder, bare_record

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


@dataclass(frozen=True)
class Evaluation:
    """The record, and what became of every study of the test split."""

    record: dict[str, Any]
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
        UsageError: an unknown task or profile, a profile for another unit, predictions of another shape or
            plainly in another unit, or not one usable prediction.
        DatasetError: the data set is not there, broken, or for another task.
    """
    folder = RunFolder(request.into)
    path = request.data or _data_of(folder, request.task)
    task = task_of(registry, request.task, path)
    profile = request.profile or task.profile
    registry.profile(profile)
    content = file_info(path, task).content_sha256
    preset = folder.about()["preset"] if (folder.path / "run.json").is_file() else PRESET
    with Dataset(path) as dataset:
        judge = make_judge(registry, profile, dataset)
        intake = _Intake(request, dataset, say)
        temporary = folder.path / "cells" / f".evaluating-{atomic.sha256_of(str(request.predictions))[:12]}.part"
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            about = {"task": request.task, "name": request.name, "seed": request.seed}
            scores = score_studies(judge, intake.studies(temporary), about)
            if not intake.scored:
                raise UsageError(_nothing(request.predictions, intake))
            spec = _spec(request, profile, preset, DataSource("file", content, str(path.absolute())), temporary)
            if not (folder.path / "run.json").is_file():
                folder.create(Plan("evaluated", PRESET, (), (), ()), registry.plugins, {})
            record = bare_record(spec, baseline=False, state="done", origin=EVALUATED)
            record |= _facts(judge, dataset, registry, profile)
            record["scores"] = scores.summary
            measured = measure(registry, dataset, temporary, about)
            record |= {"measures": measured.summary, "measure_key": measure_key(registry, task)}
            cell = folder.cell(spec.id)
            cell.path.mkdir(parents=True, exist_ok=True)
            temporary.replace(cell.file("predictions.h5"))
        finally:
            temporary.unlink(missing_ok=True)
    write_rows(cell.file("scores.parquet"), scores.rows + measured.rows)
    record["files"] = cell.hashes()
    cell.write(record)
    _replace_older(folder, record)
    return Evaluation(
        record, folder, tuple(intake.scored), tuple(intake.missing), intake.failed, tuple(intake.source.unused())
    )


class _Intake:
    """Reads predictions study by study, stores them on the data set's slices, and notes what is lost."""

    def __init__(self, request: Request, dataset: Dataset, say: Callable[[str], None]) -> None:
        self._dataset, self._say = dataset, say
        self._trusted = request.trust_unit
        self.source = open_predictions(request.predictions, dataset.info)
        self._labels = PredictionFolder(request.labels, dataset.info) if request.labels else None
        self.scored: list[str] = []
        self.missing: list[str] = []
        self.failed: dict[str, str] = {}

    def studies(self, path: Path) -> Iterator[tuple[CaseKey, Study | str]]:
        """Every study of the test split, or why it cannot be scored; written to ``path`` on the way."""
        info = self._dataset.info
        with written(path, path.parent) as file:
            about = {"schema": PREDICTIONS_SCHEMA, "split": "test", "unit": info.target.unit}
            for attribute, value in {**about, "dataset": info.content_sha256}.items():
                set_text(file, attribute, value)
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
                    yield case.key, state
                    continue
                if not self._trusted:
                    require_plausible(prediction, case, info.target.unit)
                for place, array in ((name, prediction), (f"{LABELS}/{name}", labels)):
                    if array is not None:
                        file.create_dataset(place, data=array, chunks=(1, *array.shape[1:]), **STORED)
                self.scored.append(name)
                yield case.key, Study(case, prediction, labels)
            lost = dict.fromkeys(self.missing, "missing") | {n: f"failed: {why}" for n, why in self.failed.items()}
            set_text(file, "lost", json.dumps(lost))


def _data_of(folder: RunFolder, task: str) -> Path:
    """The data set that a run used for a task.

    Raises:
        UsageError: there is no run, it has no such task, or used several data sets for it.
    """
    if not (folder.path / "run.json").is_file():
        raise UsageError(f"no run in {folder.path}; say which data the predictions are for: --data FILE")
    paths = {record["spec"]["dataset"]["path"] for record in folder.records() if record["task"] == task}
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


def _spec(request: Request, profile: str, preset: str, data: DataSource, predictions: Path) -> CellSpec:
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
        dataset=data,
        profile=profile,
        sources={},
        libraries={name: library_version(name) for name in ("numpy", "scipy", "h5py")},
    )


def _facts(judge: Judge, dataset: Dataset, registry: Registry, profile: str) -> dict[str, Any]:
    """What a record of a trained cell has too; how and where these predictions were made is not known."""
    info = dataset.info
    return {
        "device": "elsewhere",
        "precision": "",
        "dataset": {
            "name": info.name,
            "content_sha256": info.content_sha256,
            "simulated": info.simulated,
            **({"degraded": True} if info.degraded else {}),
        },
        "parameters": {},
        "provenance": {},
        "timings": {},
        "profile": judge.profile.id,
        "profile_definition": judge.definition,
        "score_key": score_key(registry, profile),
    }


def _replace_older(folder: RunFolder, record: dict[str, Any]) -> None:
    """Remove earlier evaluations of the same name, seed and profile: one name is one row."""
    keys = ("task", "name", "seed", "profile")
    for other in folder.records():
        same = other.get("origin") == EVALUATED and all(other[key] == record[key] for key in keys)
        if same and other["id"] != record["id"]:
            cell = folder.cell(other["id"])
            for name in ("record.json", "scores.parquet", "predictions.h5"):
                cell.file(name).unlink(missing_ok=True)
            try:
                cell.path.rmdir()
            except OSError as error:
                raise BenchmarkError(f"{cell.path}: cannot be removed ({error})") from None
