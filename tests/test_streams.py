"""A closed or broken standard output ends no command that has more to do than to print."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

from benchmark.cli import streams
from benchmark.runs.execute import Observer


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_opened_on_nothing(closed: str) -> None:
    program = (
        "from benchmark.cli import streams; streams.open_closed(); import os, sys; "
        "print('out'); print('err', file=sys.stderr); sys.stdin.read(); "
        "raise SystemExit(0 if os.open(os.devnull, os.O_RDONLY) > 2 else 3)"
    )
    command = ["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, program]
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_command_without_output_says_what_it_should_by_its_exit_code() -> None:
    shell = f"'{sys.executable}' -m benchmark list presets >&-"
    ended = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_run_goes_on_when_nobody_reads_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = []
    monkeypatch.setattr(streams, "give_up_output", lambda: lost.append(1))
    heard: list[object] = []

    def broken(what: object) -> None:
        heard.append(what)
        raise BrokenPipeError

    observer = streams.outliving(Observer(broken, broken, heard.append))
    observer.planned([("a", "planned")])
    observer.event("event")  # type: ignore[arg-type]
    observer.say("said")
    assert heard == [[("a", "planned")], "event", "said"]
    assert len(lost) == 2


def test_what_else_goes_wrong_is_not_hidden() -> None:
    @dataclass
    class Teller:
        say: object

    def fault(_: str) -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        streams.outliving(Teller(fault)).say("x")  # type: ignore[operator]


def test_output_that_is_given_up_takes_error_with_it_where_both_are_one() -> None:
    program = (
        "from benchmark.cli import streams as s; s.give_up_output(); import os; os.write(2, b'x'); os.write(1, b'y')"
    )
    one = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
    )
    assert one.stdout == b""
    two = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (two.stdout, two.stderr) == (b"", b"x")
