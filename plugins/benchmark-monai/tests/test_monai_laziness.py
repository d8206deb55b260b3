"""Neither MONAI nor torch is imported by what only lists the models."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "monai", "einops", "numpy")

LISTING = "from benchmark_monai import benchmark_models; assert len(list(benchmark_models())) == 3"
COMMAND = """
from benchmark.cli import app
try:
    app({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize(
    "program",
    [
        LISTING,
        COMMAND.format(arguments=["list", "models"]),
        COMMAND.format(arguments=["show", "grid", "full"]),
        COMMAND.format(arguments=["run", "--grid", "full", "--dry-run"]),
        COMMAND.format(arguments=["plugins"]),
    ],
    ids=["the hook", "list", "show grid", "a plan", "plugins"],
)
def test_listing_imports_nothing_heavy(program):
    program = f"import sys\n{program}\nprint('LOADED', *({HEAVY!r} & sys.modules.keys()))"
    program = program.replace(repr(HEAVY), repr(set(HEAVY)))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.splitlines()[-1].split() == ["LOADED"]


def test_without_monai_listings_go_on_and_building_says_what_is_missing():
    program = f"""
import sys
sys.modules["monai"] = None
{LISTING}
from benchmark_monai import benchmark_models
try:
    [spec.load() for spec in benchmark_models()]
except ImportError as error:
    print("SAID", error)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout.splitlines()[-1].startswith("SAID")
    assert "monai" in ended.stdout
