"""What keeps the house in order: one door for all plugins, and files that must stay in step."""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from pathlib import Path

import pytest
from command_line import CommandLine
from process_marks import starts_processes

from benchmark import __version__

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


def test_one_version_one_home_and_one_group_of_authors() -> None:
    """The version stands in ``benchmark/_version.py``; everything else that names it is released with it."""
    harness = project(ROOT)
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", citation, re.M) == [__version__]
    assert harness["dynamic"] == ["version"]
    released = [folder for folder in PLUGINS if folder.name != EXAMPLE]
    assert {str(project(folder)["version"]) for folder in released} == {__version__}
    series = ".".join(__version__.split(".")[:2])
    for about in map(project, PLUGINS):
        needs = [str(item) for item in about["dependencies"] if str(item).startswith("medgan-benchmark")]  # type: ignore[attr-defined]
        assert len(needs) == 1, about["name"]
        assert needs[0].startswith(f"medgan-benchmark>={series},<"), about["name"]
    urls: dict[str, str] = harness.get("urls", {})  # type: ignore[assignment]  # RELEASING.md says when there are some
    assert re.findall(r'^repository-code: "(.*)"$', citation, re.M) == [
        urls[name] for name in urls if name == "Homepage"
    ]
    for about in map(project, released):
        assert about["authors"] == harness["authors"]
        own = {"Homepage": f"{urls['Homepage']}/tree/main/plugins/{about['name']}"} if urls else {}
        assert about.get("urls", {}) == {**urls, **own}


def test_the_interpreters_of_the_matrix_are_those_that_are_promised() -> None:
    matrix = re.search(r"py3\{(\d+)-(\d+)\}-core", (ROOT / "tox.ini").read_text())
    assert matrix is not None
    tested = [f"Programming Language :: Python :: 3.{minor}" for minor in range(int(matrix[1]), int(matrix[2]) + 1)]
    classifiers = project(ROOT)["classifiers"]
    assert [line for line in classifiers if ":: 3." in line] == tested  # type: ignore[attr-defined]


def test_the_matrix_leaves_no_test_out() -> None:
    """What one Python's environment leaves to another's, that one runs."""
    matrix = re.sub(r"\{env:LOWEST_\w+:(.*?)\}", r"\1", (ROOT / "tox.ini").read_text())
    asked = dict(re.findall(r"^ {4}(py3\S+): pytest \{\S+ \{posargs:(.*)\}$", matrix, re.M))
    assert asked["py311-core"] == '-m "slow" tests'
    assert asked["py3{13-14}-core"] == '-m "not slow" tests'
    kept, left = (re.findall(r'-k "(.*?)" plugins ', asked[name]) for name in ("py3{13-14}-first", "py311-first"))
    assert [f"not ({words})" for words in kept] == left


def test_the_page_on_the_house_lists_the_files_that_there_are() -> None:
    """``python docs/architecture_tables.py`` writes it again."""
    spec = importlib.util.spec_from_file_location("architecture_tables", ROOT / "docs" / "architecture_tables.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text(encoding="utf-8") == tool.written(tool.PAGE.read_text(encoding="utf-8"))


def test_modules_that_the_page_on_the_house_names_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("## Rules")[0]
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) > 10
    for _, question, room, files, _ in rows:
        folder = re.findall(r"`([\w/]+)/`", room)
        for name in re.findall(r"`([\w/]+\.py)`", files):
            homes = [ROOT / "benchmark" / name, *(ROOT / "benchmark" / home / name for home in folder)]
            assert any(home.is_file() for home in homes), (question, name)


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


def test_what_starts_a_process_is_found_by_reading_it() -> None:
    """The quick loop leaves these out; what starts none stays in it."""

    def by_name() -> None:
        import subprocess

        assert subprocess

    def by_call() -> None:
        os.fork()

    def by_helper() -> None:
        starting_helper()

    def by_class() -> None:
        CommandLine.make(ROOT)

    def none() -> None:
        project(ROOT)

    class Kit:
        def inner(self) -> None:
            os.fork()

        def test(self) -> None:
            self.inner()

    for function in (by_name, by_call, by_helper, by_class):
        assert starts_processes([function]), function
    assert not starts_processes([none])
    assert starts_processes([Kit.test], Kit)
    assert not starts_processes([Kit.test])


def starting_helper() -> None:
    os.fork()
