"""The command line stays quick: nothing heavy is imported before something is trained, translated or scored."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("torch", "torchvision", "torchmetrics", "lpips", "monai", "pandas"),
    *("pyarrow", "h5py", "scipy", "matplotlib", "numpy"),
)

PROGRAM = """
import sys
from benchmark.cli import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *(name for name in {heavy!r} if name in sys.modules))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("run", "--help"),
        ("list",),
        ("list", "--json"),
        ("list", "executors"),
        ("completion", "bash"),
        ("show", "preset", "small"),
        ("plugins",),
        ("data", "--help"),
        ("status", "--help"),
    ],
)
def test_a_light_command_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    program = PROGRAM.format(heavy=HEAVY)
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].split() == ["LOADED"]


def test_the_supervisor_of_a_run_never_imports_torch() -> None:
    program = (
        "import sys, benchmark.runs.execute, benchmark.cli.run, benchmark.cli.live; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_script_that_only_imports_or_plans_imports_nothing_heavy() -> None:
    program = (
        "import sys, benchmark; benchmark.components(); benchmark.run; benchmark.load_run; benchmark.plan_run; "
        f"print('LOADED', *(name for name in {(*HEAVY, 'rich', 'typer')!r} if name in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.split() == ["LOADED"]


def test_completing_a_name_imports_nothing_heavy() -> None:
    program = f"""
import os, sys
os.environ.update(_BENCHMARK_COMPLETE="complete_bash", COMP_WORDS="benchmark run --preset sm", COMP_CWORD="3")
from benchmark.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
print("LOADED", *(name for name in {HEAVY!r} if name in sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.split() == ["smoke", "small", "LOADED"]


SHOWS = """
import sys
from benchmark.cli import app
from benchmark.registry.plugins import registry
for kind in ("task", "metric", "profile", "grid", "importer"):
    for name in registry().all(kind):
        try:
            app(["show", kind, name])
        except SystemExit as end:
            assert not end.code, (kind, name)
print("LOADED", *(name for name in {heavy!r} if name in sys.modules))
"""


def test_only_showing_a_model_imports_torch() -> None:
    program = SHOWS.format(heavy=("torch", "torchvision", "torchmetrics", "lpips", "monai", "scipy"))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].split() == ["LOADED"]
