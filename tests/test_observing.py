"""Observers are told what a run does, in order; whatever they do, the run is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, make_discoverable

from benchmark.runs import observers as observing
from benchmark.store.log import LogTail

PLUGIN = """
import json, os, sys, time
from dataclasses import dataclass, field
from benchmark import ObserverSpec, Unavailable, hookimpl

@dataclass(frozen=True)
class Options:
    file: str = field(default="told.jsonl", metadata={"help": "where"})

class Book:
    def __init__(self, options):
        self._file = open(options.file, "a")
    def _say(self, what, **more):
        assert "torch" not in sys.modules
        print(json.dumps({"told": what, **more}), file=self._file, flush=True)
    def run_started(self, run):
        self._say("run_started", cells=[cell.title for cell in run.cells], place=str(run.place("book")))
    def cell_started(self, cell):
        self._say("cell_started", cell=cell.title, recipe=dict(cell.recipe))
    def cell_logged(self, cell, line):
        self._say("cell_logged", cell=cell.title, line=line)
    def cell_finished(self, cell, record):
        self._say("cell_finished", cell=cell.title, record=record)
    def run_finished(self):
        self._say("run_finished")

class Sparse:
    def __init__(self, options):
        pass

class Raises(Sparse):
    def cell_started(self, cell):
        raise RuntimeError("no space\\x1b[31m in the lab book")
    def run_finished(self):
        print("ASKED AGAIN")

class Exits(Sparse):
    def run_started(self, run):
        sys.exit("good bye")

class Hangs(Sparse):
    def run_started(self, run):
        time.sleep(1000)

class Unbuilt:
    def __init__(self, options):
        raise KeyError("lab")

def missing(options):
    raise Unavailable("observer missing: no lab book here; buy one")

@hookimpl
def benchmark_observers():
    yield ObserverSpec("book", "watchers:Book", options=Options)
    for name, factory in (("sparse", "Sparse"), ("raises", "Raises"), ("exits", "Exits"), ("hangs", "Hangs"),
                          ("unbuilt", "Unbuilt"), ("missing", "missing"), ("absent", "nothing_of_this_name")):
        yield ObserverSpec(name, f"watchers:{factory}")
"""
SMOKE = ("run", "--grid", "toy", "--preset", "smoke")


@pytest.fixture
def watched(toy: CommandLine) -> CommandLine:
    """The toy plugin, and one with observers good and bad."""
    site = toy.folder.parent / "site"
    make_discoverable(site, "benchmark-watchers", "0.4", "watchers", "watchers")
    (site / "watchers.py").write_text(PLUGIN)
    return toy


def told(command: CommandLine) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (command.folder / "told.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_everything_is_told_in_order_and_a_second_run_tells_nothing_twice(watched: CommandLine) -> None:
    assert watched.alone(*SMOKE).returncode in (0, 1)
    assert not (watched.folder / "told.jsonl").exists()  # installed, but nobody asked
    ended = watched.alone(*SMOKE, "--name", "watched", "--observe", "book,sparse")
    assert "observer" not in ended.stdout + ended.stderr
    lines = told(watched)
    assert lines[0]["told"] == "run_started"
    assert lines[0]["place"].endswith("results/watched/observers/book")
    assert lines[-1]["told"] == "run_finished"
    records = watched.records("results/watched")
    assert len(lines[0]["cells"]) == len(records)
    for record in records.values():
        title = f"{record['task']}/{record['name']}/s{record['seed']}"
        of_cell = [line for line in lines if line.get("cell") == title]
        kinds = [line["told"] for line in of_cell]
        assert kinds == ["cell_started", *["cell_logged"] * (len(kinds) - 2), "cell_finished"]
        assert of_cell[-1]["record"] == {key: value for key, value in record.items() if key != "sha256"}
        log = watched.folder / "results/watched/cells" / record["id"] / "log.jsonl"
        written = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        assert [line["line"] for line in of_cell[1:-1]] == written
    assert any(line["told"] == "cell_logged" for line in lines)
    done = {f"{each['task']}/{each['name']}/s{each['seed']}" for each in records.values() if each["state"] == "done"}
    watched.alone(*SMOKE, "--name", "watched", "--observe", "book", "-p", "book.file=again.jsonl")
    first = json.loads((watched.folder / "again.jsonl").read_text().splitlines()[0])
    assert done.isdisjoint(first["cells"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", r"cell_started: RuntimeError: no space\x1b[31m in the lab book"),
        ("exits", "run_started: SystemExit: good bye"),
        ("unbuilt", "cannot be built: KeyError: 'lab'"),
        ("absent", "cannot be built: AttributeError"),
    ],
)
def test_a_fault_is_said_once_by_name_and_the_run_goes_on(watched: CommandLine, name: str, said: str) -> None:
    ended = watched.alone(*SMOKE, "--models", "toy-affine", "--observe", f"{name},book")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(f"observer {name} (benchmark-watchers 0.4) is out, the run is not affected: ") == 1
    assert said in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "ASKED AGAIN" not in ended.stdout
    assert told(watched)[-1]["told"] == "run_finished"


def test_one_that_hangs_is_given_up(watched: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = observing.Watcher("hangs", "benchmark-watchers 0.4", None)
    monkeypatch.setattr(observing, "PATIENCE_SECONDS", 0.1)
    import threading

    class Stuck:
        def run_started(self) -> None:
            threading.Event().wait()

    watcher.observer = Stuck()
    watcher.begin()
    watcher.tell(observing.Notice("run_started", ()))
    watcher.tell(None)
    watcher.wait(0.0)
    assert "still busy 0.1 s after the run" in watcher.fault


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--observe", "boko"), 2, "no observer 'boko'. Did you mean 'book'?"),
        (("--observe", "book", "-p", "book.fle=x"), 2, "book has no option 'fle'. Did you mean 'file'?"),
        (("--observe", "missing"), 1, "observer missing: no lab book here; buy one"),
        (("-p", "book.file=x"), 2, "book"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(
    watched: CommandLine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = watched.alone(*SMOKE, *arguments)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) <= 2
    assert not (watched.folder / "results").exists()


def test_json_stays_json_when_an_observer_fails(watched: CommandLine) -> None:
    ended = watched.alone(*SMOKE, "--models", "toy-affine", "--observe", "exits", "--json")
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each["text"] for each in events if each["event"] == "message" and "observer exits" in each["text"]]


def test_a_log_is_read_by_whole_lines_and_anew_after_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = LogTail(lambda: path)
    assert log.new() == []
    path.write_text('{"step": 1}\n{"st')
    assert log.new() == [{"step": 1}]
    path.write_text('{"step": 1}\n{"step": 2}\n')
    assert log.new() == [{"step": 2}]
    assert log.new() == []
    path.write_text('{"step": 1}\n')  # a checkpoint from before the second line
    assert log.new() == [{"step": 1}]
