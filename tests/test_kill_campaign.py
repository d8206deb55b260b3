"""Ten interruptions of every kind; a hundred by hand: ``python tests/kill_campaign.py 100``."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from kill_campaign import campaign


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_runs_that_were_interrupted_end_as_those_that_were_not(toy: CommandLine) -> None:
    findings = campaign(toy, 10)
    assert not findings.faults, "\n".join(findings.table())
    assert findings.counts.total() == 10
