"""What the documentation tells readers to type is typed: parsed, its names looked up, and run on small data."""

from __future__ import annotations

import glob
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import in_process
import nibabel as nib
import numpy as np
import pytest
import torch
from command_line import make_discoverable
from documented_commands import ROOT, Command, commands, pages, parsed, snippets
from scanner_files import body, ct
from small_datasets import write

import benchmark
from benchmark.contracts import options
from benchmark.contracts.protocols import Batch
from benchmark.data.format.reader import Dataset
from benchmark.data.format.schema import Side, Window
from benchmark.errors import UsageError
from benchmark.plan.grid import load_grid
from benchmark.registry.plugins import registry

FIRST_PARTY = ("executors", "gans", "medical", "metrics", "monai", "observers")
pytestmark = [
    pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="not a checkout: docs/ is not here"),
    pytest.mark.skipif(
        not {plugin.name for plugin in registry().plugins} >= set(FIRST_PARTY),
        reason="needs the first-party plugins, which the documentation speaks of",
    ),
]
PAGES = [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages()]
TUTORIALS = [each for each in PAGES if "tutorials" in str(each.id)]
OTHERS = [each for each in PAGES if "tutorials" not in str(each.id)]
WITH_PYTHON = [each for each in PAGES if "```python" in Path(ROOT / str(each.id)).read_text(encoding="utf-8")]
WRITTEN = {"mymodel", "mynet", "mytask", "example", "example-task"}
"""Names of plugins that pages have their readers write, and of the example's task."""

ELSEWHERE = {
    "pip install -r": "continuous integration installs so",
    "pip install benchmark-monai": "continuous integration installs it from its folder",
    "pip install tox-uv": "continuous integration installs so",
    "pip install 'medgan-benchmark[onnx]'": "extras are downloaded",
    "pip install 'medgan-benchmark[tune]'": "extras are downloaded",
    "pip install 'benchmark-observers[tensorboard]'": "extras are downloaded",
    "pip install 'benchmark-executors[": "extras are downloaded",
    "pip install -e .": "of the example: tox environment third installs it",
    "tox": "continuous integration runs it",
    "pytest": "continuous integration runs it",
    "python tests/performance/": "measures for minutes, and is no test",
    "tensorboard --logdir": "a server",
    "benchmark data import": "layouts are imported by the tests of benchmark-medical, which parse these very lines",
    "benchmark data degrade": "the tests of benchmark-medical run each degrader on what such imports give",
    "benchmark weights fetch": "a download",
    "benchmark sign": "needs a key; tests/test_signature.py makes one",
    "benchmark verify results/full-small-1seed --signers": "needs a signature; tests/test_run_toy.py makes one",
    "benchmark tune": "needs Optuna, an extra; tests/test_tune.py runs it where that is installed",
    "benchmark figure results/full-small-1seed-by-steps": "tests/test_budgets.py draws what two trainings a model give",
    "benchmark export": "needs ONNX, an extra; tests/test_inference.py runs it where that is installed",
    "benchmark translate results/t1t2": "needs a model of two channels; tests/test_channels.py translates with one",
    "benchmark translate results/a/": "needs models of three views; tests/test_inference.py averages two",
    "benchmark translate results/RUN": "the page's own cell is translated with in docs/inference.md",
    "benchmark plugins check example": "tox environment third runs it",
    "benchmark leaderboard results/...": "README.md prints one",
}
"""Commands that are not run here, by how they start, and why."""
ANSWERS = {"benchmark plugins new": ["--licence", "MIT"]}
"""What a terminal would ask for."""


def names_in(value: str | Iterable[str] | None) -> list[str]:
    parts = [value] if isinstance(value, str) else list(value or ())
    return [name for part in parts for name in str(part).split(",") if name]


def known(kind: str, name: str, grid: Any = None) -> bool:
    entries = {entry.name for _, listed, _ in grid.blocks for entry in listed} if grid else set()
    return name in WRITTEN or name in entries or name in registry().all(kind)


def names_are_known(command: Command, values: dict[str, Any], own: set[str]) -> None:
    """Every model, task, grid and profile that a line of ``benchmark run`` names is one that there is."""
    grid = load_grid(registry(), values["grid"])
    for kind in ("model", "task"):
        for name in names_in(values[f"{kind}s"]):
            assert known(kind, name, grid) or name in own, f"{command.page}: {command.text}: no {kind} {name!r}"
    if values["profile"]:
        assert known("profile", values["profile"]), command
    for observer in names_in(values["observe"]):
        assert known("observer", observer), command
    for given in values["parameters"] or ():
        owner, _, setting = given.partition(".")
        option = setting.partition("=")[0]
        if owner in WRITTEN:
            continue
        kinds = [kind for kind in ("model", "task", "executor", "observer") if owner in registry().all(kind)]
        assert kinds, f"{command.page}: {command.text}: nothing is called {owner!r}"
        fields = registry().all(kinds[0])[owner].spec.options.__dataclass_fields__
        assert option in fields, f"{command.page}: {command.text}: {owner} has no option {option!r}"


def write_grids(page: Path, folder: Path) -> None:
    """The grid files that a page shows, under the names that its commands call them by."""
    for text in re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
        if "[[entries]]" in text:
            (folder / f"{tomllib.loads(text)['name']}.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_understood_and_what_it_names_is_there(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_grids(page, tmp_path)
    own: set[str] = set()
    for command in commands(page):
        if command.words[0] != "benchmark":
            continue
        *_, (what, context) = parsed(command.words[1:])
        if what.name == "run":
            own |= {given.partition("=")[0] for given in context.params["data"] or ()}
            names_are_known(command, context.params, own)
        if what.name == "show":
            kind, name = context.params["kind"], context.params["name"]
            assert kind in ("preset", "grid") or known(kind, name), command


def test_what_is_not_run_here_is_in_the_documentation() -> None:
    texts = [command.text for page in pages() for command in commands(page)]
    assert [start for start in ELSEWHERE if not any(text.startswith(start) for text in texts)] == []


class Reader:
    """Somebody who types what a page says, in an empty folder with a few scans."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.site = folder / "site"
        self.work.mkdir(parents=True)
        self.paths = [self.site]

    def scans(self) -> None:
        """Patients with an MR and a CT, in folders of their own, as the pages call them."""
        for number in range(8):
            folder = self.work / "scans" / f"patient{number}"
            folder.mkdir(parents=True)
            values = ct(number)
            for name, image in (("t1", np.where(body(number), 300 - values / 10, 0)), ("ct", values)):
                volume = nib.Nifti1Image(image.astype(np.int16).transpose(2, 1, 0), np.diag([2.0, 2.5, 4.0, 1.0]))
                nib.save(volume, folder / f"p{number}_{name}.nii.gz")
        (self.work / "t1-scans").mkdir()
        for name in ("t1.nii.gz", "t1-scans/a.nii.gz", "t1-scans/b.nii.gz"):
            shutil.copy(self.work / "scans/patient0/p0_t1.nii.gz", self.work / name)

    def hand_in(self, team: str, data: Path) -> None:
        """Predictions for the test split of a data set: its targets, 10 HU too high."""
        (self.work / team).mkdir(exist_ok=True)
        with Dataset(data) as dataset:
            for case in dataset.iterate("test"):
                np.save(self.work / team / f"{case.key.patient}.npy", case.target + 10)

    def install(self, name: str, source: Path) -> None:
        """What ``pip install`` of a folder does, without a build."""
        if source in self.paths:
            return
        requires = "medgan-benchmark>=0.1,<0.2"
        make_discoverable(self.site, f"benchmark-{name}", "0.1.0", name, f"benchmark_{name}", requires)
        self.paths.append(source)

    def type(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command and see it succeed."""
        program, *arguments = [name for word in words for name in self.matching(word)]
        assert program == "benchmark", f"who runs {words}? see ELSEWHERE"
        paths = os.pathsep.join(str(path) for path in self.paths)
        environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "150", "BENCHMARK_REPORT": "no"}
        ended = in_process.run(arguments, self.work, environment)
        assert ended.returncode == 0, f"{' '.join(words)}\n{ended.stdout}{ended.stderr}"
        return ended

    def matching(self, word: str) -> list[str]:
        """As a shell does: the files that a pattern means, or the word itself."""
        return sorted(glob.glob(word, root_dir=self.work)) or [word]

    def follow(self, command: Command, change: Any) -> None:
        """Type a command of a page, made small by ``change``."""
        words = command.words
        if words[:3] == ["benchmark", "plugins", "new"]:  # another page may have had it written before
            shutil.rmtree(self.work / f"benchmark-{words[3]}", ignore_errors=True)
        if words[:3] == ["pip", "install", "-e"]:
            folder = Path(words[3])
            self.install(folder.name.removeprefix("benchmark-"), self.work / folder / "src")
        elif not any(command.text.startswith(start) for start in ELSEWHERE):
            extra = next((more for start, more in ANSWERS.items() if command.text.startswith(start)), [])
            self.type(change([*words, *extra]))


def without(words: list[str], *names: str) -> list[str]:
    """A command without these options and their values."""
    kept, skip = [], False
    for word in words:
        if not skip and word not in names:
            kept.append(word)
        skip = word in names
    return kept


def small(words: list[str]) -> list[str]:
    """The same training in seconds: a smaller preset, two steps, one or two seeds."""
    if words[1:3] == ["data", "build"]:
        return [*without(words, "--preset"), "--preset", "smoke"]
    if words[1] != "run" or "--dry-run" in words:
        return words
    seeds = ["--seeds", "2"] if "--seeds" in words else []
    length = ["--budgets", "1,2"] if "--budgets" in words else ["--steps", "2"]
    return [*without(words, "--preset", "--steps", "--seeds", "--budgets"), "--preset", "smoke", *length, *seeds]


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS)
def test_a_tutorial_can_be_followed_from_its_first_line_to_its_last(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.scans()
    for command in commands(page):
        for team in {"team-a", "team-b"} & set(command.words):
            reader.hand_in(team, reader.work / "test.h5")
        if command.text.startswith("benchmark data import"):
            reader.type(command.words)
        else:
            reader.follow(command, small)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader who has a finished run, data sets of every task, and predictions made elsewhere."""
    reader = Reader(tmp_path_factory.mktemp("settled"))
    reader.scans()
    run = ["benchmark", "run", "--tasks", "mr-ct", "--models", "unet-l1,copy-input", "--preset", "smoke"]
    reader.type([*run, "--steps", "2", "--name", "full-small-1seed"])
    for name in ("before", "after"):
        shutil.copytree(reader.work / "results/full-small-1seed", reader.work / "results" / name)
    write(reader.work / "mine.h5", side=64)
    for file in ("datasets/mine.h5", "nnunet.h5", "facades.h5"):
        shutil.copy(reader.work / "mine.h5", reader.work / file)
    for folder in ("my-folder", "my-nifti-folder"):
        for file in (reader.work / "mine.h5", *reader.work.glob("datasets/mr-ct-smoke-*.h5")):
            reader.hand_in(folder, file)
    reader.install("example", ROOT / "plugins/benchmark-example/src")
    return reader


def planned(words: list[str], reader: Reader) -> list[str]:
    """A run is planned and not done; data files that it names are made."""
    if words[1] != "run":
        return [word.replace("RUN", "results/full-small-1seed") for word in words]
    for given in (words[at + 1] for at, word in enumerate(words) if word == "--data"):
        task, _, file = given.partition("=")
        if (reader.work / file).exists():
            continue
        offer = registry().all("task").get(task)
        target = Side("CT", offer.spec.target_unit if offer else "HU", Window(-1024.0, 2000.0, "fixed"))
        source = Side("MR T1", offer.spec.source_unit if offer else "a.u.", Window(0.0, 400.0))
        write(reader.work / file, splits={"train": 40, "val": 1, "test": 4}, source=source, target=target, task=task)
    return [*words, "--dry-run"]


@pytest.mark.slow
@pytest.mark.parametrize("page", OTHERS)
def test_the_commands_of_a_page_do_what_they_say(page: Path, settled: Reader) -> None:
    write_grids(page, settled.work)
    for command in commands(page):
        settled.follow(command, lambda words: planned(small(words), settled))


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_blocks_run_and_their_hooks_answer_with_records(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name == "python.md":
        pytest.skip("tests/test_python_interface.py runs it, with a grid")
    monkeypatch.syspath_prepend(ROOT / "plugins/benchmark-example/src")
    example = vars(importlib.import_module("benchmark_example"))
    module = ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)
    space = vars(module)
    space |= {name: getattr(benchmark, name) for name in benchmark.__all__} | {"np": np}
    space |= {name: value for name, value in example.items() if name.startswith("benchmark_")}
    exec(compile(snippets(page), str(page), "exec"), space)
    hooks = [value for name, value in space.items() if name.startswith("benchmark_") and callable(value)]
    records = [record for hook in hooks for record in hook()]
    assert all(getattr(record, "name", "") for record in records)
    for record in records:
        if getattr(record, "options", None) is not None:
            assert options.resolve(record.name, record.options)
            with pytest.raises(UsageError):
                options.resolve(record.name, record.options, {"no-such-option": 1})


def test_the_network_of_another_library_trains_as_the_page_says() -> None:
    space: dict[str, Any] = {}
    exec(compile(snippets(ROOT / "docs/coming-from/monai.md"), "monai.md", "exec"), space)
    recipe = SimpleNamespace(filters=4, learning_rate=1e-2, beta1=0.5, beta2=0.999)
    torch.manual_seed(0)
    model, other = (space["MyNet"](None, SimpleNamespace(recipe=recipe, device=torch.device("cpu"))) for _ in range(2))
    images = torch.rand(2, 1, 8, 8) * 2 - 1
    batch = Batch(source=images, target=-images, mask=torch.ones_like(images))
    losses = [float(model.training_step(batch)["pixel"]) for _ in range(20)]
    assert losses[-1] < losses[0]
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.translate(images), other.translate(images))
    assert list(model.networks()) == ["generator"]
