"""What a site knows of runs and methods: where each lies, and a method's rows over the versions of its plugin."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import atomic, load_run
from benchmark.leaderboard.layout import Sheet, short_sheet
from benchmark.leaderboard.tables import Table
from benchmark.registry.plugins import registry
from benchmark.report.gather import Material, RunFacts

HEADER = ("version", "run", "task", "data", "profile", "preset", "score", "rank")


@dataclass(frozen=True)
class SiteRun:
    """A run of the site, and its folder there."""

    label: str
    path: Path
    folder: str
    grid: str
    preset: str
    states: str
    sha256: str
    """Of its ``run.json``."""


@dataclass(frozen=True)
class Entry:
    """A row of a method in a table of a run."""

    version: str
    run: SiteRun
    table: Table
    page: str
    score: str
    rank: str


@dataclass(frozen=True)
class Method:
    """A method and all its rows."""

    name: str
    page: str
    entries: tuple[Entry, ...]

    @property
    def runs(self) -> int:
        """In how many runs it is."""
        return len({entry.run.path for entry in self.entries})

    def sheet(self) -> Sheet:
        """Its rows as a table."""
        return Sheet(
            heading=self.name,
            about="",
            header=HEADER,
            units=("",) * len(HEADER),
            body=tuple(
                (
                    entry.version,
                    entry.run.label,
                    entry.table.task,
                    f"{short_sheet(entry.table).about}, {entry.table.content_sha256[:8]}",
                    entry.table.profile,
                    entry.table.preset,
                    entry.score,
                    entry.rank,
                )
                for entry in self.entries
            ),
            problems=(),
            notes=(),
            keys=len(HEADER),
        )


def site_runs(material: Material) -> list[SiteRun]:
    """The runs, each with a folder of its own."""
    taken: set[str] = set()
    return [
        SiteRun(
            label=run.label,
            path=run.path,
            folder=f"runs/{slug(run.label, taken)}",
            grid=str(run.about["grid"]),
            preset=str(run.about["preset"]),
            states=", ".join(f"{number} {state}" for state, number in load_run(run.path).states.items()),
            sha256=atomic.sha256_file(run.path / "run.json"),
        )
        for run in material.runs
    ]


def histories(material: Material, runs: Sequence[SiteRun], pages: Mapping[str, str]) -> list[Method]:
    """Each method's rows in all tables, older versions of its plugin first, then in the order of the runs.

    ``pages``: of tables, by their keys.
    """
    by_path = {run.path: (run, facts) for run, facts in zip(runs, material.runs, strict=True)}
    methods: dict[str, list[tuple[Any, Entry]]] = {}
    for table in material.board.tables:
        shown = short_sheet(table)
        texts = dict(zip([row.name for row in table.rows if row.scores], shown.body, strict=True))
        for name, cells in material.of(table).items():
            run, facts = by_path[cells[0].run]
            version = _version(cells[0].model, facts)
            rank, _, score, *_ = texts[name]
            told = f"{shown.header[2]} {score} {shown.units[2]}".strip() if table.primary_column else ""
            entry = Entry(version, run, table, pages[table.key], told, rank)
            order = (table.task, _natural(version), runs.index(run))
            methods.setdefault(name.removesuffix(f" ({run.label})"), []).append((order, entry))
    taken: set[str] = set()
    return [
        Method(
            name,
            f"methods/{slug(name, taken)}.html",
            tuple(entry for _, entry in sorted(entries, key=lambda pair: pair[0])),
        )
        for name, entries in sorted(methods.items())
    ]


def slug(text: str, taken: set[str]) -> str:
    """A name for a file: letters and digits, and a piece of a hash where that is not all of it."""
    safe = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60] or "x"
    if safe in taken or safe != text.lower():
        safe = f"{safe}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
    taken.add(safe)
    return safe


def _version(model: str, run: RunFacts) -> str:
    """Version of the plugin that the run had the model from, as its ``run.json`` says, and of its code."""
    codes = (cell.spec.sources.get("model", "") for cell in load_run(run.path).about.cells if cell.spec.model == model)
    code = next(codes, "")[:8]
    offer = registry().all("model").get(model)
    versions = [
        str(plugin.get("version"))
        for plugin in run.about["plugins"]
        if offer and plugin.get("name") == offer.plugin.name
    ]
    return " ".join(part for part in (*versions[:1], code) if part)


def _natural(version: str) -> list[tuple[int, str]]:
    """A version so that 0.10 comes after 0.9; the code's hash says nothing of order."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[.+-]", version.partition(" ")[0])]
