"""Tables say which plugins had passed the conformance kit when their run was started."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import CommandLine

from benchmark.registry import verdicts
from benchmark.registry.sources import code_sha256, files_below
from benchmark.runs.read import kit_notes

SOURCE = "ab" * 32


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/benchmark/kit" / f"{SOURCE}.json"


def test_a_verdict_is_of_one_source_and_the_last_counts() -> None:
    assert verdicts.verdict(SOURCE) == "not tried"
    verdicts.keep(SOURCE, failed=2)
    assert verdicts.verdict(SOURCE) == "failed"
    verdicts.keep(SOURCE, failed=0)
    assert verdicts.verdict(SOURCE) == "passed"
    assert verdicts.verdict("cd" * 32) == "not tried"


@pytest.mark.parametrize("text", ["", "[" * 50_000, "[]", '{"failed": 0}', f'{{"source": "{SOURCE}", "failed": "0"}}'])
def test_what_is_no_verdict_was_not_tried(own_cache: Path, text: str) -> None:
    own_cache.parent.mkdir(parents=True)
    own_cache.write_text(text)
    assert verdicts.verdict(SOURCE) == "not tried"


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not verdicts.keep(SOURCE, failed=0)
    assert verdicts.verdict(SOURCE) == "not tried"


def test_nothing_is_said_where_no_plugin_was_tried() -> None:
    plugins = [{"distribution": "a", "version": "1", "kit": "not tried"}, {"distribution": "b", "version": "2"}]
    assert [*kit_notes(plugins)] == []
    (note,) = kit_notes([*plugins, {"distribution": "c", "version": "3", "kit": "passed"}])
    assert note == "Conformance kit, when the run was started: passed by c 3; not tried on a 1."


def test_a_run_notes_what_the_kit_said_and_its_tables_tell(toy: CommandLine, tmp_path: Path) -> None:
    run = ("run", "--grid", "toy", "--preset", "smoke", "--models", "toy-copy")
    toy.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    assert toy(*run, "--name", "before").returncode == 0
    assert "Conformance kit" not in toy("leaderboard", "results/before").stdout
    package = Path(__file__).parent / "strangers/benchmark-toy/src/benchmark_toy"
    verdicts.keep(code_sha256(package, files_below(package)), failed=0)
    assert toy(*run, "--name", "after").returncode == 0
    shown = toy("leaderboard", "results/after").stdout
    assert re.search(r"Conformance kit, when the run was started:\s+passed by benchmark-toy", shown), shown
