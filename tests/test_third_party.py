"""Plugins as strangers ship them: installed from wheels, a good one among broken ones."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest


def benchmark(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(autouse=True)
def installed() -> None:
    for name in ("benchmark-toy", "benchmark-broken-exit", "benchmark-clash-a"):
        try:
            distribution(name)
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed (tox environment 'third')")


@pytest.fixture
def plugins() -> dict[str, dict[str, Any]]:
    listed = benchmark("plugins", "--json")
    assert listed.returncode == 0, listed.stderr
    return {plugin["name"]: plugin for plugin in json.loads(listed.stdout)}


def test_the_good_one_is_loaded_from_its_wheel(plugins: dict[str, dict[str, Any]]) -> None:
    assert plugins["toy"]["state"] == "loaded"
    assert plugins["toy"]["version"] == "1.2.3"
    files = [str(file) for file in distribution("benchmark-toy").files or []]
    assert "benchmark_toy/__init__.py" in files


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken-import", "a_library_nobody_has"),
        ("broken-exit", "SystemExit"),
        ("broken-hook", "benchmark_model"),
        ("broken-api", "99"),
    ],
)
def test_each_broken_one_is_failed_with_its_reason(plugins: dict[str, dict[str, Any]], name: str, said: str) -> None:
    assert plugins[name]["state"] == "failed"
    assert said in plugins[name]["reason"]
    shown = benchmark("doctor", name)
    assert shown.returncode == 1
    assert said in shown.stdout


def test_a_clash_names_both_and_nobody_gets_the_name() -> None:
    ended = benchmark("show", "model", "same-name")
    assert ended.returncode == 2
    assert "benchmark-clash-a 0.1" in ended.stderr
    assert "benchmark-clash-b 0.1" in ended.stderr
    shown = benchmark("show", "model", "benchmark-clash-a:same-name")
    assert shown.returncode == 0, shown.stderr
    assert "cannot build them: AttributeError" in shown.stdout  # its implementation is missing, and no more than that


def test_first_party_plugins_come_through_the_same_door(plugins: dict[str, dict[str, Any]]) -> None:
    assert all(plugins[name]["state"] == "loaded" for name in ("gans", "medical", "metrics"))


def test_a_run_with_all_of_them_installed_works(tmp_path: Path) -> None:
    ended = benchmark("run", "--grid", "toy", "--preset", "smoke", folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "not loaded" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_strangers_model_stands_beside_ours_on_our_task(tmp_path: Path) -> None:
    arguments = ("run", "--preset", "smoke", "--tasks", "mr-ct", "--models", "toy-affine,copy-input", "--steps", "2")
    ended = benchmark(*arguments, folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "toy-affine" in ended.stdout
    assert "copy-input" in ended.stdout


def test_a_name_of_a_failed_plugin_is_not_just_unknown() -> None:
    ended = benchmark("show", "model", "misspelt")
    assert ended.returncode == 2
    assert "broken-hook" in ended.stderr
