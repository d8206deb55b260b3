"""What the sides of an import are called and measured in: as given, as the layout knows, or as the task expects.

Nothing is assumed in silence: what neither the user nor the layout says is taken from the task, and what contradicts
the task, or a unit that a modality cannot have, is refused before anything is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from benchmark.contracts.specs import TaskSpec
from benchmark.errors import UsageError
from benchmark.registry import plugins
from benchmark_medical.importing.options import ScanOptions
from benchmark_medical.importing.sources import spread

Scans = TypeVar("Scans", bound=ScanOptions)

FAMILIES = {
    "CBCT": r"CBCT|cone[- ]beam",
    "CT": r"CT|LDCT|computed tomography",
    "PET": r"PET|PT|FDG|SUV",
    "MR": r"MR|MRI|MRT|T1\w*|T2\w*|FLAIR|PD\w*|ADC|DWI",
}
"""Words in the name of a modality; the first that matches."""
UNITS = {"CT": "HU", "PET": "SUV"}
"""What a modality is measured in, where it has a unit."""
UNKNOWN = {"source": "source", "target": "target"}
"""How sides are called of which nobody says anything."""


def family(modality: str) -> str:
    """The kind of scanner that a modality's name tells; empty where it tells none."""
    for name, words in FAMILIES.items():
        if re.search(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", modality, re.IGNORECASE):
            return name
    return ""


def filled_in(options: Scans, channels: Sequence[str] = ()) -> Scans:
    """Options in which both sides have a modality and a unit, a source of several ``channels`` for each of them.

    Raises:
        UsageError: a modality is given in a unit that it is not measured in, or is not what the task translates.
    """
    offers = plugins.registry().all("task")
    task = offers[options.task].spec if options.task in offers else None
    values: dict[str, Any] = {}
    for side in ("source", "target"):
        modality, unit = getattr(options, f"{side}_modality"), getattr(options, f"{side}_unit")
        if side == "source" and channels:
            given = zip(
                channels,
                spread("source-modality", modality, channels),
                spread("source-unit", unit, channels),
                strict=True,
            )
            # a task's own modality names none of several channels
            each = [_filled(options.task, task, side, (kind or name, measured)) for name, kind, measured in given]
            modality, unit = (tuple(parts) for parts in zip(*each, strict=True))
        else:
            modality, unit = (
                spread(f"{side}-{what}", value, [side])[0] for what, value in (("modality", modality), ("unit", unit))
            )
            modality, unit = _filled(options.task, task, side, (modality, unit))
        values |= {f"{side}_modality": modality, f"{side}_unit": unit}
    return replace(options, **values)


def _filled(name: str, task: TaskSpec | None, side: str, given: tuple[str, str]) -> tuple[str, str]:
    """Modality and unit of a side, or of a channel of it."""
    modality, unit = given
    expected = _expected(task, side)
    if expected is not None and (not modality or family(modality) == family(expected[0])):
        unit = unit or expected[1]
    unit = unit or UNITS.get(family(modality), "a.u.")
    modality = modality or (expected[0] if expected else UNKNOWN[side])
    _require_unit(side, modality, unit)
    if expected:
        _require_expected(name, side, (modality, unit), expected)
    return modality, unit


def _expected(task: TaskSpec | None, side: str) -> tuple[str, str] | None:
    """Modality and unit that a task has on a side; ``None`` for tasks that no plugin offers."""
    if task is None:
        return None
    return (task.source_modality, task.source_unit) if side == "source" else (task.target_modality, task.target_unit)


def _require_unit(side: str, modality: str, unit: str) -> None:
    kind = family(modality)
    for owner, owned in UNITS.items():
        if unit == owned and kind not in ("", owner, *(("CBCT",) if owner == "CT" else ())):
            raise UsageError(
                f"the {side} {modality!r} is said to be in {unit}, which is a unit of {owner}: give its --{side}-unit "
                f"(a.u. where it has none), or the right --{side}-modality"
            )


def _require_expected(task: str, side: str, given: tuple[str, str], expected: tuple[str, str]) -> None:
    kinds = family(given[0]), family(expected[0])
    if (all(kinds) and kinds[0] != kinds[1]) or given[1] != expected[1]:
        raise UsageError(
            f"task {task!r} has as its {side} {expected[0]} in {expected[1]}, not {given[0]} in {given[1]}: "
            f"say what the files are (--{side}-modality, --{side}-unit), or give the task another name"
        )
