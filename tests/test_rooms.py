"""The rooms of the harness: no circle between folders, and all code that can change a number is part of what is hashed.

The order of the rooms stands in ``pyproject.toml`` (``lint-imports``). What is followed here are imports anywhere in a
module, inside functions too, and the factories that are named by a string.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import grimp
import pytest

from benchmark.plan.claim import BUILDING, HARNESS, SCORING, TRAINING
from benchmark.registry.plugins import registry
from benchmark.registry.sources import files_below

GROUND = "."
HANDS_ON = {
    GROUND: "whole files, JSON fields, errors, escapes: nothing of it computes",
    "plan": "names and options become a claim; everything that follows from them stands in it",
    "settings": "what a user asks for, before it becomes a claim",
    "registry": "finds by name what a plugin offers; that plugin's own source is hashed",
    "store": "keeps what was computed",
}
"""Rooms that a cell enters and that change no number, with the reason."""
BELOW_A_BUILDER = {**HANDS_ON, "data/checks": "refuses a file or accepts it; changes none"}
FACTORY = re.compile(r"[\"'](benchmark\w*(?:\.\w+)*):\w+[\"']")


@cache
def graph(*more: str) -> grimp.ImportGraph:
    """Who imports whom in the harness, and in these packages."""
    return grimp.build_graph("benchmark", *more, cache_dir=None)


@cache
def source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    assert spec.origin is not None, module
    return Path(spec.origin).read_text(encoding="utf-8")


def closure(starts: Iterable[str], imports: grimp.ImportGraph, *, outside: Iterable[str] = ()) -> set[str]:
    """The modules that are imported, directly or not, or named as a factory; never entering the rooms ``outside``.

    The face of the package, ``benchmark`` itself, only hands names on: what it names for scripts is not followed.
    """
    left, reached = list(starts), {"benchmark"}
    while left:
        module = left.pop()
        if module in reached or module not in imports.modules or room_of(module) in outside:
            continue
        reached.add(module)
        left += imports.find_modules_directly_imported_by(module)
        left += FACTORY.findall(source(module)) if module.startswith("benchmark.") else []
    return reached


def room_of(module: str) -> str:
    """As :mod:`benchmark.plan.claim` writes a room: the folder below ``benchmark``; ``.`` for modules in no room."""
    parts = module.split(".")[1:]
    while parts and not (HARNESS / "/".join(parts)).is_dir():
        parts.pop()
    return "/".join(parts) or GROUND


def rooms(modules: Iterable[str]) -> set[str]:
    return {room_of(module) for module in modules if module.startswith("benchmark.")}


def modules_of(room: str) -> list[str]:
    """The modules of a room, and of the rooms inside it."""
    files = files_below(HARNESS / room)
    paths = [file.relative_to(HARNESS).with_suffix("") for file in files if file.suffix == ".py"]
    return [".".join(("benchmark", *path.parts)).removesuffix(".__init__") for path in paths]


def test_no_folder_imports_another_that_imports_it() -> None:
    for package in ("benchmark", "benchmark.data"):
        assert not graph().nominate_cycle_breakers(package), package


@pytest.mark.parametrize(
    ("starts", "outside", "hashed", "reasons"),
    [
        (["benchmark.cell.run"], (), (*TRAINING, *SCORING), HANDS_ON),
        (modules_of("cell"), ("scoring",), TRAINING, HANDS_ON),
        (modules_of("scoring"), (), SCORING, HANDS_ON),
        (["benchmark.plan.embedded_data"], (), BUILDING, BELOW_A_BUILDER),
    ],
    ids=["a cell", "its training", "its scoring", "its data"],
)
def test_what_can_change_a_number_is_hashed(
    starts: list[str], outside: tuple[str, ...], hashed: tuple[str, ...], reasons: Mapping[str, str]
) -> None:
    entered = rooms(closure(starts, graph(), outside=outside))
    assert entered - {*hashed} <= {*reasons}, "hash these rooms (benchmark/plan/claim.py), or say why not"
    assert rooms(starts) <= entered


def test_every_reason_not_to_hash_a_room_is_needed() -> None:
    assert {*HANDS_ON} <= rooms(closure(["benchmark.cell.run"], graph()))
    assert {*BELOW_A_BUILDER} - {"store"} <= rooms(closure(["benchmark.plan.embedded_data"], graph()))
    assert not {*HANDS_ON} & {*TRAINING, *SCORING}


@pytest.mark.parametrize(
    ("kind", "hashed"), [("model", TRAINING), ("metric", SCORING), ("downstream", SCORING), ("task", BUILDING)]
)
def test_what_plugins_compute_with_is_hashed_too(kind: str, hashed: tuple[str, ...]) -> None:
    """Their own package is hashed whole; so must be what they take from the harness."""
    for name, offer in registry().all(kind).items():
        module = offer.spec.factory.partition(":")[0]
        package = module.partition(".")[0]
        taken = closure([module], graph(package) if package != "benchmark" else graph())
        assert rooms(taken) - {GROUND} <= {*hashed}, (name, sorted(taken))


def test_a_room_is_named_as_the_claim_names_it() -> None:
    """The closure would be blind if it spelt the rooms otherwise."""
    for room in {*TRAINING, *SCORING, *BUILDING}:
        assert modules_of(room), room
        for module in modules_of(room):
            assert room_of(module) == room, module
    assert rooms(["benchmark.data.degrading", "benchmark.data.format.chunks", "benchmark.errors"]) == {
        "data",
        "data/format",
        GROUND,
    }
