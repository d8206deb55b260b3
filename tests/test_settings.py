"""The settings of a run stand once: command line, Python, run.json and the folder's name follow from the fields."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
import typer
from typer.testing import CliRunner

import benchmark
from benchmark import UsageError
from benchmark.cli import app
from benchmark.cli.run import settings_from
from benchmark.cli.settings import options_from, read
from benchmark.plan.expand import Plan
from benchmark.runs.start import run_name
from benchmark.settings.keywords import keywords, method_keywords
from benchmark.settings.setting import HOW, WHAT, Setting, Statement, choice, setting, settings_of
from benchmark.settings.statement import HowToRun, PlanChoices, RunSettings

SETTINGS = settings_of(RunSettings)
PYTHON_ONLY = {"executor_options", "observer_options", "note"}
"""What a shell says in another way: the options of -p, and the command itself."""
PLAN = Plan("full", "small", (0,), (), ())


def command_options() -> dict[str, Any]:
    command: Any = typer.main.get_command(app)
    return {param.name: param for param in command.commands["run"].params}


@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: one.name)
def test_a_setting_reaches_everything_that_knows_of_settings(one: Setting) -> None:
    choices = {choice.name for choice in settings_of(PlanChoices)}
    for function in (benchmark.run, benchmark.plan_run if one.name in choices else benchmark.PlannedRun.start):
        parameter = inspect.signature(function).parameters[one.name]
        assert (parameter.default, parameter.annotation) == (one.default, one.hint)
        assert f"\n    {one.name}: " in str(function.__doc__)
    assert one.name in json.loads(json.dumps(RunSettings().said(), allow_nan=False))
    assert (one.name in command_options()) == (one.name not in PYTHON_ONLY)


@pytest.mark.parametrize("one", [one for one in SETTINGS if one.in_name], ids=lambda one: one.name)
def test_a_setting_that_changes_cells_changes_the_name_of_the_folder(one: Setting) -> None:
    changed = PlanChoices(**{one.name: another(one)})
    assert run_name(PLAN, changed) != run_name(PLAN, PlanChoices()) == "full-small-1seed"
    assert run_name(PLAN, changed) == run_name(PLAN, replace(changed, results="elsewhere", datasets="d"))


def another(one: Setting) -> Any:
    """A value that a setting does not have by default."""
    if one.name == "recipe":
        return {"flip": "yes"}
    if one.words:
        return one.words[-1]
    if one.form == "names":
        return ("x",)
    if one.form == "pairs":
        return {"x": {"y": 1}} if "OPTION" in one.metavar else {"x": "y.h5"}
    return one.scalar(7) if one.scalar is not str else "other"


def test_only_what_changes_no_cell_is_missing_in_the_name() -> None:
    """The rest of the plan's settings is the name's first part, or says where things are kept."""
    assert {one.name for one in settings_of(PlanChoices) if not one.in_name} == {
        *("grid", "preset", "seeds"),
        *("budgets", "budget_in"),  # a run is made longer in its own folder
        *("results", "name", "datasets"),
    }
    assert not [one.name for one in settings_of(HowToRun) if one.in_name]


@dataclass(frozen=True)
class WithSpeed(RunSettings):
    """What somebody writes who adds an option: one field."""

    speed: Literal["slow", "fast"] = choice("slow", "How fast.", panel=WHAT)


def test_adding_an_option_touches_one_place() -> None:
    heard: list[Mapping[str, Any]] = []

    @options_from(WithSpeed)
    def command(**typed: Any) -> None:
        """A command."""
        heard.append(read(WithSpeed, typed))

    @keywords(WithSpeed)
    def call(settings: WithSpeed) -> WithSpeed:
        """A function.

        Raises:
            UsageError: no.
        """
        return settings

    one_command = typer.Typer(rich_markup_mode=None)
    one_command.command()(command)
    page = CliRunner().invoke(one_command, ["--help"]).output
    assert "--speed slow|fast" in " ".join(page.split()).replace("[", "").replace("]", "")
    assert CliRunner().invoke(one_command, ["--speed", "fast"]).exit_code == 0
    typed = WithSpeed(**heard[0])
    assert typed == replace(call(speed="fast"), data={}, parameters={}, recipe={})
    assert typed.said()["speed"] == "fast"
    assert run_name(PLAN, typed) == run_name(PLAN, call(speed="fast")) != run_name(PLAN, call())
    assert inspect.signature(call).parameters["speed"].default == "slow"
    assert "speed: ``slow`` or ``fast``; how fast.\n\nRaises:" in str(call.__doc__)
    with pytest.raises(UsageError, match="speed 'quick': choose slow or fast"):
        call(speed="quick")  # type: ignore[arg-type]


def test_the_command_line_and_python_say_the_same() -> None:
    """So that either continues the other's run."""
    words = [
        *("--grid", "mine.toml", "--seeds", "3", "--tasks", "b, a", "--data", "a=x.h5", "--data-seed", "4"),
        *("-p", "net.blocks=3", "--steps", "5", "--recipe", "flip=yes", "--precision", "bf16"),
        *("--jobs", "2", "--timeout", "9", "--executor", "batch", "-p", "batch.queue=7", "--observe", "log,wb"),
        *("-p", "wb.project=p.q=r", "--rescore", "--results", "out"),
    ]
    typed = settings_from(typed_by(words))
    said = RunSettings(
        "mine.toml",
        seeds=3,
        tasks=["a", "b"],
        data={"a": "x.h5"},
        data_seed=4,
        parameters={"net": {"blocks": 3}},
        recipe={"flip": True},
        steps=5,
        precision="bf16",
        results="out",
        jobs=2,
        timeout=9.0,
        executor="batch",
        executor_options={"queue": "7"},
        observe=["log", "wb"],
        observer_options={"wb": {"project": "p.q=r"}},
        rescore=True,
    )
    assert run_name(PLAN, typed) == run_name(PLAN, said)
    assert typed.recipe_changes == said.recipe_changes == {"steps": 5, "epochs": None, "flip": True}
    assert (typed.tasks, typed.data_files) == (("b", "a"), said.data_files)
    for name in ("executor_options", "observer_options", "jobs", "timeout", "rescore", "observe", "seeds"):
        assert getattr(typed, name) == getattr(said, name)


def typed_by(words: list[str]) -> dict[str, Any]:
    """What typer hands the command for a command line."""
    command: Any = typer.main.get_command(app)
    run = command.commands["run"]
    with run.make_context("run", list(words)) as context:
        return {name: value for name, value in context.params.items() if name not in ("dry_run", "json")}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "some"], "--jobs 'some': give a number from 1 on, or auto"),
        (["--data", "mr-ct"], "--data 'mr-ct': write TASK=FILE.h5"),
        (["--data", "a=b", "--data", "a=c"], "--data 'a=c': a was given before"),
        (["--recipe", "flip"], "write FIELD=VALUE; 'benchmark show preset small' lists them"),
        (["-p", "medgan=3"], "-p 'medgan=3': write NAME.OPTION=VALUE, e.g. medgan.blocks=3"),
        (["--precision", "fp16"], "precision 'fp16': choose fp32 or bf16"),
        (["--device", "tpu"], "device 'tpu': give auto, cpu, cuda, or some GPUs, e.g. cuda:0,2"),
        (["--cuda-graphs"], "--cuda-graphs: say --device cuda too"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_words_that_were_typed(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        settings_from(typed_by(words))
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"jobs": -1}, "jobs=-1"),
        ({"timeout": 0.0}, "timeout=0"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"observe": "tensorboard"}, r"\['tensorboard'\]"),
        ({"cuda_graphs": True}, "cuda_graphs needs"),
        ({"seeds": []}, "seeds="),
        ({"seeds": [0, True]}, "seeds="),
    ],
)
def test_values_are_checked_where_they_are_stated(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        RunSettings(**given)


def test_a_statement_does_not_change_with_the_list_that_it_was_made_from() -> None:
    tasks, seeds = ["a"], {3, 4}
    settings = RunSettings(tasks=tasks, seeds=seeds)
    tasks.append("b")
    seeds.add(5)
    assert settings.tasks == ("a",)
    assert settings.seed_numbers == (3, 4)


def test_whatever_a_script_says_can_be_written_down() -> None:
    odd = RunSettings(seeds=range(2, 4), parameters={"net": {"x": float("inf"), "y": Path("p"), "z": (1, None)}})
    said = json.loads(json.dumps(odd.said(), allow_nan=False))
    assert said["seeds"] == [2, 3]
    assert said["parameters"] == {"net": {"x": "inf", "y": "p", "z": [1, None]}}


def test_an_unknown_keyword_is_refused_before_anything_is_done() -> None:
    calls: list[Callable[..., Any]] = [benchmark.run, benchmark.plan_run]
    for call in calls:
        with pytest.raises(TypeError, match="presett"):
            call(presett="small")
        with pytest.raises(TypeError, match="positional"):
            call("full", "small")


@dataclass(frozen=True)
class Fewer(Statement):
    """A statement of somebody else's."""

    first: int = setting(1, "The first.", panel=HOW)
    _: KW_ONLY
    others: Collection[str] = setting((), "The others.", panel=HOW)


def test_any_statement_makes_keywords_of_functions_and_methods() -> None:
    class Owner:
        @method_keywords(Fewer)
        def method(self, fewer: Fewer) -> tuple[object, Fewer]:
            """Give back."""
            return self, fewer

    owner = Owner()
    assert owner.method(3, others=["x"]) == (owner, Fewer(3, others=("x",)))
    assert str(inspect.signature(Owner().method)).startswith("(first: int = 1, *, others:")
    assert inspect.getdoc(Owner.method) == "Give back.\n\nArgs:\n    first: the first.\n    others: the others."
