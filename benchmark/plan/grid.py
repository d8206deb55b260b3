"""Grids: which models on which tasks, as TOML files of plugins or of the user.

::

    name = "mine"
    summary = "What it is for."
    budgets = [100, 300, 1000]                    # optional: as --budgets
    budget_in = "steps"                           # or "updates", "flops"

    [[entries]]
    tasks = ["pet-ct"]
    profile = "medgan-8bit"                       # optional: instead of the task's own
    models = [
        "pix2pix",
        { model = "pix2pix", name = "pix2pix-6", options = { blocks = 6 }, recipes = { paper = { batch_size = 4 } } },
        { model = "pix2pix", name = "pix2pix-tuned", options = { pixel_weight = 40.0 }, tuned = { trials = 20 } },
        { model = "their-net", if_installed = "benchmark-theirs" },   # without that distribution left out, and said so
    ]

    [[published]]                                 # optional: printed beside the grid's own numbers
    task = "pet-ct"
    source = "who published them, where"
    note = "on what data"
    [published.scores]
    pix2pix = { ssim = 0.9017, psnr = 23.93 }
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.resources
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.contracts import options
from benchmark.contracts.budget import CURRENCIES, Budget, budgets_from
from benchmark.contracts.presets import PRESETS, Recipe
from benchmark.contracts.specs import GridSpec
from benchmark.errors import UsageError, unknown_name
from benchmark.plan.toml_lines import line_of
from benchmark.printable import printable
from benchmark.registry.plugins import Registry

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_UNFIT = re.compile(r"[^A-Za-z0-9._+-]+")
_MORE = ("name", "options", "recipes", "tuned", "if_installed")
"""What a model's table may have beside ``model``."""
_SYNTAX = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.S)

Place = tuple[str | int, ...]
"""Keys, and places in arrays from 0, down to what is wrong."""


@dataclass(frozen=True)
class Entry:
    """A model as a grid lists it: which, under which display name, with which options and, by preset, recipe."""

    model: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trials: int = 0
    """How many trials its options and recipe were chosen from."""
    if_installed: str = ""
    """The distribution without which the grid does without this model; empty: the model has to be there."""


@dataclass(frozen=True)
class Published:
    """What somebody else reported for a grid's models: values by display name and metric."""

    task: str
    source: str
    note: str
    scores: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Grid:
    """A grid as its file says it: blocks of tasks x models."""

    name: str
    summary: str
    blocks: tuple[tuple[tuple[str, ...], tuple[Entry, ...], str | None], ...]
    published: tuple[Published, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Models, by display name, that the grid lists and does without here, and why."""
    budgets: tuple[Budget, ...] = ()


class _Wrong(Exception):
    """What is wrong with a grid, and where."""

    def __init__(self, what: object, *place: str | int) -> None:
        super().__init__(str(what))
        self.place = place


def load_grid(registry: Registry, name: str) -> Grid:
    """A grid of a plugin by name, or the user's own TOML file by path, with every name in it looked up.

    Raises:
        UsageError: no such grid, or a file that is not a grid; says in which line.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"grid file {name}: no such file")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"grid file {name}: cannot be read as UTF-8 text ({error})") from None
        where = str(path)
    else:
        spec: GridSpec = registry.find("grid", name).spec
        text = importlib.resources.files(spec.package).joinpath(spec.path).read_text(encoding="utf-8")
        where = f"grid {name}"
    grid = parse_grid(text, where)
    try:
        _look_up(registry, grid)
        return _without_absent(registry, grid)
    except _Wrong as wrong:
        raise _located(wrong, text, where) from None


def parse_grid(text: str, where: str) -> Grid:
    """Read a grid from TOML.

    Raises:
        UsageError: it is not TOML, or a key is missing, unknown or of the wrong type; says in which line.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits and brackets in brackets among them
        said = _SYNTAX.fullmatch(str(error))
        line, reason = (f":{said[2]}", f"{said[1]}, column {said[3]}") if said else ("", str(error))
        raise UsageError(f"{where}{line}: not TOML: {printable(reason)[:200]}") from None
    try:
        return _grid(data, where)
    except _Wrong as wrong:
        raise _located(wrong, text, where) from None


def _located(wrong: _Wrong, text: str, where: str) -> UsageError:
    return UsageError(f"{where}:{line_of(text, wrong.place)}: {printable(str(wrong))}")


def _grid(data: Mapping[str, Any], where: str) -> Grid:
    _only(data, ("name", "summary", "entries", "published", "budgets", "budget_in"))
    entries = data.get("entries")
    if not isinstance(entries, list) or not entries:
        raise _Wrong("needs at least one [[entries]] table with 'tasks' and 'models'", "entries")
    blocks = []
    for number, entry in enumerate(entries):
        place: Place = ("entries", number)
        if not isinstance(entry, dict):
            raise _Wrong("an entry is a table, [[entries]]", *place)
        _only(entry, ("tasks", "models", "profile"), *place)
        tasks, models = entry.get("tasks"), entry.get("models")
        if not isinstance(tasks, list) or not tasks or not all(isinstance(task, str) for task in tasks):
            raise _Wrong("'tasks' must be a list of task names", *place, "tasks")
        if not isinstance(models, list) or not models:
            raise _Wrong("'models' must be a list of models", *place, "models")
        if not isinstance(entry.get("profile"), str | None):
            raise _Wrong("'profile' must be the name of a profile", *place, "profile")
        parsed = tuple(_entry(model, *place, "models", index) for index, model in enumerate(models))
        blocks.append((tuple(tasks), parsed, entry.get("profile")))
    tables = data.get("published", [])
    if not isinstance(tables, list):
        raise _Wrong("'published' must be a list of [[published]] tables", "published")
    published = tuple(_published(table, "published", number) for number, table in enumerate(tables))
    name = _name(data["name"], "name") if "name" in data else _UNFIT.sub("-", Path(where).stem).lstrip("-.") or "grid"
    return Grid(name, printable(str(data.get("summary", ""))), tuple(blocks), published, budgets=_budgets(data))


def _budgets(data: Mapping[str, Any]) -> tuple[Budget, ...]:
    amounts, currency = data.get("budgets", []), data.get("budget_in", "steps")
    if currency not in CURRENCIES:
        raise _Wrong(unknown_name("currency of budgets", str(currency), CURRENCIES), "budget_in")
    if not isinstance(amounts, list) or (not amounts and "budgets" in data):
        raise _Wrong("'budgets' must be a list of numbers, such as [100, 300, 1000]", "budgets")
    try:
        return budgets_from(amounts, currency)
    except UsageError as error:
        raise _Wrong(error, "budgets") from None


def _name(value: Any, *place: str | int) -> str:
    """A name that becomes part of folder names and of task/name/seed."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _Wrong(f"name {value!r}: use 1 to 64 letters, digits, '.', '_', '+' or '-'", *place)
    return value


def _entry(model: Any, *place: str | int) -> Entry:
    if isinstance(model, str):
        return Entry(model, _name(model, *place))
    if not isinstance(model, dict) or not isinstance(model.get("model"), str):
        raise _Wrong(
            "a model is a name, or a table with 'model' and optionally 'name', 'options', 'recipes', 'if_installed'",
            *place,
        )
    _only(model, ("model", *_MORE), *place)
    name = _name(model.get("name", model["model"]), *place, "name")
    given, recipes = model.get("options", {}), model.get("recipes", {})
    for key, table in (("options", given), ("recipes", recipes)):
        if not isinstance(table, dict):
            raise _Wrong(f"{name}: {key!r} must be a table", *place, key)
    for preset, recipe in recipes.items():
        if preset not in PRESETS:
            raise _Wrong(f"{name}: {unknown_name('preset', preset, PRESETS)}", *place, "recipes", preset)
        if not isinstance(recipe, dict):
            raise _Wrong(f"{name}: recipes.{preset} must be a table", *place, "recipes", preset)
        _only(recipe, [field.name for field in dataclasses.fields(Recipe)], *place, "recipes", preset)
        try:
            PRESETS[preset].recipe.changed(recipe)
        except UsageError as error:
            raise _Wrong(f"{name}: {error}", *place, "recipes", preset) from None
    distribution = model.get("if_installed", "")
    if not isinstance(distribution, str) or (not distribution and "if_installed" in model):
        raise _Wrong(f"{name}: 'if_installed' must be the name of a distribution", *place, "if_installed")
    return Entry(model["model"], name, dict(given), recipes, _trials(model, *place), distribution)


def _trials(model: Mapping[str, Any], *place: str | int) -> int:
    """How often a model was tuned; what else ``benchmark tune`` says of that is for people."""
    tuned = model.get("tuned", {})
    trials = tuned.get("trials") if isinstance(tuned, dict) else None
    if "tuned" not in model:
        return 0
    if type(trials) is not int or trials < 1:
        raise _Wrong("'tuned' must be a table with 'trials', as benchmark tune writes it", *place, "tuned")
    return trials


def _published(table: Any, *place: str | int) -> Published:
    if not isinstance(table, dict):
        raise _Wrong("a published table is a table, [[published]]", *place)
    _only(table, ("task", "source", "note", "scores"), *place)
    scores = table.get("scores")
    if not isinstance(table.get("task"), str) or not table.get("source") or not isinstance(scores, dict) or not scores:
        raise _Wrong("needs 'task', 'source' and a table 'scores' of model = { metric = value }", *place)
    for name, values in scores.items():
        if not isinstance(values, dict):
            raise _Wrong(f"scores.{name}: write {{ metric = value }}", *place, "scores", name)
        for metric, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise _Wrong(f"scores.{name}.{metric}: {value!r} is not a number", *place, "scores", name, metric)
    return Published(table["task"], str(table["source"]), str(table.get("note", "")), scores)


def _only(table: Mapping[str, Any], allowed: Iterable[str], *place: str | int) -> None:
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, list(allowed), n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(sorted(allowed))}"
            raise _Wrong(f"unknown key {key!r}; {advice}", *place, key)


def _without_absent(registry: Registry, grid: Grid) -> Grid:
    """The grid without the models of distributions that are not here, where it says that it can do without."""
    entries = [entry for _, listed, _ in grid.blocks for entry in listed]
    left_out = {entry.name: reason for entry in entries if (reason := _absence(registry, entry))}
    blocks = tuple(
        (tasks, kept, profile)
        for tasks, listed, profile in grid.blocks
        if (kept := tuple(entry for entry in listed if not _absence(registry, entry)))
    )
    if not blocks:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise _Wrong(f"nothing is left of the grid ({reasons})", "entries")
    return dataclasses.replace(grid, blocks=blocks, left_out=left_out)


def _absence(registry: Registry, entry: Entry) -> str:
    """Why the grid does without this model here; empty: it does not.

    Of a distribution that is here a model must be too: a misspelt name is an error, not an absence.
    """
    return registry.absence(entry.if_installed) if entry.if_installed else ""


def _look_up(registry: Registry, grid: Grid) -> None:
    """Tasks, models, their options and profiles have to exist, but for absent models; a name means one thing."""
    meant: dict[tuple[str, str], Entry] = {}
    for number, (tasks, entries, profile) in enumerate(grid.blocks):
        place: Place = ("entries", number)
        for index, task in enumerate(tasks):
            _found(registry, "task", task, *place, "tasks", index)
        if profile is not None:
            _found(registry, "profile", profile, *place, "profile")
        for index, entry in enumerate(entries):
            at: Place = (*place, "models", index)
            for task in tasks:
                if meant.setdefault((task, entry.name), entry) != entry:
                    raise _Wrong(f"{entry.name!r} stands for two things on {task}: give one another 'name'", *at)
            if _absence(registry, entry):
                continue
            spec = _found(registry, "model", entry.model, *at, "model")
            for option, value in entry.options.items():
                try:
                    options.resolve(spec.name, spec.options, {option: value})
                except UsageError as error:
                    raise _Wrong(error, *at, "options", option) from None


def _found(registry: Registry, kind: str, name: str, *place: str | int) -> Any:
    try:
        return registry.find(kind, name).spec
    except UsageError as error:
        raise _Wrong(error, *place) from None
