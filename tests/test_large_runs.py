"""Runs of many cells: what is read, and what is written once. How long it takes: tests/performance/large_runs.py."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from made_records import made, spec
from made_runs import Catalogue, MadeRun

from benchmark.atomic import sha256_of
from benchmark.errors import BenchmarkError
from benchmark.plan.claim import CellSpec, Start
from benchmark.plan.expand import Plan, PlannedCell
from benchmark.runs.read import Run
from benchmark.runs.verify import examine_all
from benchmark.store import folder as folders
from benchmark.store import index
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

    def look_at(_: RunFolder, cell: PlannedCell, **__: bool) -> Record:
        read.append(cell.spec.id)
        return folders.planned_record(cell)

    monkeypatch.setattr(RunFolder, "look_at", look_at)
    assert one_cell(run, cells[3].spec.title).seed == 3
    assert read == [cells[3].spec.id]


@pytest.mark.parametrize(
    "changes", [{}, {"seed": 0}, {"seed": 12345}, {"split": "val"}, {"start": Start("c", "s", "p")}, {"trials": 3}]
)
def test_an_id_is_the_hash_of_the_claim_however_it_is_reckoned(changes: dict[str, object]) -> None:
    first = spec(model="m")
    cell = replace(first, **changes)  # type: ignore[arg-type]
    for same in (cell, first.like(**changes), CellSpec.from_json(cell.to_json())):
        assert same == cell
        assert same.id == sha256_of(cell.claim)[:16]


def test_a_record_that_says_what_was_expected_is_read_as_one_that_nobody_expected(tmp_path: Path) -> None:
    record = replace(done(CellFolder(tmp_path)), state="planned")
    for other in (record.spec, record.spec.like(seed=5), record.spec.like(profile="other"), replace(record.spec)):
        assert Record.from_json(record.to_json(), other).spec == Record.from_json(record.to_json()).spec == record.spec


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run of three finished cells, and one that is not, with an index of them."""
    monkeypatch.setattr(index, "MANY", 1)
    run = RunFolder(tmp_path)
    finished = [made({"model": name, "state": "done", "scores": {}, "timings": {"train_s": 2.5}}) for name in "abc"]
    specs = [*(record.spec for record in finished), spec(model="d")]
    run.create(Plan("g", "small", (0,), tuple(PlannedCell(each, 1.0, False) for each in specs), ()), [], {})
    for record in finished:
        folder = run.cell(record.id)
        facts = done(folder)
        folder.write(replace(record, files=facts.files, stamps=facts.stamps, token=7))
    list(Run(run.path).overview())
    assert (run.path / "index.json").is_file()
    return run


def seen(run: RunFolder) -> tuple[list[str], list[str]]:
    """States, and of which cells the record was read."""
    read: list[str] = []
    original = RunFolder.look_at

    def look_at(self: RunFolder, cell: PlannedCell, *, verify: bool = False) -> Record:
        read.append(cell.spec.name)
        return original(self, cell, verify=verify)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RunFolder, "look_at", look_at)
        found = {spec.name: brief for spec, brief in Run(run.path).overview()}
    for cell in run.about().cells:  # whatever was read, it says the same
        assert found[cell.spec.name] == index.Brief.of(run.look_at(cell, verify=True))
    return [brief.state for brief in found.values()], read


def test_of_finished_cells_that_were_seen_before_no_record_is_read(many: RunFolder) -> None:
    assert seen(many) == (["done", "done", "done", "planned"], ["d"])


@pytest.mark.parametrize("what", ["predictions.h5", "log.jsonl", "record.json"])
@pytest.mark.parametrize("how", ["altered", "gone", "written again"])
def test_a_cell_whose_files_changed_is_looked_at_again(many: RunFolder, what: str, how: str) -> None:
    path = many.cell(many.about().cells[1].spec.id).file(what)
    text = path.read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes(text if how == "written again" else text + b"x")
    state = "done" if how == "written again" else "planned" if what == "record.json" else "failed"
    assert seen(many) == (["done", state, "done", "planned"], ["b", "d"])


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 1, "cells": {}}'])
def test_an_index_that_is_torn_is_none(many: RunFolder, text: str) -> None:
    (many.path / "index.json").write_text(text)
    assert seen(many)[1] == ["a", "b", "c", "d"]


def test_a_record_without_stamps_is_read_each_time(many: RunFolder) -> None:
    """Of what an older version wrote, or a copy of a run, nothing else can be known."""
    folder = many.cell(many.about().cells[1].spec.id)
    folder.write(replace(folder.record(), stamps={}))
    assert seen(many)[1] == seen(many)[1] == ["b", "d"]


def test_states_that_come_with_the_leaderboard_are_those_of_the_run(many: RunFolder) -> None:
    run = Run(many.path)
    assert run.leaderboard_and_states()[1] == run.states == {"done": 3, "planned": 1}


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
