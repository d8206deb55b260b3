"""What tests of the harness share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import STRANGERS, CommandLine, installed_plugins, make_discoverable


@pytest.fixture
def toy(tmp_path: Path) -> CommandLine:
    """The command line with the toy plugin discoverable and every installed plugin switched off."""
    site = tmp_path / "site"
    make_discoverable(site, "benchmark-toy", "1.2.3", "toy", "benchmark_toy")
    work = tmp_path / "work"
    work.mkdir()
    paths = [str(site), str(STRANGERS / "benchmark-toy" / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "BENCHMARK_DISABLE_PLUGINS": ",".join(installed_plugins()),
    }
    return CommandLine(work, environment)
