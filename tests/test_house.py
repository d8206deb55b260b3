"""What keeps the house in order: one door for all plugins, and files that must stay in step."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
EXAMPLE = "benchmark-example"
"""What ``benchmark plugins new`` writes: nobody's dependency, installed only where it is tested."""

pytestmark = pytest.mark.skipif(not PLUGINS, reason="not a checkout: the plugins' folders are not here")


def project(folder: Path) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return found


def test_requirements_install_every_first_party_plugin() -> None:
    listed = set(re.findall(r"^-e \./plugins/([\w-]+)", (ROOT / "requirements.txt").read_text(), re.M))
    assert listed == {folder.name for folder in PLUGINS} - {EXAMPLE}


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_is_an_ordinary_distribution(folder: Path) -> None:
    about = project(folder)
    name = folder.name.removeprefix("benchmark-")
    assert about["name"] == folder.name
    assert about["entry-points"] == {"benchmark.plugins": {name: f"benchmark_{name}"}}
    assert any(str(item).startswith("medgan-benchmark>=") for item in about["dependencies"])  # type: ignore[attr-defined]
    assert (folder / "src" / f"benchmark_{name}" / "py.typed").is_file()


def test_the_harness_names_no_first_party_plugin() -> None:
    """Law 1: no private path."""
    names = [f"benchmark_{folder.name.removeprefix('benchmark-')}" for folder in PLUGINS]
    for file in (ROOT / "benchmark").rglob("*.py"):
        text = file.read_text()
        assert not [name for name in names if re.search(rf"\bimport {name}\b|\b{name}[.:]", text)], file


def test_plugins_import_one_another_nowhere() -> None:
    for folder in PLUGINS:
        own = f"benchmark_{folder.name.removeprefix('benchmark-')}"
        for file in folder.glob("src/**/*.py"):
            for other in re.findall(r"^\s*(?:from|import) (benchmark_\w+)", file.read_text(), re.M):
                assert other == own, file


def test_constraints_pin_exactly_and_hold_no_address() -> None:
    for file in (*(ROOT / "constraints").glob("*.txt"), ROOT / "requirements.txt"):
        for line in file.read_text().splitlines():
            assert "://" not in line
            if file.parent.name == "constraints" and line and not line.startswith("#"):
                assert re.fullmatch(r"[a-z0-9-]+==[\w.]+", line), line


def test_data_and_results_hold_no_code() -> None:
    assert not [*(ROOT / "datasets").rglob("*.py"), *(ROOT / "results").rglob("*.py")]
