"""Grids: which models on which tasks, as TOML files of plugins or of the user."""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError
from benchmark.plugins import Registry
from benchmark.specs import GridSpec


@dataclass(frozen=True)
class Entry:
    """A model as a grid lists it: which, under which display name, with which options."""

    model: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """A grid as its file says it: blocks of tasks x models."""

    name: str
    summary: str
    blocks: tuple[tuple[tuple[str, ...], tuple[Entry, ...], str | None], ...]


def load_grid(registry: Registry, name: str) -> Grid:
    """A grid of a plugin by name, or the user's own TOML file by path.

    Raises:
        UsageError: no such grid, or a file that is not a grid; says where.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"grid file {name}: no such file")
        return parse_grid(path.read_text(encoding="utf-8"), str(path))
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
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not TOML: {error}") from None
    _only(data, {"name", "summary", "entries"}, where)
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
        parsed = tuple(_entry(model, place) for model in models)
        blocks.append((tuple(tasks), parsed, entry.get("profile")))
    return Grid(str(data.get("name", Path(where).stem)), str(data.get("summary", "")), tuple(blocks))


def _entry(model: Any, place: str) -> Entry:
    if isinstance(model, str):
        return Entry(model, model)
    if not isinstance(model, dict) or not isinstance(model.get("model"), str):
        raise UsageError(f"{place}: a model is a name, or a table with 'model' and optionally 'name' and 'options'")
    _only(model, {"model", "name", "options"}, place)
    return Entry(model["model"], str(model.get("name", model["model"])), dict(model.get("options", {})))


def _only(table: Mapping[str, Any], allowed: set[str], place: str) -> None:
    for key in table:
        if key not in allowed:
            raise UsageError(f"{place}: unknown key {key!r}; allowed: {', '.join(sorted(allowed))}")
