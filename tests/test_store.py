"""Nothing half-written counts: torn records and altered files are not done; every type comes back as it was stored."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import made, spec
from small_datasets import write

from benchmark import atomic
from benchmark.data.format.reader import Dataset
from benchmark.errors import BenchmarkError, DatasetError, UsageError
from benchmark.json_fields import RecordError
from benchmark.plan.claim import DataSource
from benchmark.plan.expand import Plan, PlannedCell
from benchmark.store.address import finished_cell, matching, one_cell
from benchmark.store.data_file import data_file
from benchmark.store.folder import CellFolder, RunFolder, differences
from benchmark.store.log import LogTail, TrainingLog
from benchmark.store.predictions import PredictionsReader, write_predictions
from benchmark.store.record import Record
from benchmark.store.seal import Unsealed, read_sealed, write_sealed

SCORES = {
    "mae": {"state": "scored", "mean": 1.5, "unit": "HU", "patients": {"a": 1.5, "b": None}, "infinite": ["b"]},
    "kid": {"state": "scored", "level": "distribution", "mean": 0.1, "interval": [0.0, None], "bias": 0.01, "n": 9},
    "lpips": {"state": "skipped", "reason": "weights missing"},
}
DOWNSTREAM = {
    "bone": {
        "state": "scored", "summary": "bone", "level": "study", "left_out": ["odd"],
        "values": {
            "dice": {
                "label": "Dice", "unit": "%", "higher_is_better": True, "digits": 1, "mean": 50.0, "target": 97.5,
                "patients": {"a": 50.0}, "n_expected": 1, "n_scored": 1, "n_failed": 0,
            }
        },
    },
    "lesions": {"state": "not applicable", "reason": "no labels"},
}  # fmt: skip


def full(**facts: Any) -> Record:
    return made(
        {
            "state": "done",
            "scores": SCORES,
            "downstream": DOWNSTREAM,
            "parameters": {"generator": 1234},
            "timings": {"train_s": 1.25},
            "training": {"steps": 300, "resumed_at": 12, "images_per_s": 9.5, "validation_mae": None},
            "stages": {"rough": {"mean": 1.0, "patients": {"a": 1.0, "b": None}, "n_expected": 2, "n_scored": 1}},
            "health": [{"term": "output", "fault": "constant", "detail": "flat"}],
            "profile_definition": {"primary": "mae", "metrics": [], "unit": "HU"},
            **facts,
        }
    )


def done(folder: CellFolder) -> Record:
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.file("predictions.h5").write_bytes(b"pixels")
    record = replace(full(), files=folder.hashes())
    folder.write(record)
    return record


def planned(run: RunFolder, *cells: PlannedCell) -> RunFolder:
    run.create(Plan("g", "small", (0,), cells, ()), [], {})
    return run


def test_a_record_comes_back_as_written(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path / "cell")
    record = done(folder)
    assert folder.read() == record
    assert folder.damage(record) == ""
    assert json.loads(folder.file("record.json").read_text())["scores"]["mae"]["mean"] == 1.5


@pytest.mark.parametrize("keep", [0, 1, 10, 40, 90, 1000])
def test_a_torn_record_is_no_record(tmp_path: Path, keep: int) -> None:
    folder = CellFolder(tmp_path)
    done(folder)
    path = folder.file("record.json")
    path.write_bytes(path.read_bytes()[:keep])
    assert folder.read() is None


def test_an_edited_record_is_no_record(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    done(folder)
    path = folder.file("record.json")
    path.write_text(path.read_text().replace("1.5", "9.5"))
    assert folder.read() is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "finished"}, "record.state is 'finished'"),
        ({"seed": 5}, "seed is 5, and its claim says 0"),
        ({"id": "0" * 16}, "id is '0000000000000000'"),
        ({"scores": ["not", "a", "table"]}, "record.scores is no table"),
        ({"scores": {"mae": {"state": "scored", "mean": 1e400}}}, "scores.mae"),
        ({"peak_memory_mb": 10**400}, "peak_memory_mb is no finite number"),
        ({"dataset": {"name": "half"}}, "dataset makes no sense"),
        ({"baseline": "yes"}, "baseline is neither true nor false"),
        ({"kind": "magic"}, "record.kind is 'magic'"),
        ({"schema": 1}, "this harness reads 2"),
    ],
)
def test_a_record_that_makes_no_sense_says_where(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RecordError, match=said.replace(".", r"\.")):
        Record.from_json({**full().to_json(), **change})


def test_an_altered_or_missing_file_is_damage(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    record = done(folder)
    folder.file("predictions.h5").write_bytes(b"other pixels")
    assert "altered" in folder.damage(record)
    folder.file("predictions.h5").unlink()
    assert "missing" in folder.damage(record)
    assert folder.damage(record, ["log.jsonl"]) == "it has no log.jsonl"


def test_a_record_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path / "cell")
    record = replace(done(folder), files={"../../etc/passwd": "0"})
    assert "unknown file" in folder.damage(record)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        atomic.write_with(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_whole_or_what_it_was(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(FileNotFoundError), atomic.making(target) as work:
        (work / "half" / "of it").write_text("x")
    assert list(tmp_path.iterdir()) == []
    with atomic.making(target) as work:
        (work / "one").write_text("x")
        assert not target.exists()
    with pytest.raises(OSError), atomic.making(target) as work:
        (work / "two").write_text("x")
    assert [file.name for file in target.iterdir()] == ["one"]
    with atomic.making(target, replace=True) as work:
        (work / "two").write_text("x")
    assert [file.name for file in target.iterdir()] == ["two"]
    assert [file.name for file in tmp_path.iterdir()] == ["made"]


def test_what_a_killed_process_left_of_a_folder_is_removed_and_is_no_cell(tmp_path: Path) -> None:
    left = tmp_path / "cells" / f".c1.{2**22 + 1}@{platform.node()}.part"  # beyond any process's number
    left.mkdir(parents=True)
    (left / "record.json").write_text("torn")
    assert planned(RunFolder(tmp_path)).unreadable() == []
    with atomic.making(tmp_path / "cells" / "c1") as work:
        (work / "log.jsonl").write_text("")
    assert [file.name for file in (tmp_path / "cells").iterdir()] == ["c1"]


@pytest.mark.parametrize("stated", ["/home/somebody/datasets/d.h5", r"C:\work\datasets\d.h5", "elsewhere/d.h5"])
def test_the_data_of_a_run_that_travelled_are_looked_for_under_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    monkeypatch.chdir(tmp_path)
    source = DataSource("file", "k", stated)
    assert data_file(source) == Path(stated)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "d.h5").write_bytes(b"")
    assert data_file(source) == Path("datasets/d.h5")
    (tmp_path / "mine.h5").write_bytes(b"")
    assert data_file(replace(source, path="mine.h5")) == Path("mine.h5")


def test_json_is_strict(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "x.json", {"value": float("nan")})
    atomic.write_json(tmp_path / "x.json", {"value": 1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"value": 1}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda key: key != "sha256"), VALUES, min_size=1), st.integers(0, 10**6))
def test_what_is_sealed_comes_back_and_any_other_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any], where: int
) -> None:
    path = tmp_path_factory.mktemp("seal") / "x.json"
    write_sealed(path, value)
    assert read_sealed(path) == value
    text = bytearray(path.read_bytes())
    text[where % len(text)] ^= 1
    path.write_bytes(text)
    with pytest.raises(Unsealed):
        read_sealed(path)


def test_differences_name_what_changed() -> None:
    old = {"seed": 0, "options": {"a": 1, "b": 2}, "dataset": {"path": "x", "key": "k"}}
    new = {"seed": 0, "options": {"a": 1, "b": 3}, "dataset": {"path": "y", "key": "k"}}
    assert differences(old, new) == ["options.b"]


@pytest.mark.parametrize("text", [b"[]", b"null", b"{}", b'{"state": "done"}', b"\xff\xfe", b'{"sha256": 5}'])
def test_json_that_is_no_record_is_no_record(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "record.json").write_bytes(text)
    assert CellFolder(tmp_path).read() is None


def test_cells_that_no_plan_knows_and_nobody_can_read_are_listed(tmp_path: Path) -> None:
    run = planned(RunFolder(tmp_path))
    done(CellFolder(tmp_path / "cells" / "good"))
    for name, text in (("torn", b'{"state"'), ("altered", b"{}")):
        folder = tmp_path / "cells" / name
        folder.mkdir()
        (folder / "record.json").write_bytes(text)
    (tmp_path / "cells" / "just-begun").mkdir()
    assert [name for name, _ in run.unreadable()] == ["altered", "torn"]
    assert [record.state for record in run.stream()] == ["stale"]


def test_a_plan_comes_back_and_a_forged_one_does_not(tmp_path: Path) -> None:
    cell = PlannedCell(spec(), 2.5, True, "why not", "fixed")
    run = planned(RunFolder(tmp_path), cell)
    assert run.about().cells == (cell,)
    content = read_sealed(tmp_path / "run.json")
    content["cells"][0]["id"] = "../../../etc"
    write_sealed(tmp_path / "run.json", content)
    with pytest.raises(BenchmarkError, match="is not the id of the cell"):
        run.about()


def test_one_address_means_one_cell(tmp_path: Path) -> None:
    cells = [PlannedCell(spec(model=name, seed=seed), 1.0, False) for name in ("a", "ab") for seed in (0, 1)]
    run = planned(RunFolder(tmp_path / "run"), *cells)
    records = list(run.stream())
    assert [record.title for record in matching(records, "pet-ct/a")] == ["pet-ct/a/s0", "pet-ct/a/s1"]
    assert one_cell(run, "pet-ct/ab/s1/").title == "pet-ct/ab/s1"
    assert one_cell(run, records[2].id[:12]).title == records[2].title
    for wrong, said in (("pet-ct/a", "means 2 cells"), ("mr", "no cell 'mr'"), ("", "which cell")):
        with pytest.raises(UsageError, match=said):
            one_cell(run, wrong)
    with pytest.raises(UsageError, match="only a done cell"):
        finished_cell(str(tmp_path / "run" / "pet-ct/a/s0"))
    with pytest.raises(UsageError, match="no run there"):
        finished_cell(str(tmp_path / "elsewhere"))


def test_a_log_is_read_while_it_is_written_and_after_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log, tail = TrainingLog(path), LogTail(lambda: path)
    assert (log.lines(), tail.new(), log.last_validation()) == ([], [], None)
    log.losses(1, {"l1": 0.5, "gone": float("nan")}, 3.14159)
    log.validation(2, 0.25)
    assert [line["step"] for line in tail.new()] == [1, 2]
    with path.open("a") as handle:
        handle.write('{"step": 3, "losses": {"l1"')
    assert log.lines() == [
        {"step": 1, "losses": {"l1": 0.5}, "images_per_s": 3.14},
        {"step": 2, "validation_mae": 0.25},
    ]
    assert tail.new() == []
    assert log.last_validation() == 0.25
    log.start_at(1)
    assert [line["step"] for line in log.lines()] == [1]
    log.losses(2, {"l1": 0.4})
    assert [line["step"] for line in tail.new()] == [1, 2]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(write(tmp_path_factory.mktemp("data") / "d.h5", splits={"train": 1, "val": 1, "test": 3}))


def test_predictions_come_back_with_labels_samples_and_what_is_lost(tmp_path: Path, dataset: Dataset) -> None:
    path = tmp_path / "predictions.h5"
    first, second, third = dataset.info.in_split("test")
    shape = dataset.load(first).target.shape
    values = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    with write_predictions(path, dataset.info, cell="c") as stored:
        stored.add(first, values, labels=(values % 3).astype(int), samples=np.stack([values, -values]))
        stored.add(second, values + 0.5)
        stored.lose(third, "failed: NaN")
        assert not path.exists()
    with PredictionsReader(path) as read:
        assert (read.unit, read.dataset, read.keys) == ("HU", dataset.info.content_sha256, (first, second))
        assert read.lost == {str(third): "failed: NaN"}
        assert np.array_equal(read.read(first, shape), values.astype(np.float32))
        assert read.read(first).dtype == np.float32
        labels, samples = read.labels(first), read.samples(first)
        assert labels is not None
        assert samples is not None
        assert np.array_equal(labels, values % 3)
        assert samples.shape == (2, *shape)
        assert (read.labels(second), read.samples(second)) == (None, None)
        assert np.array_equal(read.image(second, 0), (values[0] + 0.5).astype(np.float32))
        with pytest.raises(BenchmarkError, match="is missing; run the cell again"):
            read.read(third)
        with pytest.raises(BenchmarkError, match="has shape"):
            read.read(first, (1, 2, 3))


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + bytes(64)])
def test_a_damaged_predictions_file_says_so_and_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "predictions.h5"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="run the cell again"):
        PredictionsReader(path)


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(RuntimeError), write_predictions(tmp_path / "predictions.h5", dataset.info):
        raise RuntimeError("killed")
    assert not list(tmp_path.iterdir())
