"""Nothing half-written counts: torn records and altered files are not done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark import atomic
from benchmark.store.folder import CellFolder, RunFolder, differences

PLAN = {"schema": 1, "grid": "g", "preset": "small", "seeds": [0], "plugins": []}


def done(folder: CellFolder) -> dict[str, object]:
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.file("predictions.h5").write_bytes(b"pixels")
    record: dict[str, object] = {"state": "done", "files": folder.hashes(), "value": 1.5}
    folder.write(record)
    return record


def test_a_record_comes_back_as_written(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path / "cell")
    record = done(folder)
    assert folder.read() == record
    assert folder.damage(record) == ""


@pytest.mark.parametrize("keep", [0, 1, 10, 40])
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


def test_an_altered_or_missing_file_is_damage(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    record = done(folder)
    folder.file("predictions.h5").write_bytes(b"other pixels")
    assert "altered" in folder.damage(record)
    folder.file("predictions.h5").unlink()
    assert "missing" in folder.damage(record)


def test_a_record_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path / "cell")
    record = {**done(folder), "files": {"../../etc/passwd": "0"}}
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


def test_json_is_strict(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "x.json", {"value": float("nan")})
    atomic.write_json(tmp_path / "x.json", {"value": 1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"value": 1}


def test_differences_name_what_changed() -> None:
    old = {"seed": 0, "options": {"a": 1, "b": 2}, "dataset": {"path": "x", "key": "k"}}
    new = {"seed": 0, "options": {"a": 1, "b": 3}, "dataset": {"path": "y", "key": "k"}}
    assert differences(old, new) == ["options.b"]


def test_a_record_with_the_hash_of_its_values_is_read_too(tmp_path: Path) -> None:
    """As records were written once."""
    record = {"state": "done", "value": [1.5, "é"]}
    (tmp_path / "record.json").write_text(json.dumps({**record, "sha256": atomic.sha256_of(record)}))
    assert CellFolder(tmp_path).read() == record
    (tmp_path / "record.json").write_text(json.dumps({**record, "sha256": atomic.sha256_of("other")}))
    assert CellFolder(tmp_path).read() is None


@pytest.mark.parametrize("text", [b"[]", b"null", b"{}", b'{"state": "done"}', b"\xff\xfe", b'{"sha256": 5}'])
def test_json_that_is_no_record_is_no_record(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "record.json").write_bytes(text)
    assert CellFolder(tmp_path).read() is None


def test_cells_that_no_plan_knows_and_nobody_can_read_are_listed(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "run.json", {**PLAN, "cells": []})
    done(CellFolder(tmp_path / "cells" / "good"))
    for name, text in (("torn", b'{"state"'), ("altered", b"{}")):
        place = tmp_path / "cells" / name
        place.mkdir()
        (place / "record.json").write_bytes(text)
    (tmp_path / "cells" / "just-begun").mkdir()
    run = RunFolder(tmp_path)
    assert [name for name, _ in run.unreadable()] == ["altered", "torn"]
    assert [record["state"] for record in run.stream()] == ["stale"]
