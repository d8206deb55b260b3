"""A damaged file of a run costs what stands in it: commands that show name it in one line, and go on with the rest."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import in_process
import pytest
from made_runs import Catalogue, MadeRun

from benchmark.report import gather
from benchmark.runs import verify
from benchmark.runs.read import Run, load_run
from benchmark.store.folder import RunFolder
from benchmark.store.seal import read_sealed, write_sealed

Damage = Callable[[Path], object]


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


DAMAGE: dict[str, Damage] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "deep": lambda path: path.write_text("[" * 100_000),
    "folder": folder_instead,
    "dangling": dangling,
}
NONSENSE = """{"step": 1, "losses": [], "images_per_s": "fast"}
{"step": 2, "losses": {"a": "x", "b": null, "c": [1]}}
{"step": 3, "validation_mae": "x"}
{"step": 1e999, "validation_mae": []}
{"step": 4, "losses": {"a": 1e308, "b": -1e308}}
"""


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin, and a plotting library of one line."""
    for module in (gather, verify):
        monkeypatch.setattr(module, "registry" if module is gather else "installed", Catalogue)
    monkeypatch.setattr("benchmark.runs.read.registry", Catalogue)
    monkeypatch.setattr("benchmark.report.page.plotting_library", lambda: "window.vegaEmbed = null;")


@pytest.fixture
def run(tmp_path: Path) -> MadeRun:
    """A trained cell of a plan that nobody knows of, and two evaluated ones."""
    made = MadeRun(tmp_path / "r")
    made.add("ours", 20.0, kind="trained")
    made.add("theirs", 60.0)
    made.add("guest", 40.0)
    return made


def ask(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = in_process.run(arguments, folder, dict(os.environ))
    assert "raceback" not in done.stdout + done.stderr, done.stderr
    return done


@pytest.mark.parametrize("how", DAMAGE)
def test_what_cells_say_is_shown_where_the_plan_is_damaged(run: MadeRun, how: str) -> None:
    DAMAGE[how](run.path / "run.json")
    opened = load_run(run.path)
    assert opened.states == {"done": 3}
    ((name, reason),) = opened.unreadable
    assert name == "run.json"
    assert "is damaged" in reason
    table = ask(run.path.parent, "leaderboard", "r", "--json")
    assert table.returncode == 0
    assert all(f'"name": "{model}"' in table.stdout for model in ("ours", "theirs", "guest"))
    shown = ask(run.path.parent, "status", "r")
    assert shown.returncode == 0
    assert shown.stderr.count("run.json") == 1, shown.stderr
    assert "3 done" in shown.stdout
    report = ask(run.path.parent, "report", "r", "--to", "x.html", "--no-cases")
    assert report.returncode == 0, report.stderr
    assert "run.json" in (run.path.parent / "x.html").read_text()
    assert ask(run.path.parent, "verify", "r").returncode == 1, "a run whose plan is not known does not hold"


@pytest.mark.parametrize("schema", [1, 99])
def test_a_plan_of_another_version_is_not_called_damaged(run: MadeRun, schema: int) -> None:
    plan = read_sealed(run.path / "run.json")
    write_sealed(run.path / "run.json", {**plan, "schema": schema})
    opened = load_run(run.path)
    assert opened.states == {"done": 3}
    ((_, reason),) = opened.unreadable
    assert "another version of the harness" in reason
    assert "damaged" not in reason


def test_of_cells_with_one_address_the_latest_is_shown(run: MadeRun) -> None:
    old, new = (next(cell.id for cell in Run(run.path) if cell.name == name) for name in ("theirs", "ours"))
    cells = run.path / "cells"
    # the same model, made again after something changed: another claim, the same address
    folder = RunFolder(run.path)
    record = folder.cell(new).record()
    changed = replace(record, spec=replace(record.spec, options={"width": 3}))
    (cells / changed.id).mkdir()
    folder.cell(changed.id).write(changed.ended("failed", "later"))
    os.utime(cells / changed.id / "record.json", ns=(2**61, 2**61))
    (run.path / "run.json").write_bytes(b"")
    states = {cell.id: cell.state for cell in Run(run.path)}
    assert states[changed.id] == "failed"
    assert states[new] == "stale"
    assert states[old] == "done"


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_record_is_one_line_and_the_others_are_shown(run: MadeRun, how: str) -> None:
    cell = next(cell for cell in Run(run.path) if cell.name == "guest")
    DAMAGE[how](cell.path / "record.json")
    for command in ("status", "leaderboard"):
        done = ask(run.path.parent, command, "r")
        assert done.returncode == 0
        assert cell.id in done.stdout + done.stderr
        assert "record.json" in done.stdout + done.stderr
        assert "theirs" in done.stdout
    done = ask(run.path.parent, "report", "r", "--to", "x.html", "--no-cases")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["predictions.h5", "scores.parquet"])
@pytest.mark.parametrize("how", ["empty", "half", "noise", "folder"])
def test_a_damaged_array_or_table_fails_its_cell_only(run: MadeRun, name: str, how: str) -> None:
    cell = next(cell for cell in Run(run.path) if cell.name == "guest")
    DAMAGE[how](cell.path / name)
    shown = ask(run.path.parent, "status", "r")
    assert shown.returncode == 0
    assert any(cell.id in line and name in line for line in shown.stdout.splitlines())
    problems = {found.name: problem for found, problem in Run(run.path).verify()}
    assert name in problems["guest"]
    done = ask(run.path.parent, "report", "r", "--to", "x.html")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", [*DAMAGE, "nonsense"])
def test_a_log_of_nonsense_costs_its_curve(run: MadeRun, how: str) -> None:
    cell = next(cell for cell in Run(run.path) if cell.name == "guest")
    damage = DAMAGE.get(how) or (lambda path: path.write_text(NONSENSE))
    damage(cell.path / "log.jsonl")
    for arguments in (("leaderboard", "r"), ("status", "r"), ("report", "r", "--to", "x.html", "--no-cases")):
        assert ask(run.path.parent, *arguments).returncode == 0


@pytest.mark.parametrize("how", ["empty", "half", "noise", "folder", "dangling"])
def test_data_that_cannot_be_read_are_named_cell_by_cell(run: MadeRun, how: str) -> None:
    DAMAGE[how](run.data)
    problems = [problem for cell, problem in Run(run.path).verify() if cell.state == "done"]
    assert problems
    assert all("data.h5" in problem for problem in problems)
    for arguments in (("leaderboard", "r"), ("status", "r"), ("report", "r", "--to", "x.html")):
        done = ask(run.path.parent, *arguments)
        assert done.returncode == 0, done.stderr


def test_what_is_in_the_way_of_folders_and_lists_of_runs_is_passed_over(run: MadeRun) -> None:
    (run.path / "work").write_bytes(b"")
    (run.path / "cells/stray").write_bytes(b"x")
    (run.path / "cells/0123456789abcdef").mkdir()
    lost = run.path.parent / "lost"
    lost.mkdir()
    (lost / "run.json").symlink_to("/nowhere/at/all")
    assert load_run(run.path).states == {"done": 2, "stale": 1}
    for command in ("leaderboard", "status"):
        done = ask(run.path.parent, command, "r")
        assert done.returncode == 0, done.stderr
        assert "theirs" in done.stdout
    assert load_run(run.path.parent).path == run.path
