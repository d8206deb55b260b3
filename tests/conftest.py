"""What tests of the harness share."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine


@pytest.fixture
def toy(tmp_path: Path) -> CommandLine:
    """The command line with a stranger's plugin and none of ours."""
    return CommandLine.make(tmp_path)
