"""``benchmark tune``: the same number of trials for each model, on validation patients of tuning data."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from command_line import CommandLine
from made_records import made

from benchmark.contracts.budget import Budget
from benchmark.contracts.presets import Recipe
from benchmark.contracts.search import Choices, Range, fault_of, spaces, within
from benchmark.contracts.specs import ModelSpec
from benchmark.errors import BenchmarkError, UsageError
from benchmark.leaderboard import Leaderboard
from benchmark.plan.grid import Entry, parse_grid
from benchmark.report.gather import Material, RunFacts, tuning_plots
from benchmark.report.page import Page
from benchmark.runs.execute import Observer
from benchmark.store.record import Record
from benchmark.testing import tiny
from benchmark.tuning import storage, tune
from benchmark.tuning.outcome import Best, grid_file
from benchmark.tuning.statement import TuneSettings
from benchmark.tuning.tune import Tuning

optuna = pytest.importorskip("optuna", reason="Optuna is not installed (the extra 'tune')")


@dataclass(frozen=True)
class _Options:
    """Options with a search space."""

    weight: float = field(default=1.0, metadata={"help": "h", "search": Range(0.1, 10.0, log=True, source="s")})
    layers: tuple[int, ...] = field(default=(1, 2), metadata={"search": Choices(((1, 2), (1,)), source="s")})


@dataclass(frozen=True)
class _Plain:
    """Options without one."""

    x: float = 1.0


TUNE = ("tune", "--models", "toy-affine", "--task", "toy-shift", "--preset", "smoke", "--steps", "4")


def records(toy: CommandLine, run: str) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in (toy.folder / "results" / run).glob("cells/*/record.json")]
    return {f"{record['name']} {record['spec']['recipe']['steps']}": record for record in found}


@pytest.mark.slow
def test_a_tuning_leaves_a_grid_that_anybody_can_run(toy: CommandLine) -> None:
    first = toy(*TUNE, "--trials", "3")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "toy-affine: error" in first.stdout
    run = "tune-toy-shift-data0-smoke"
    cells = records(toy, run)
    assert sorted(cells) == ["toy-affine-t000 4", "toy-affine-t001 4", "toy-affine-t002 4"]
    for record in cells.values():
        assert record["state"] == "done"
        assert record["spec"]["split"] == "val"
        assert record["scores"]["toy-error"]["n_expected"] == 2, "the validation patients, not the three of the test"
    assert cells["toy-affine-t000 4"]["spec"]["recipe"]["learning_rate"] == 1e-3, "the first trial is untuned"
    before = {path: path.stat().st_mtime_ns for path in (toy.folder / "results" / run).glob("cells/*/*")}
    more = toy(*TUNE, "--trials", "4")
    assert more.returncode == 0, more.stdout + more.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before, "no trial is run twice"
    assert len(records(toy, run)) == 4

    grid = f"results/{run}/tuned.toml"
    entry = tomllib.loads((toy.folder / grid).read_text())["entries"][0]["models"][1]
    values = [record["scores"]["toy-error"]["mean"] for record in records(toy, run).values()]
    assert entry["tuned"]["trials"] == 4
    assert entry["tuned"]["value"] == min(values) <= entry["tuned"]["untuned"]
    assert entry["tuned"]["patients"] == "validation, data seed 0"
    ended = toy("run", "--grid", grid, "--preset", "smoke", "--name", "again")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    table = toy("leaderboard", "results/again").stdout
    assert "4 trials" in table
    assert "untuned" in table
    assert {record["spec"].get("split", "test") for record in records(toy, "again").values()} == {"test"}
    other = toy(*TUNE[:-1], "5", "--trials", "4")
    assert other.returncode == 2
    assert "other steps" in other.stderr


class Scripted(Tuning):
    """Trials of which nobody trains anything: their values are given, by trial; ``None`` fails."""

    values: ClassVar[tuple[float | None, ...]]
    ran: list[tuple[str, float | None]]

    def _run(self, display: Any, budget: Budget | None, entries: Any) -> dict[tuple[str, float | None], Record]:
        found = {}
        for entry in entries:
            value = self.values[int(entry.name[-3:])]
            facts = {"model": "m", "name": entry.name, "state": "failed" if value is None else "done", "reason": "NaN"}
            if value is not None:
                facts["scores"] = {"error": {"state": "scored", "mean": value, "patients": {"p": value}}}
            found[entry.name, budget.amount if budget else None] = made(facts)
            self.ran.append((entry.name, budget.amount if budget else None))
        return found


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    """A tuning of a model of the tests, with these values."""
    model = ModelSpec("m", "benchmark.testing.tiny:Error", options=_Options)
    registry = tiny.registry_with(model, tiny.task_for(model))
    monkeypatch.setattr(tune, "registry", lambda: registry)

    def make(*values: float | None, **more: Any) -> Scripted:
        settings = TuneSettings(("m",), "tiny", trials=len(values), preset="smoke", jobs=1, results=tmp_path, **more)
        tuning = Scripted(settings)
        tuning.ran = []
        monkeypatch.setattr(Scripted, "values", values, raising=False)
        return tuning

    return make


def silent(planned: Any) -> Any:
    return contextlib.nullcontext(Observer())


def test_a_pruner_ends_trials_after_a_budget(scripted: Callable[..., Scripted]) -> None:
    tuning = scripted(3.0, 4.0, 2.0, 5.0, budgets=(2, 6), pruner="halving")
    (best,) = tuning.run(silent).best
    states = [trial.state.name for trial in tuning.models[0].study.trials]
    assert states == ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED"]
    assert (best.value, best.untuned, best.trials) == (2.0, 3.0, 4)
    assert [name for name, amount in tuning.ran if amount == 6] == ["m-t000", "m-t002"], "the others stop at 2"
    plots = sorted(path.name for path in (tuning.path / "tuning").iterdir())
    assert "m-slices.svg" in plots, plots
    assert "m-coordinates.svg" in plots, plots
    material = Material([RunFacts("tune", tuning.path, {})], Leaderboard((), None))
    assert [title for title, _ in tuning_plots(material)] == [name.removesuffix(".svg") for name in plots]
    assert "data:image/svg+xml;base64," in Page(material).render()


def test_a_trial_that_fails_counts_and_the_others_go_on(scripted: Callable[..., Scripted]) -> None:
    tuning = scripted(3.0, None, 2.5)
    (best,) = tuning.run(silent).best
    assert (best.value, best.trials, best.failed) == (2.5, 3, 1)
    with pytest.raises(BenchmarkError, match="none of 1 trials has a value; the first failed: NaN"):
        scripted(None, name="other").run(silent)


def test_a_trial_that_was_interrupted_is_finished_first(scripted: Callable[..., Scripted]) -> None:
    begun = scripted(3.0, 1.0)
    ((_, trial),) = begun._ask()
    params = dict(trial.params)
    tuning = scripted(3.0, 1.0)
    (best,) = tuning.run(silent).best
    trials = tuning.models[0].study.trials
    assert [one.state.name for one in trials] == ["COMPLETE", "COMPLETE"], "it is not asked for again"
    assert trials[0].params == params
    assert best.value == 1.0
    with pytest.raises(UsageError, match="other seed; give another --name or --storage"):
        scripted(3.0, 1.0, seed=5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data-seed", "1806"), "tune on 0 to 9"),
        (("--trials", "0"), "--trials"),
        (("--pruner", "median"), "give two or more"),
        (("--models", "toy-copy"), "it is fixed"),
        (("--models", "toy-afine"), "Did you mean 'toy-affine'"),
        (("--storage", "nonsense"), "write sqlite:///FILE.db"),
        (("--storage", "sqlite:////nowhere/at/all.db"), "give another --storage"),
    ],
)
def test_a_tuning_that_cannot_be_is_one_clear_line(toy: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    ended = toy(*TUNE, *arguments)
    assert ended.returncode in (1, 2), ended.stdout
    assert said in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= 12


def test_a_locked_storage_is_one_clear_line(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LOCKED_SECONDS", 0.1)
    url = f"sqlite:///{tmp_path / 'tuning.db'}"
    opened = storage.open_storage(url)
    holder = sqlite3.connect(tmp_path / "tuning.db")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(BenchmarkError, match=r"database is locked; another process holds it"), storage.faults(url):
        optuna.create_study(storage=opened, study_name="x")
    holder.close()


def test_a_storage_that_is_gone_is_one_clear_line(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'tuning.db'}"
    study = optuna.create_study(storage=storage.open_storage(url), study_name="x")
    with sqlite3.connect(tmp_path / "tuning.db") as file:
        file.execute("DROP TABLE trials")
    with pytest.raises(BenchmarkError, match=r"no such table.*give another --storage"), storage.faults(url):
        study.ask()


@pytest.mark.parametrize(
    ("kind", "default", "search", "fault"),
    [
        (float, 1.0, Range(2.0, 1.0, source="s"), "is empty"),
        (float, 1.0, Range(0.0, 2.0, log=True, source="s"), "does not begin above 0"),
        (float, 9.0, Range(1.0, 2.0, source="s"), "leaves out its default"),
        (float, 1.0, Range(float("nan"), 2.0, source="s"), "is empty"),
        (float, 1.0, Range(1.0, 2.0), "its source"),
        (int, 1, Range(0.5, 2.0, source="s"), "whole numbers"),
        (str, "a", Range(0.5, 2.0, source="s"), "its type str"),
        (int, 1, Choices((1,), source="s"), "fewer than two"),
        (int, 1, Choices((1, "many"), source="s"), "that it cannot have"),
        (float, 1.0, (1.0, 2.0), "declare a Range or Choices"),
        (float, 1.0, Range(0.1, 2.0, log=True, source="s"), ""),
        (int, 1, Choices((1, 2), source="s"), ""),
    ],
)
def test_a_bad_range_is_named(kind: type, default: Any, search: Any, fault: str) -> None:
    options = make_dataclass("Options", [("x", kind, field(default=default, metadata={"search": search}))])
    said = fault_of(options, "x", search)
    assert fault in said
    assert bool(said) == bool(fault)
    if fault:
        with pytest.raises(UsageError, match=r"^model\.x: "):
            spaces("model", options)
    else:
        assert spaces("model", options) == {"x": search}
        assert within(search, default)


def test_the_recipe_declares_what_every_model_is_tuned_in() -> None:
    assert {"learning_rate", "beta1"} <= set(spaces("recipe", Recipe))


def test_a_tuning_needs_models_and_a_task() -> None:
    with pytest.raises(UsageError, match="say what to tune"):
        TuneSettings(("a",))


def test_the_grid_that_is_written_can_be_read() -> None:
    entry = Entry("m", "m-t001", {"weight": 0.5, "layers": "1,2", "odd name": True}, {"smoke": {"beta1": 0.9}})
    text = grid_file(
        "tuned-t", "t", [Best(entry, 12, 1, 3.5, None)], {"metric": 'a "quoted" name', "budgets": ["1 steps"]}
    )
    (_, (plain, tuned), _), = parse_grid(text, "here").blocks  # fmt: skip
    assert (plain.name, plain.trials, plain.options) == ("m", 0, {})
    assert (tuned.name, tuned.trials, tuned.options, tuned.recipes) == ("m-tuned", 12, entry.options, entry.recipes)
    with pytest.raises(UsageError, match="'tuned' must be a table"):
        parse_grid(text.replace("trials = 12", "trials = 0"), "here")


def test_options_without_a_range_are_left_as_they_are() -> None:
    assert spaces("model", _Plain) == {}
    assert spaces("model", None) == {}
