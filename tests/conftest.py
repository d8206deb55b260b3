"""What tests of the harness share."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from made_once import once


@pytest.fixture
def toy(tmp_path: Path) -> CommandLine:
    """The command line with a stranger's plugin and none of ours."""
    return CommandLine.make(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the toy grid was run as ``results/run``: nobody writes there.

    Tests read it, or start from a copy (:meth:`CommandLine.adopt`).
    """

    def make(folder: Path) -> None:
        ended = CommandLine.make(folder)("run", "--grid", "toy", "--preset", "smoke", "--name", "run")
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return once(tmp_path_factory, "toy-run", make) / "work"
