"""The commands that the documentation shows for importing are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from benchmark_medical.importing.records import every

from benchmark import UsageError
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


def parsed(*arguments: str) -> Any:
    needed = ("in", "--task", "mr-ct", "--target", "b", "--out", "o.h5")
    return dataclass_arguments.parse("benchmark", SPECS["nifti-pairs"], [*needed, *arguments])[0]


@pytest.mark.parametrize("twice", ["--task a --task b", "--size 64 --size 128", "--target c"])
def test_an_option_of_one_value_that_is_given_twice_is_a_mistake(twice):
    with pytest.raises(UsageError, match="given twice"):
        parsed(*twice.split())


def test_a_source_that_is_given_again_is_a_further_channel():
    assert parsed("--source", "a").source == "a"
    assert parsed("--source", "T1=a,b", "--source", "T2=c").source == ("T1=a,b", "T2=c")
    assert parsed("--source-window=0:1", "--source-window=auto").source_window == ("0:1", "auto")


def test_an_option_of_several_values_takes_them_either_way():
    assert parsed("--exclude", "P1", "--exclude", "P2,P3").exclude == ("P1", "P2", "P3")
    assert parsed().exclude == ()
