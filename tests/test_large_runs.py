"""Runs of many cells: what is read, and what is written once. How long it takes: tests/performance/large_runs.py."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from made_records import spec
from made_runs import Catalogue, MadeRun

from benchmark.errors import BenchmarkError
from benchmark.plan.expand import Plan, PlannedCell
from benchmark.runs.verify import examine_all
from benchmark.store import folder as folders
from benchmark.store.address import one_cell
from benchmark.store.folder import CellFolder, RunFolder
from benchmark.store.record import Record
from benchmark.store.seal import read_sealed, write_sealed


def planned(number: int) -> tuple[PlannedCell, ...]:
    """Cells that differ in their seed."""
    options = {"widths": list(range(50))}
    return tuple(PlannedCell(spec(model="m", seed=seed, options=options), 1.0, False) for seed in range(number))


def write(run: Path, cells: tuple[PlannedCell, ...]) -> RunFolder:
    folder = RunFolder(run)
    folder.create(Plan("g", "small", (0,), cells, ()), [], {})
    return folder


def done(folder: CellFolder) -> Record:
    """A record that vouches for two files."""
    folder.path.mkdir(parents=True, exist_ok=True)
    for name in ("predictions.h5", "log.jsonl"):
        folder.file(name).write_text(f"content of {name}")
    record = Record(spec=spec(model="m"), kind="trained", baseline=False, state="done")
    return replace(record, files=folder.hashes(), stamps=folder.stamps())


def test_what_nobody_has_touched_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = done(CellFolder(tmp_path))
    monkeypatch.setattr(folders.atomic, "sha256_file", lambda path: pytest.fail(f"{path} was read"))
    assert CellFolder(tmp_path).damage(record) == ""


@pytest.mark.parametrize("how", ["written again", "replaced", "copied back"])
def test_what_was_touched_is_read(tmp_path: Path, how: str) -> None:
    folder = CellFolder(tmp_path)
    record, path = done(folder), folder.file("predictions.h5")
    text = path.read_text()
    if how == "written again":
        path.write_text(text.upper())
    else:
        (tmp_path / "other").write_text(text.upper() if how == "replaced" else text)
        os.replace(tmp_path / "other", path)
    assert ("altered" in folder.damage(record)) is (how != "copied back")


def test_bytes_that_changed_behind_the_files_back_are_found_by_a_thorough_look(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    record, path = done(folder), folder.file("predictions.h5")
    before = path.stat()
    path.write_text(path.read_text().upper())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert folder.damage(record) == ""
    assert "altered" in folder.damage(record, thorough=True)


def test_run_json_says_once_what_cells_share_and_gives_the_same_cells_back(tmp_path: Path) -> None:
    cells = planned(300)
    run = write(tmp_path, cells)
    assert run.about().cells == cells
    assert (tmp_path / "run.json").stat().st_size < 300 * 500


@pytest.mark.parametrize("place", [99, -1, True, "0"])
def test_a_part_that_is_not_there_is_a_damaged_plan(tmp_path: Path, place: object) -> None:
    run = write(tmp_path, planned(2))
    about = read_sealed(tmp_path / "run.json")
    about["cells"][1]["parts"][2] = place
    write_sealed(tmp_path / "run.json", about)
    with pytest.raises(BenchmarkError, match="parts that are not there"):
        run.about()


def test_of_the_plan_only_the_cell_that_was_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = planned(20)
    run = write(tmp_path, cells)
    read: list[str] = []
    monkeypatch.setattr(
        RunFolder, "_record", lambda _, cell, __: read.append(cell.spec.id) or folders.planned_record(cell)
    )
    assert one_cell(run, cells[3].spec.title).seed == 3
    assert read == [cells[3].spec.id]


@pytest.mark.slow
def test_verifying_in_several_processes_says_the_same(tmp_path: Path) -> None:
    made = MadeRun(tmp_path / "run")
    for number in range(5):
        made.add(f"m{number}", 10.0)
    run = RunFolder(made.path)
    (next((made.path / "cells").iterdir()) / "scores.parquet").write_bytes(b"altered")
    answers = []
    for processes in (1, 2):
        try:
            found = examine_all(run, Catalogue(), run.stream(), processes)  # type: ignore[arg-type]
            answers.append([(record.id, problem) for record, problem in found])
        except BenchmarkError as error:
            answers.append([("", str(error))])
    assert answers[0] == answers[1]
