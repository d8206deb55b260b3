"""The commands that the documentation shows for importing are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from benchmark_medical.importing.records import every

from benchmark.cli import dataclass_arguments

ROOT = Path(__file__).parents[3]
SPECS = {spec.name: spec for spec in every()}
START = "benchmark data import "


def commands() -> list[str]:
    """All that name a layout, lines that end in a backslash joined."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "datasets").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages).replace("\\\n", " ")
    return [line.strip() for line in re.findall(rf"^ +{START}[\w-]+ .*$", text, re.MULTILINE)]


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_is_understood(command):
    layout, *arguments = shlex.split(command.removeprefix(START))
    if "--help" in arguments:
        assert layout in SPECS
        return
    options, output = dataclass_arguments.parse("benchmark", SPECS[layout], arguments)
    assert output.suffix == ".h5"
    assert options.task


def test_every_layout_is_documented():
    assert {command.removeprefix(START).split()[0] for command in commands()} >= SPECS.keys()
