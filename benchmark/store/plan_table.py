"""The cells of a plan as ``run.json`` has them: what many share is written once.

Cells of one grid differ in task, model and seed, and share recipes, options, data and versions. ``parts`` holds each
of these values once, by field; a cell names them by their place. 10,000 cells take 2 MB this way, and 11 otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from benchmark.atomic import canonical
from benchmark.json_fields import Fields, RecordError
from benchmark.plan.claim import CellSpec, DataSource, unusual_from
from benchmark.plan.expand import PlannedCell
from benchmark.store.record import KINDS

SHARED = ("preset", "precision", "options", "recipe", "dataset", "profile", "sources", "libraries")
"""Fields of a claim that are written once for all cells that have the same."""
ID = re.compile(r"[0-9a-f]{16}")


def cells_to_json(cells: Sequence[PlannedCell]) -> dict[str, Any]:
    """``parts`` and ``cells``."""
    parts: dict[str, list[Any]] = {name: [] for name in SHARED}
    places: dict[tuple[str, bytes], int] = {}
    same: dict[tuple[str, int], int] = {}  # by identity: cells of one method share these values in memory
    rows = []
    for cell in cells:
        named = []
        for name in SHARED:
            value = getattr(cell.spec, name)
            if (name, id(value)) in same:
                named.append(same[name, id(value)])
                continue
            plain = asdict(value) if isinstance(value, DataSource) else value
            key = (name, canonical(plain))
            if key not in places:
                places[key] = len(parts[name])
                parts[name].append(plain)
            named.append(places[key])
            same[name, id(value)] = places[key]
        row: dict[str, Any] = {"id": cell.spec.id, "task": cell.spec.task, "model": cell.spec.model}
        row |= {"name": cell.spec.name, "seed": cell.spec.seed, "kind": cell.kind, "baseline": cell.baseline}
        row |= {"cost": cell.cost, "skip": cell.skip, "parts": named}
        more = cell.spec.unusual()
        rows.append(row | ({"more": more} if more else {}))
    return {"parts": parts, "cells": rows}


def cells_from_json(fields: Fields) -> tuple[PlannedCell, ...]:
    """From what :func:`cells_to_json` gave, among other fields.

    Raises:
        RecordError: something is missing or of the wrong kind, or a cell's id is not what its claim hashes to.
    """
    rows = fields.listing("cells")
    if not rows:
        return ()
    table = Fields(fields.table("parts"), "run.parts")
    parts = [table.listing(name) for name in SHARED]
    known: dict[tuple[int, ...], CellSpec] = {}
    return tuple(_cell(row, parts, known) for row in rows)


def _cell(row: Any, parts: Sequence[Sequence[Any]], known: dict[tuple[int, ...], CellSpec]) -> PlannedCell:
    fields = Fields(row, "run.cells")
    own = {"task": fields.text("task"), "model": fields.text("model"), "name": fields.text("name")}
    spec = _like(_places(fields.listing("parts"), parts), parts, known, own | {"seed": fields.count("seed")})
    if "more" in fields:
        spec = replace(spec, **unusual_from(fields.table("more"), "run.cells.more"))
    # the id is a folder's name
    if fields.text("id") != spec.id or not ID.fullmatch(spec.id):
        raise RecordError(f"{row['id']!r} is not the id of the cell that it stands for")
    cost = fields.number("cost")
    return PlannedCell(
        spec=spec,
        cost=1.0 if cost is None else cost,
        baseline=fields.flag("baseline"),
        skip=fields.text("skip"),
        kind=fields.one_of("kind", KINDS),
    )


def _like(
    places: tuple[int, ...], parts: Sequence[Sequence[Any]], known: dict[tuple[int, ...], CellSpec], own: dict[str, Any]
) -> CellSpec:
    """A claim of these parts. What they are read to is kept, so that cells share it in memory too."""
    if places not in known:
        shared = {name: part[place] for name, part, place in zip(SHARED, parts, places, strict=True)}
        known[places] = CellSpec.from_json({**own, **shared}, "run.cells.spec")
    return known[places].like(**own)


def _places(named: Sequence[Any], parts: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    if len(named) != len(parts) or not all(
        type(place) is int and 0 <= place < len(part) for place, part in zip(named, parts, strict=False)
    ):
        raise RecordError("run.cells.parts names parts that are not there")
    return tuple(named)
