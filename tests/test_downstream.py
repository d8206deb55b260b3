"""Downstream evaluations: asked where they fit, kept with their reasons, shown, redone when stale, verified."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
from command_line import CommandLine
from made_records import made
from small_datasets import write

from benchmark import DownstreamColumn, DownstreamSpec, NotApplicable, TaskSpec
from benchmark.contracts.protocols import DownstreamContext, DownstreamStudy
from benchmark.data.format.reader import Dataset
from benchmark.errors import BenchmarkError
from benchmark.leaderboard import build, to_csv, to_json, to_markdown, to_text
from benchmark.plan.claim import CellAddress
from benchmark.scoring.downstream import downstream_key, evaluate_downstream, evaluations_for
from benchmark.store.predictions import PredictionsReader, write_predictions
from benchmark.store.record import Record

TASK = TaskSpec(
    "mr-ct", "m:b", source_modality="MR", target_modality="CT", source_unit="a.u.", target_unit="HU", profile="default"
)
ADDRESS = CellAddress("mr-ct", "model", 0)
VALUES = (
    DownstreamColumn("mean", "mean HU", unit="HU", higher_is_better=None, digits=1),
    DownstreamColumn("error", "error", unit="HU", higher_is_better=False),
)


class MeanError:
    """Mean of the prediction, its error against the target's."""

    def __init__(self, options: Any, context: DownstreamContext) -> None:
        self.context = context

    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        if study.patient == "test1":
            raise NotApplicable("test1 is shy")
        found, true = (float(image[study.mask].mean()) for image in (study.prediction, study.target))
        return {"mean": found, "error": abs(found - true) if study.patient != "test2" else math.nan}


class OverSplit:
    """Looks at the split twice."""

    def __init__(self, options: Any, context: DownstreamContext) -> None:
        pass

    def evaluate(self, studies: Iterable[DownstreamStudy]) -> Mapping[tuple[str, str], Mapping[str, float]]:
        mean = float(np.mean([study.prediction.mean() for study in studies]))
        return {
            (s.patient, s.study): {"mean": mean, "error": abs(s.prediction - s.target).mean()}
            for s in studies
            if s.patient != "test0"
        }


def refuses(options: Any, context: DownstreamContext) -> Any:
    raise NotApplicable(f"no label called lesion among {sorted(context.labels)}")


class Breaks(MeanError):
    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        return {"mean": 1 / 0}


class WrongNames(MeanError):
    def evaluate(self, study: DownstreamStudy) -> dict[str, float]:
        return {"mena": 1.0}


def spec(name: str, factory: str, **more: Any) -> DownstreamSpec:
    return DownstreamSpec(name, f"test_downstream:{factory}", values=VALUES, summary=f"what {name} is", **more)


class Registry:
    """Offers evaluations, and the task."""

    def __init__(self, *specs: DownstreamSpec) -> None:
        plugin = SimpleNamespace(module="test_downstream")
        self.offers = {each.name: SimpleNamespace(spec=each, plugin=plugin) for each in specs}

    clashes = ()

    def all(self, kind: str) -> dict[str, Any]:
        return self.offers if kind == "downstream" else {TASK.name: SimpleNamespace(spec=TASK)}

    def task(self, name: str) -> Any:
        return SimpleNamespace(spec=TASK)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(write(tmp_path_factory.mktemp("data") / "discs.h5", splits={"train": 2, "val": 1, "test": 4}))


@pytest.fixture
def predictions(dataset: Dataset, tmp_path: Path) -> Path:
    """The targets, 10 HU too high; test3 is lost."""
    path = tmp_path / "predictions.h5"
    with write_predictions(path, dataset.info) as stored:
        for case in dataset.iterate("test"):
            if case.key.patient == "test3":
                stored.lose(case.key, "missing")
            else:
                stored.add(case.key, case.target + 10)
    return path


def ask(dataset: Dataset, predictions: Path, *specs: DownstreamSpec) -> Any:
    with PredictionsReader(predictions) as stored:
        offers = evaluations_for(Registry(*specs), TASK)  # type: ignore[arg-type]
        answer = evaluate_downstream(offers, dataset, stored, ADDRESS)
    return SimpleNamespace(summary={name: kept.to_json() for name, kept in answer.summary.items()}, rows=answer.rows)


def test_patients_have_values_or_none_and_the_target_is_the_yardstick(dataset: Dataset, predictions: Path) -> None:
    measured = ask(dataset, predictions, spec("level", "MeanError"))
    found = measured.summary["level"]
    assert found["state"] == "scored"
    error = found["values"]["error"]
    assert error["patients"] == {"test0": pytest.approx(10, abs=1e-3), "test1": None, "test2": None, "test3": None}
    assert (error["n_expected"], error["n_scored"], error["n_failed"]) == (4, 1, 1)
    assert error["target"] == 0
    assert error["label"] == "error"
    assert found["values"]["mean"]["n_scored"] == 2
    assert found["left_out"] == ["not applicable: test1 is shy"]
    states = {(row["patient"], row["metric"]): row["state"] for row in measured.rows}
    assert states["test1", "level/mean"] == "not applicable: test1 is shy"
    assert states["test2", "level/error"] == "undefined"
    assert states["test0", "level/error"] == "scored"
    assert {row["profile"] for row in measured.rows} == {"downstream"}


def test_a_measure_of_the_split_sees_it_as_often_as_it_wants(dataset: Dataset, predictions: Path) -> None:
    found = ask(dataset, predictions, spec("wide", "OverSplit", level="split")).summary["wide"]
    assert found["values"]["error"]["patients"]["test0"] is None
    assert found["values"]["error"]["patients"]["test2"] == pytest.approx(10, abs=1e-3)
    assert found["left_out"] == ["not applicable"]


def test_what_cannot_be_measured_is_not_applicable_and_never_zero(dataset: Dataset, predictions: Path) -> None:
    measured = ask(dataset, predictions, spec("lesions", "refuses"))
    assert measured.summary == {"lesions": {"state": "not applicable", "reason": "no label called lesion among []"}}
    assert measured.rows == []


@pytest.mark.parametrize(
    ("factory", "reason"), [("Breaks", "ZeroDivisionError: division by zero"), ("WrongNames", "gave ['mena']")]
)
def test_a_broken_measure_costs_the_others_nothing(
    dataset: Dataset, predictions: Path, factory: str, reason: str
) -> None:
    found = ask(dataset, predictions, spec("broken", factory), spec("level", "MeanError")).summary
    assert found["broken"]["state"] == "failed"
    assert reason in found["broken"]["reason"]
    assert found["level"]["state"] == "scored"


def test_predictions_of_other_data_are_refused(dataset: Dataset, predictions: Path) -> None:
    with h5py.File(predictions, "a") as file:
        file.attrs["dataset"] = "0" * 64
    with pytest.raises(BenchmarkError, match="made from another data set"):
        ask(dataset, predictions, spec("level", "MeanError"))


def test_only_measures_whose_units_and_task_fit_are_asked_and_their_key_follows_them() -> None:
    specs = [
        spec("any", "MeanError"),
        spec("hu", "MeanError", target_units=("HU",)),
        spec("suv", "MeanError", source_units=("SUV",)),
        spec("mine", "MeanError", tasks=("mr-ct",)),
        spec("other", "MeanError", tasks=("pet-ct",)),
    ]
    registry: Any = Registry(*specs)
    assert list(evaluations_for(registry, TASK)) == ["any", "hu", "mine"]
    changed: Any = Registry(spec("any", "MeanError", level="split"), *specs[1:])
    fewer: Any = Registry(*specs[1:])
    unconcerned: Any = Registry(*specs[:2], specs[3])
    key = downstream_key(registry, TASK)
    assert key != downstream_key(changed, TASK)
    assert key != downstream_key(fewer, TASK)
    assert key == downstream_key(unconcerned, TASK)
    nothing: Any = Registry()
    assert downstream_key(nothing, TASK) == ""


@pytest.mark.parametrize("names", [(), ("twice", "twice")])
def test_a_record_needs_values_with_names_of_their_own(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="values, each with a name of its own"):
        DownstreamSpec("m", "a:b", values=tuple(DownstreamColumn(name, name, higher_is_better=True) for name in names))


def record(name: str, downstream: dict[str, Any]) -> Record:
    score = {"state": "scored", "level": "slice", "mean": 1.0, "unit": "HU", "patients": {"a": 1.0, "b": 2.0}}
    return made({
        "state": "done", "task": "mr-ct", "preset": "smoke", "profile": "default/1", "name": name,
        "model": name, "seed": 0, "baseline": name == "copy", "device": "cpu", "precision": "fp32",
        "profile_definition": {"unit": "HU", "primary": "mae", "metrics": []},
        "dataset": {"name": "discs", "content_sha256": "ab" * 32, "simulated": True},
        "scores": {"mae": score}, "downstream": downstream,
    })  # fmt: skip


def value(patients: dict[str, float | None], target: float | None) -> dict[str, Any]:
    facts = {"label": "Dice", "unit": "%", "higher_is_better": True, "digits": 1, "patients": patients}
    return {**facts, "target": target, "mean": 0.0, "n_expected": 2, "n_scored": 2, "n_failed": 0}


def test_measures_stand_in_a_sheet_of_their_own_in_every_format() -> None:
    scored = {"state": "scored", "summary": "how well bone is found", "values": {}}
    one = {**scored, "values": {"dice": value({"a": 40.0, "b": 60.0}, 97.5)}}
    two = {**scored, "values": {"dice": value({"a": 90.0, "b": None}, 97.5)}, "left_out": ["not applicable: b is odd"]}
    lacking = {"state": "not applicable", "reason": "no labels"}
    board = build(
        [record("net", {"bone": one, "lesions": lacking}), record("copy", {"bone": two, "lesions": lacking})], {}
    )
    text, markdown = to_text(board), to_markdown(board)
    for shown in (text, markdown):
        assert "mr-ct: downstream evaluations" in shown
        assert "Dice ↑" in shown
        assert "(target itself)" in shown
        assert "97.5" in shown
        assert "90 [1/2]" in shown.replace("\\", "")
        assert "how well bone is found" in shown
        assert "lesions: not applicable: no labels" in shown
        assert "bone of copy: not applicable: b is odd" in shown
    rows = list(csv.DictReader(to_csv(board).splitlines()))
    (net,) = (row for row in rows if row["metric"] == "bone/dice" and row["model"] == "net")
    assert (net["level"], net["mean"], net["ranks"], net["patients"]) == ("downstream", "50.0", "false", "2")
    measures = json.loads(to_json(board))["tables"][0]["downstream"]
    assert measures["ideal"] == {"bone/dice": 97.5}
    assert measures["rows"]["net"]["bone/dice"]["interval"]["mean"] == 50.0


def test_a_sheet_without_any_value_says_why() -> None:
    lacking = {"state": "not applicable", "reason": "no labels"}
    text = to_text(build([record("net", {"lesions": lacking})], {}))
    assert "lesions: not applicable: no labels" in text
    assert "(target itself)" not in text


def test_a_table_without_measures_has_no_such_sheet() -> None:
    board = build([record("net", {})], {})
    assert board.tables[0].downstream is None
    assert "downstream" not in to_text(board)


@pytest.mark.slow
def test_the_whole_line_measures_verifies_and_does_again_what_is_stale(toy: CommandLine) -> None:
    run = "results/x"
    command = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-copy", "--name", "x")
    ended = toy(*command)
    assert ended.returncode == 0, ended.stderr
    tables = toy("leaderboard", run).stdout
    assert "toy-shift: downstream evaluations" in tables
    assert "toy-structures: not applicable: the data set has no labels" in tables
    found = toy.records(run)["toy-copy"]
    assert set(found["downstream"]) == {"toy-volume", "toy-structures"}
    assert found["downstream"]["toy-volume"]["values"]["error"]["target"] == 0
    assert toy("verify", run).returncode == 0

    from benchmark.store.folder import CellFolder

    folder = CellFolder(toy.folder / run / "cells" / found["id"])
    kept = folder.read()
    assert kept is not None
    said = json.loads(json.dumps(kept.to_json()))
    said["downstream"]["toy-volume"]["values"]["error"]["mean"] += 1
    forged = Record.from_json(said)
    folder.write(forged)
    ended = toy("verify", run)
    assert ended.returncode == 1
    assert "downstream.toy-volume.values.error.mean is recorded as" in ended.stdout
    folder.write(replace(forged, downstream_key="of an older version"))
    assert toy(*command).returncode == 0
    again = toy.records(run)["toy-copy"]
    assert again["downstream"] == kept.to_json()["downstream"]
    assert again["timings"]["train_s"] == kept.timings.train_s
    assert toy("verify", run).returncode == 0


def test_measures_are_listed_and_shown(toy: CommandLine) -> None:
    assert "toy-volume" in toy("list", "downstream").stdout
    shown = json.loads(toy("show", "downstream", "toy-volume", "--json").stdout)
    assert [each["name"] for each in shown["values"]] == ["size", "error"]
    assert shown["target_units"] == ["a.u."]
