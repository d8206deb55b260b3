"""What the command line promises everywhere: help, completion, JSON, colours, exit codes, a manual in step."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import CommandLine
from documented_commands import parsed

from benchmark.cli import EXIT_CODES, app
from benchmark.cli.help import split_examples
from benchmark.cli.reference import ENVIRONMENT, reference

ROOT = Path(__file__).parent.parent
SMOKE = ("run", "--grid", "toy", "--preset", "smoke")
WITHOUT_JSON = {
    "benchmark cancel": "ends jobs and says how many",
    "benchmark completion": "prints a script",
    "benchmark data build": "writes files and says which",
    "benchmark data degrade": "writes a file and says which",
    "benchmark data export": "writes files and says where",
    "benchmark data import": "writes a file and says which",
    "benchmark figure": "writes a file and says which",
    "benchmark plugins new": "writes files and says which",
    "benchmark sign": "writes two files and says which",
    "benchmark tune": "tells its trials and writes a grid file",
}
"""Commands that list nothing."""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, without groups."""

    def below(command: Any, path: str) -> Iterator[tuple[str, Any]]:
        for name, each in command.commands.items():
            if hasattr(each, "commands"):
                yield from below(each, f"{path} {name}")
            else:
                yield f"{path} {name}", each

    yield from below(typer.main.get_command(app), "benchmark")


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="not a checkout: docs/ is not here")
def test_the_manual_is_what_the_code_says() -> None:
    tested = re.search(r"^typer==(.*)$", (ROOT / "constraints" / "tested.txt").read_text(), re.M)
    if tested is None or typer.__version__ != tested[1]:
        pytest.skip(f"typer {typer.__version__} words usage lines in its own way")
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m benchmark.cli.reference > docs/cli.md"


def test_the_manual_names_every_variable_that_the_code_reads() -> None:
    internal = {"BENCHMARK_PRELOAD", "BENCHMARK_COMPLETE"}
    used = {
        name
        for file in (ROOT / "benchmark").rglob("*.py")
        for name in re.findall(r"BENCHMARK_[A-Z_]+[A-Z]", file.read_text(encoding="utf-8"))
    }
    assert used - internal == {name for name in ENVIRONMENT if name.startswith("BENCHMARK_")}


def test_every_command_lists_as_json_or_lists_nothing() -> None:
    lacking = {name for name, command in commands() if "--json" not in {o for p in command.params for o in p.opts}}
    assert lacking == set(WITHOUT_JSON)


def test_every_example_in_the_help_is_a_command_that_parses() -> None:
    root = typer.main.get_command(app)
    examples = [(name, line) for name, command in commands() for line in split_examples(command.help or "")[1]]
    examples += [("benchmark", line) for line in split_examples(root.help or "")[1]]
    assert len(examples) > 15
    for name, line in examples:
        words = re.split(r" (?:>|>>|&&) ", line)[0].split()[1:]
        assert list(parsed(words))
        assert name == "benchmark" or " ".join(["benchmark", *words]).startswith(name), line


def test_help_is_grouped_and_shows_examples_as_they_are_typed(toy: CommandLine) -> None:
    front = toy("--help").stdout
    for heading in ("Runs:", "Results:", "Trained models:", "Catalogue and data:", "Set-up:", "Exit codes:"):
        assert heading in front
    page = toy("run", "--help").stdout
    assert "\n  benchmark run --grid full --preset smoke\n" in page
    assert page.index("What to run:") < page.index("Training and scoring:") < page.index("Where it is kept:")


def complete(toy: CommandLine, line: str) -> list[str]:
    """What bash would offer after a line."""
    words = line.split(" ")
    ended = toy(
        COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), _BENCHMARK_COMPLETE="complete_bash", BENCHMARK_DEBUG="1"
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("benchmark run --gri", ["--grid"]),
        ("benchmark run --grid to", ["toy"]),
        ("benchmark run --models toy-affine,toy-c", ["toy-affine,toy-copy", "toy-affine,toy-crash"]),
        ("benchmark run --tasks ", ["toy-shift"]),
        ("benchmark run --preset sm", ["smoke", "small"]),
        ("benchmark run --executor l", ["local"]),
        ("benchmark run --data toy", ["toy-shift="]),
        ("benchmark run -p toy-affine.b", ["toy-affine.bias="]),
        ("benchmark run --recipe batch", ["batch_size="]),
        ("benchmark show gr", ["grid"]),
        ("benchmark show model toy-sl", ["toy-slow"]),
        ("benchmark list mod", ["models"]),
        ("benchmark completion z", ["zsh"]),
    ],
)
def test_names_are_completed(toy: CommandLine, line: str, expected: list[str]) -> None:
    assert complete(toy, line) == expected


def test_a_completion_script_is_printed_for_each_shell(toy: CommandLine) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_BENCHMARK_COMPLETE=complete_" in toy("completion", shell).stdout
    assert toy("completion", "tcsh").returncode == 2


def test_a_run_as_json_is_one_event_a_line(toy: CommandLine) -> None:
    def forbidden(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    ended = toy(*SMOKE, "--models", "toy-affine,toy-nan,toy-lacking", "--name", "x", "--json")
    assert ended.returncode == 1
    events = [json.loads(line, parse_constant=forbidden) for line in ended.stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["plan", "end"]
    planned = {cell["cell"]: cell for cell in events[0]["cells"]}
    assert all(cell["state"] == "planned" and cell["id"] for cell in planned.values())
    for kind in ("started", "finished"):
        assert {event["cell"] for event in events if event["event"] == kind} == set(planned)
    finished = {event["cell"]: event for event in events if event["event"] == "finished"}
    assert finished["toy-shift/toy-nan/s0"]["state"] == "failed"
    assert "nan" in finished["toy-shift/toy-nan/s0"]["reason"]
    assert {event["step"] for event in events if event["event"] == "progress"} >= {12}
    assert events[-1]["states"] == {"done": 1, "failed": 1, "skipped": 1}
    assert events[-1]["exit_code"] == 1
    assert json.loads((toy.folder / events[-1]["leaderboard"]).read_text())
    again = toy(*SMOKE, "--models", "toy-affine", "--name", "x", "--json")
    assert [json.loads(line)["event"] for line in again.stdout.splitlines()] == ["plan", "end"]
    status = json.loads(toy("explain", "results/x/toy-shift/toy-affine/s0", "--json").stdout)
    assert status[0]["state"] == "done"
    for line, expected in (
        ("benchmark explain res", ["results/x/", "results/"]),
        ("benchmark bundle results/x/toy-shift/toy-a", ["results/x/toy-shift/toy-affine/s0"]),
        ("benchmark translate nowhere/", []),
    ):
        assert complete(toy, line) == expected
    whole = toy("explain", "results/x")
    assert (whole.returncode, "which cell? write RUN/CELL" in whole.stderr) == (2, True)


def test_a_plan_as_json(toy: CommandLine) -> None:
    shown = json.loads(toy(*SMOKE, "--dry-run", "--json").stdout)
    assert {cell["model"] for cell in shown["cells"]} == {"toy-affine", "toy-copy", "toy-mean"}
    assert not (toy.folder / shown["run"]).exists()


def on_a_terminal(toy: CommandLine, *arguments: str, **more: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**toy.environment, "TERM": "xterm-256color", "COLUMNS": "120", **more}
    for name in ("NO_COLOR", "FORCE_COLOR"):
        if name not in more:
            environment.pop(name, None)
    process = subprocess.Popen(
        toy.command(*arguments), cwd=toy.folder, env=environment, stdout=theirs, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    assert process.wait(60) == 0, written.decode()
    return written.decode()


COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d)(?:;\d+)*m")


@pytest.mark.slow
def test_a_terminal_sees_a_live_table_and_no_color_is_kept(toy: CommandLine) -> None:
    arguments = (*SMOKE, "--models", "toy-slow,toy-affine", "-p", "toy-slow.seconds=0.1")
    plain = on_a_terminal(toy, *arguments, NO_COLOR="1")
    assert "images/s" in plain
    assert "\x1b[?25l" in plain  # the cursor is hidden while a table is live
    assert "\x1b[?25h" in plain
    assert not COLOUR.search(plain)
    assert COLOUR.search(on_a_terminal(toy, "leaderboard"))
    assert not COLOUR.search(on_a_terminal(toy, "leaderboard", NO_COLOR="1"))
    dumb = on_a_terminal(toy, *arguments, "--rescore", TERM="dumb")
    assert "\x1b" not in dumb
    assert "[2/2]" in dumb


def test_elsewhere_there_are_plain_lines(toy: CommandLine) -> None:
    ended = toy(*SMOKE)
    assert "\x1b" not in ended.stdout
    lines = [line for line in ended.stdout.splitlines() if re.match(r"\[\d/3\] toy-shift/toy-\w+/s0 done", line)]
    assert len(lines) == 3


def test_exit_codes_are_those_that_are_documented() -> None:
    from benchmark.errors import BenchmarkError

    def kinds(base: type[BenchmarkError]) -> Iterator[type[BenchmarkError]]:
        yield base
        for each in base.__subclasses__():
            yield from kinds(each)

    codes = {kind.exit_code for kind in kinds(BenchmarkError)}
    assert codes | {0} == EXIT_CODES.keys()


def test_no_word_in_the_command_line_asks_for_confirmation() -> None:
    """Nothing is deleted, so nothing is confirmed; the one question is for a licence, and an option answers it."""
    asked = [
        (file.name, line.strip())
        for file in (ROOT / "benchmark" / "cli").glob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"typer\.(confirm|prompt)|\binput\(|rmtree|\.unlink\(|confirmation_option", line)
    ]
    assert [(name, "Licence" in line) for name, line in asked] == [("plugins.py", True)]


def test_a_module_run_gives_the_same_as_the_script() -> None:
    shown = subprocess.run([sys.executable, "-m", "benchmark", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("benchmark ")
