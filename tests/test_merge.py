"""Runs of one grid from several machines in one folder: same claims, hashes compared, nothing replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from made_records import made
from test_leaderboard import scored

from benchmark.errors import BenchmarkError, UsageError
from benchmark.plan.expand import PlannedCell
from benchmark.runs.merge import merge
from benchmark.runs.read import Run
from benchmark.store.folder import CellFolder, RunFacts, RunFolder
from benchmark.store.holder import Holder
from benchmark.store.lease import Leases
from benchmark.store.record import Record
from benchmark.store.seal import write_sealed

VALUES = [20.0, 21.0, 22.0]


def cell(model: str, seed: int = 0, **more: Any) -> Record:
    facts = {"task": "pet-ct", "model": model, "seed": seed, "state": "done", "scores": {"psnr": scored(VALUES)}}
    return made({**facts, **more})


def run(path: Path, cells: Mapping[str, tuple[Record, bytes | None]], **facts: Any) -> Path:
    """A run whose plan has these cells; those with predictions are done, the others as their record says."""
    planned = tuple(
        PlannedCell(spec=record.spec, cost=1.0, baseline=False, skip="", kind="trained")
        for record, _ in cells.values()
        if not record.evaluated
    )
    about = RunFacts("made", "small", (0,), {}, (), {}, (), planned)
    (path / "cells").mkdir(parents=True)
    write_sealed(path / "run.json", replace(about, **facts).to_json())
    for record, predictions in cells.values():
        folder = CellFolder(path / "cells" / record.id)
        folder.path.mkdir()
        if predictions is not None:
            folder.predictions.write_bytes(predictions)
            folder.write(replace(record, files=folder.hashes()))
        elif record.done:
            folder.path.rmdir()
        else:
            folder.write(record.ended(record.state, record.reason))
            folder.file("error.txt").write_text("Traceback\n")
    return path


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_cells_of_two_machines_come_together(tmp_path: Path) -> None:
    a, b, c = cell("a"), cell("b"), cell("c", state="failed", reason="the disk was full")
    first = run(tmp_path / "1", {"a": (a, b"aa"), "b": (b, None), "c": (c, None)})
    second = run(tmp_path / "2", {"a": (a, None), "b": (b, b"bb"), "c": (c, None)})
    before = content(first), content(second)
    merged = merge([first, second], tmp_path / "all")
    assert merged.ok
    assert sorted(merged.copied) == ["pet-ct/a/s0", "pet-ct/b/s0", "pet-ct/c/s0"]
    assert merged.missing == ["pet-ct/c/s0"]
    assert (content(first), content(second)) == before
    assert Run(tmp_path / "all").states == {"done": 2, "failed": 1}
    assert RunFolder(tmp_path / "all").cell(b.id).predictions.read_bytes() == b"bb"
    assert (tmp_path / "all/cells" / c.id / "error.txt").is_file()
    again = merge([first, second], tmp_path / "all")
    assert (again.copied, sorted(again.there)) == ([], ["pet-ct/a/s0", "pet-ct/b/s0"])


def test_parts_of_a_grid_become_one_plan(tmp_path: Path) -> None:
    a, b = cell("a", 0), cell("b", 1)
    first = run(tmp_path / "1", {"a": (a, b"aa")}, left_out={"b": "its plugin is not installed"})
    second = run(tmp_path / "2", {"b": (b, b"bb")}, seeds=(1,))
    assert merge([first, second], tmp_path / "all").ok
    about = Run(tmp_path / "all").about
    assert about.seeds == (0, 1)
    assert about.left_out == {}
    assert [one.spec.title for one in about.cells] == ["pet-ct/a/s0", "pet-ct/b/s1"]
    assert about.options["merged"] == [str(first), str(second)]


def test_conflicts_are_named_and_the_first_stays(tmp_path: Path) -> None:
    a, other = cell("a"), cell("a", id="other options")
    first = run(tmp_path / "1", {"a": (a, b"aa")})
    claims = merge([first, run(tmp_path / "2", {"a": (other, b"bb")})], tmp_path / "claims")
    (conflict,) = claims.conflicts
    assert (conflict.cell, conflict.runs) == ("pet-ct/a/s0", (first, tmp_path / "2"))
    assert "options" in conflict.reason
    numbers = merge([first, run(tmp_path / "3", {"a": (a, b"cc")})], tmp_path / "numbers")
    assert [conflict.reason for conflict in numbers.conflicts] == ["the same claim and other predictions"]
    for name in ("claims", "numbers"):
        assert RunFolder(tmp_path / name).cell(a.id).predictions.read_bytes() == b"aa"
        assert Run(tmp_path / name).states == {"done": 1}


def test_evaluated_rows_of_one_name_are_a_conflict_if_they_differ(tmp_path: Path) -> None:
    a = cell("theirs", kind="evaluated")
    other = cell("theirs", kind="evaluated", id="other")
    first, second = run(tmp_path / "1", {"a": (a, b"aa")}), run(tmp_path / "2", {"a": (other, b"bb")})
    merged = merge([first, second], tmp_path / "all")
    assert [conflict.reason for conflict in merged.conflicts] == ["other predictions under one name"]
    assert merged.copied == ["pet-ct/theirs/s0"]


def test_damaged_cells_are_not_taken_and_another_run_gives_them(tmp_path: Path) -> None:
    a, b = cell("a"), cell("b")
    torn = run(tmp_path / "torn", {"a": (a, b"aa"), "b": (b, b"bb")})
    for record in (a, b):
        CellFolder(torn / "cells" / record.id).predictions.write_bytes(b"xx")
    whole = run(tmp_path / "whole", {"a": (a, b"aa")})
    merged = merge([torn, whole], tmp_path / "all")
    assert sorted(merged.damaged.values()) == ["predictions.h5 was altered"] * 2
    assert not merged.ok
    assert merged.copied == ["pet-ct/a/s0"]
    assert merged.missing == ["pet-ct/b/s0"]
    assert not [path for path in (tmp_path / "all/cells").iterdir() if path.name.startswith(".")]


def test_what_cannot_be_merged_is_refused(tmp_path: Path) -> None:
    first = run(tmp_path / "1", {"a": (cell("a"), b"aa")})
    other = run(tmp_path / "2", {"a": (cell("a"), b"aa")}, grid="another")
    with pytest.raises(UsageError, match="cells of different grids"):
        merge([first, other], tmp_path / "all")
    assert not (tmp_path / "all").exists()
    with pytest.raises(UsageError, match="no run there"):
        merge([first, tmp_path / "nothing"], tmp_path / "all")
    with pytest.raises(UsageError, match="is among the runs"):
        merge([first], first)
    (tmp_path / "all/cells").mkdir(parents=True)
    with FileLock(tmp_path / "all/.merge.lock"), pytest.raises(BenchmarkError, match="another process merges"):
        merge([first], tmp_path / "all")


def test_a_run_that_is_worked_on_is_left_alone(tmp_path: Path) -> None:
    a = cell("a")
    target = run(tmp_path / "all", {"a": (a, None)})
    first = run(tmp_path / "1", {"a": (a, b"aa")})
    lease = Leases(target).take(a.id, Holder(host="other", machine="m", pid=1, born="1"))
    with pytest.raises(BenchmarkError, match=f"works on cell {a.id}"):
        merge([first], target)
    lease.drop()
    assert merge([first], target).copied == ["pet-ct/a/s0"]
