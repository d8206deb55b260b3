"""What a tuning leaves: a grid file that anybody can run, with the provenance of every value in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.plan.grid import Entry


@dataclass(frozen=True)
class Best:
    """The best trial of a model on the validation patients, beside the untuned one."""

    entry: Entry
    trials: int
    failed: int
    value: float
    untuned: float | None


def grid_file(name: str, task: str, best: list[Best], facts: Mapping[str, Any]) -> str:
    """The text of a grid: each model untuned, and as it was tuned. ``facts`` say what all trials have in common."""
    lines = [
        f"name = {_text(name)}",
        f"summary = {_text(f'Models as they are and as tuned for {task}, the same number of trials each.')}",
        "",
        "[[entries]]",
        f"tasks = [{_text(task)}]",
        "models = [",
    ]
    for one in best:
        entry = one.entry
        parts = [f"model = {_text(entry.model)}", f"name = {_text(f'{entry.model}-tuned')}"]
        if entry.options:
            parts.append(f"options = {_table(entry.options)}")
        if entry.recipes:
            parts.append(f"recipes = {_table(entry.recipes)}")
        numbers = {"trials": one.trials, "failed": one.failed, "value": one.value}
        numbers |= {"untuned": one.untuned} if one.untuned is not None else {}
        parts.append(f"tuned = {_table({**numbers, **facts})}")
        lines += [f"    {_text(entry.model)},", f"    {{ {', '.join(parts)} }},"]
    return "\n".join([*lines, "]", ""])


def _table(values: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{_key(key)} = {_value(value)}" for key, value in values.items()) + " }"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value) if isinstance(value, int | float) else _text(str(value))


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _text(key)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)
