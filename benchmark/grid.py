"""Grids: which models on which tasks, as TOML files of plugins or of the user.

::

    name = "mine"
    summary = "What it is for."

    [[entries]]
    tasks = ["pet-ct"]
    profile = "medgan-8bit"                       # optional: instead of the task's own
    models = [
        "pix2pix",
        { model = "pix2pix", name = "pix2pix-6", options = { blocks = 6 }, recipes = { paper = { batch_size = 4 } } },
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
import importlib.resources
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError, unknown_name
from benchmark.plugins import Registry
from benchmark.presets import PRESETS, Recipe
from benchmark.printable import printable
from benchmark.specs import GridSpec


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_UNFIT = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True)
class Entry:
    """A model as a grid lists it: which, under which display name, with which options and, by preset, recipe."""

    model: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


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


def load_grid(registry: Registry, name: str) -> Grid:
    """A grid of a plugin by name, or the user's own TOML file by path.

    Raises:
        UsageError: no such grid, or a file that is not a grid; says where.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"grid file {name}: no such file")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"grid file {name}: cannot be read as UTF-8 text ({error})") from None
        return parse_grid(text, str(path))
    spec: GridSpec = registry.find("grid", name).spec
    text = importlib.resources.files(spec.package).joinpath(spec.path).read_text(encoding="utf-8")
    return parse_grid(text, f"grid {name}")


def parse_grid(text: str, where: str) -> Grid:
    """Read a grid from TOML.

    Raises:
        UsageError: it is not TOML, or a key is missing, unknown or of the wrong type.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits and brackets in brackets among them
        raise UsageError(f"{where}: not TOML: {printable(str(error))[:200]}") from None
    _only(data, {"name", "summary", "entries", "published"}, where)
    entries = data.get("entries")
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{where}: needs at least one [[entries]] table with 'tasks' and 'models'")
    blocks = []
    for number, entry in enumerate(entries, 1):
        place = f"{where}: entries[{number}]"
        if not isinstance(entry, dict):
            raise UsageError(f"{place}: not a table")
        _only(entry, {"tasks", "models", "profile"}, place)
        tasks, models = entry.get("tasks"), entry.get("models")
        if not isinstance(tasks, list) or not tasks or not all(isinstance(task, str) for task in tasks):
            raise UsageError(f"{place}: 'tasks' must be a list of task names")
        if not isinstance(models, list) or not models:
            raise UsageError(f"{place}: 'models' must be a list of models")
        if not isinstance(entry.get("profile"), str | None):
            raise UsageError(f"{place}: 'profile' must be the name of a profile")
        parsed = tuple(_entry(model, place) for model in models)
        blocks.append((tuple(tasks), parsed, entry.get("profile")))
    tables = data.get("published", [])
    if not isinstance(tables, list):
        raise UsageError(f"{where}: 'published' must be a list of [[published]] tables")
    published = tuple(_published(table, f"{where}: published[{number}]") for number, table in enumerate(tables, 1))
    name = _name(data["name"], where) if "name" in data else _UNFIT.sub("-", Path(where).stem).lstrip("-.") or "grid"
    return Grid(name, printable(str(data.get("summary", ""))), tuple(blocks), published)


def _name(value: Any, place: str) -> str:
    """A name that becomes part of folder names and of task/name/seed."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise UsageError(f"{place}: name {value!r}: use 1 to 64 letters, digits, '.', '_', '+' or '-'")
    return value


def _entry(model: Any, place: str) -> Entry:
    if isinstance(model, str):
        return Entry(model, _name(model, place))
    if not isinstance(model, dict) or not isinstance(model.get("model"), str):
        raise UsageError(f"{place}: a model is a name, or a table with 'model' and optionally 'name' and 'options'")
    _only(model, {"model", "name", "options", "recipes"}, place)
    name = _name(model.get("name", model["model"]), place)
    options, recipes = model.get("options", {}), model.get("recipes", {})
    for key, table in (("options", options), ("recipes", recipes)):
        if not isinstance(table, dict):
            raise UsageError(f"{place}: {name}: {key!r} must be a table")
    for preset, recipe in recipes.items():
        if preset not in PRESETS:
            raise UsageError(f"{place}: {name}.recipes: {unknown_name('preset', preset, PRESETS)}")
        if not isinstance(recipe, dict):
            raise UsageError(f"{place}: {name}.recipes.{preset}: must be a table")
        _only(recipe, {field.name for field in dataclasses.fields(Recipe)}, f"{place}: {name}.recipes.{preset}")
    return Entry(model["model"], name, dict(options), recipes)


def _published(table: Any, place: str) -> Published:
    if not isinstance(table, dict):
        raise UsageError(f"{place}: not a table")
    _only(table, {"task", "source", "note", "scores"}, place)
    scores = table.get("scores")
    if not isinstance(table.get("task"), str) or not table.get("source") or not isinstance(scores, dict) or not scores:
        raise UsageError(f"{place}: needs 'task', 'source' and a table 'scores' of model = {{ metric = value }}")
    for name, values in scores.items():
        if not isinstance(values, dict):
            raise UsageError(f"{place}: scores.{name}: write {{ metric = value }}")
        for metric, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise UsageError(f"{place}: scores.{name}.{metric}: {value!r} is not a number")
    return Published(table["task"], str(table["source"]), str(table.get("note", "")), scores)


def _only(table: Mapping[str, Any], allowed: set[str], place: str) -> None:
    for key in table:
        if key not in allowed:
            raise UsageError(f"{place}: unknown key {key!r}; allowed: {', '.join(sorted(allowed))}")
