"""What ``benchmark plugins new`` writes is complete, loads, conforms, and lies in ``plugins/benchmark-example``."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from itertools import combinations
from pathlib import Path

import pytest
from command_line import CommandLine

from benchmark.contracts import hookspecs
from benchmark.errors import UsageError
from benchmark.registry import plugins
from benchmark.scaffold import KINDS, LICENCES, Wanted, contents, write

EXAMPLE = Path(__file__).parent.parent / "plugins" / "benchmark-example"
MIXES = [kinds for count in (1, 2, 3) for kinds in combinations(KINDS, count)]


@pytest.fixture
def clean_modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("benchmark_trial"):
            del sys.modules[name]


def test_the_example_is_what_is_written_today() -> None:
    if not EXAMPLE.is_dir():
        pytest.skip("not a checkout: the example is not here")
    wanted = Wanted.checked("example", list(KINDS), "Apache-2.0", "The authors of medgan-benchmark")
    ignored = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".tox", "build", "dist"}
    found = {
        path.relative_to(EXAMPLE).as_posix(): path.read_text(encoding="utf-8")
        for path in EXAMPLE.rglob("*")
        if path.is_file() and not ignored & set(path.parts)
    }
    written = contents(wanted)
    assert sorted(found) == sorted(written)
    advice = "write it again: benchmark plugins new example --kind model --kind task --kind metric"
    assert [name for name in written if written[name] != found[name]] == [], advice


@pytest.mark.parametrize("kinds", MIXES, ids="+".join)
def test_every_mix_of_kinds_loads_and_its_implementations_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_modules: None, kinds: tuple[str, ...]
) -> None:
    name = f"trial-{'-'.join(kinds)}"
    folder = write(Wanted.checked(name, list(kinds), "MIT", ""), tmp_path)
    monkeypatch.syspath_prepend(folder / "src")
    package = name.replace("-", "_")
    found = plugins.load([EntryPoint(name, f"benchmark_{package}", hookspecs.GROUP)])
    assert found.plugins[0].state == "loaded", found.plugins[0].trace
    offered = dict.fromkeys(kinds, 1) | ({"profile": 1} if "metric" in kinds else {})
    assert found.plugins[0].offers == offered
    assert not found.plugins[0].notes
    for kind in kinds:
        (offer,) = found.all(kind).values()
        assert callable(offer.spec.load())
    promises = importlib.import_module(f"benchmark_{package}.conformance")
    assert {kind.capitalize() for kind in kinds} <= set(vars(promises))
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":  # importing it wrote some
            assert "{{" not in path.read_text().replace("${{ matrix.python }}", "")


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_is_written_and_declared(licence: str) -> None:
    files = contents(Wanted.checked("trial", ["model"], licence.lower(), 'Ann "A\\B" Other'))
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project.get("license", "none") == licence
    assert ("LICENSE" in files) == (licence != "none")
    assert project["authors"] == [{"name": 'Ann "A\\B" Other'}]
    if licence in ("MIT", "BSD-3-Clause"):
        assert 'Copyright (c) Ann "A\\B" Other' in files["LICENSE"]


@pytest.mark.parametrize(
    "name", ["", "My-Model", "1st", "a_b", "a/b", "../up", "a b", "modèle", "x" * 41, "-x", "a--b", "\x1b[2J", "class"]
)
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="plugin name"):
        Wanted.checked(name, ["model"], "MIT", "")


@pytest.mark.slow
def test_a_plugin_from_nothing_to_all_checks(toy: CommandLine) -> None:
    made = toy("plugins", "new", "mymodel", "--kind", "model")
    assert made.returncode == 0, made.stderr
    assert "pip install -e benchmark-mymodel" in made.stdout
    assert (toy.folder / "benchmark-mymodel" / "LICENSE").read_text().lstrip().startswith("Apache License")
    checked = toy("plugins", "check", "./benchmark-mymodel")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.splitlines()[0] == "mymodel (benchmark-mymodel 0.1.0): loaded"
    assert "checks passed" in checked.stdout.splitlines()[-1]
    again = toy("plugins", "new", "mymodel")
    assert again.returncode == 2
    assert "benchmark-mymodel is there already" in again.stderr


@pytest.mark.slow
def test_a_faulty_plugin_fails_its_check_with_what_to_change(toy: CommandLine) -> None:
    assert toy("plugins", "new", "mymodel").returncode == 0
    model = toy.folder / "benchmark-mymodel/src/benchmark_mymodel/model.py"
    model.write_text(model.read_text().replace('"optimiser": self.optimiser.state_dict(),', ""))
    model.write_text(model.read_text().replace('self.optimiser.load_state_dict(state["optimiser"])', ""))
    checked = toy("plugins", "check", "./benchmark-mymodel")
    assert checked.returncode == 1
    failed = [line for line in checked.stdout.splitlines() if "FAILED" in line]
    assert len(failed) == 1
    assert "test_continues_after_a_kill" in failed[0]
    assert "put everything that the next step depends on into state_dict()" in failed[0]
    package = toy.folder / "benchmark-mymodel/src/benchmark_mymodel/__init__.py"
    package.write_text(package.read_text() + "\nimport torch\n")
    checked = toy("plugins", "check", "./benchmark-mymodel")
    (failed,) = [line for line in checked.stdout.splitlines() if "FAILED" in line and "heavy" in line]
    assert "torch; keep records in __init__.py, and import libraries in the module that 'factory' names" in failed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new", "toy-copy"), "model 'toy-copy' is offered by benchmark-toy 1.2.3 already"),
        (("new", "x", "--kind", "grid"), "no kind 'grid'"),
        (("new", "x", "--licence", "GPL"), "no licence 'GPL'"),
        (("new", "x", "--to", "/proc/nowhere"), "cannot write"),
        (("check", "toi"), "no plugin 'toi'. Did you mean 'toy'"),
        (("check", "toy-copy"), "'toy-copy' is a model of plugin 'toy'"),
        (("check", "./nowhere"), "no pyproject.toml there"),
        (("check", "missing.whl"), "missing.whl: not a wheel"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(toy: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    ended = toy("plugins", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_folder_that_is_no_plugin_is_refused(toy: CommandLine) -> None:
    folder = toy.folder / "other"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert "it is not a plugin" in toy("plugins", "check", "./other").stderr
    (folder / "pyproject.toml").write_text("[project\n")
    assert "not TOML" in toy("plugins", "check", "./other").stderr
