"""A static site of many runs: leaderboards over runs, the history of each method, every run with report and provenance.

Plain files with relative links, so that it works from a folder as from any host. A run whose files do not hold what its
records say is not taken, and named.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmark import __version__, atomic, load_run
from benchmark.errors import BenchmarkError, UsageError
from benchmark.leaderboard import Leaderboard, to_brackets, to_json
from benchmark.leaderboard.layout import sheet, short_sheet
from benchmark.leaderboard.tables import Table
from benchmark.printable import printable
from benchmark.report import BUDGET, write_report
from benchmark.report.gather import Material, gather, run_labels
from benchmark.report.page import page_environment, page_policy, script_text
from benchmark.report.site_check import fault_of
from benchmark.report.site_history import histories, site_runs, slug

SCHEMA = 1
MARK = "site.json"
"""The file by which a folder is known to be a site, which may be written anew."""
SCRIPTS = ("tables.js", "page.js")
BRACKETS_WIDTH = 110


@dataclass(frozen=True)
class Rejected:
    """A run that was not taken."""

    label: str
    reason: str


@dataclass(frozen=True)
class Site:
    """A site that was written."""

    path: Path
    runs: tuple[str, ...]
    rejected: tuple[Rejected, ...]


def write_site(
    target: Path,
    runs: Sequence[Path],
    *,
    title: str = "Benchmark results",
    url: str = "",
    rescore: bool = False,
    cases: bool = True,
    budget: int = BUDGET,
) -> Site:
    """Write a site of runs into a folder: new, empty, or a site that was written before.

    ``rescore``: score stored predictions again before a run is taken. ``url``: where the site will be, for RSS, which
    wants whole addresses. ``cases`` and ``budget``: as of :func:`benchmark.report.write_report`.

    Raises:
        UsageError: the folder holds something else, or no run can be taken.
        BenchmarkError: it cannot be written.
    """
    if target.exists() and not (target / MARK).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: holds something that is no site; give a folder of its own")
    distinct = list({path.resolve(): path for path in runs}.values())
    faults = {path: fault_of(path, rescore=rescore) for path in distinct}
    labels = dict(zip(distinct, run_labels(distinct), strict=True))
    rejected = tuple(Rejected(labels[path], fault) for path, fault in faults.items() if fault)
    accepted = [path for path, fault in faults.items() if not fault]
    if not accepted:
        reasons = "; ".join(f"{one.label}: {one.reason}" for one in rejected[:3])
        raise UsageError(f"no run can be taken: {reasons or 'none was given'}")
    try:
        with atomic.making(target, replace=True) as work:
            _Writer(work, gather(accepted), title, url, rejected).write(cases, budget)
    except OSError as error:
        raise BenchmarkError(f"cannot write {target}: {error.strerror or error}") from None
    return Site(target, tuple(labels[path] for path in accepted), rejected)


class _Writer:
    def __init__(self, work: Path, material: Material, title: str, url: str, rejected: Sequence[Rejected]) -> None:
        self._work, self._material, self._title, self._url = work, material, title, url
        self._rejected = rejected
        taken: set[str] = set()
        self._runs = site_runs(material)
        self._pages = {table.key: f"tables/{slug(table.key, taken)}.html" for table in material.board.tables}
        self._methods = histories(material, self._runs, self._pages)
        self._environment = page_environment()
        self._scripts = [script_text(name) for name in SCRIPTS]

    def write(self, cases: bool, budget: int) -> None:
        """Every file of the site."""
        board = self._material.board
        for run in self._runs:
            folder = self._work / run.folder
            write_report([run.path], folder / "report.html", cases=cases, budget=budget)
            atomic.write_text(folder / "leaderboard.json", to_json(load_run(run.path).leaderboard()))
            shutil.copyfile(run.path / "run.json", folder / "run.json")
        tables = [
            {
                "page": self._pages[table.key],
                "table": table,
                "about": _about(table),
                "first": next((row.name for row in table.rows if row.rank == 1), ""),
            }
            for table in board.tables
        ]
        self._page(
            "index.html", "site_index", self._title, tables=tables, methods=self._methods, runs=self._runs,
            rejected=self._rejected,
        )  # fmt: skip
        for table in board.tables:
            ranked = sum(row.rank is not None for row in table.rows) > 1
            mine = {cell.run for cells in self._material.of(table).values() for cell in cells}
            alone = Leaderboard((table,), None)
            self._page(
                self._pages[table.key], "site_table", f"{table.task}: {table.title or table.dataset}",
                sheet=sheet(table), runs=[run for run in self._runs if run.path in mine],
                brackets=to_brackets(alone, BRACKETS_WIDTH).splitlines() if ranked else [],
            )  # fmt: skip
        for method in self._methods:
            pages = [(f"leaderboard: {entry.table.task}", entry.page) for entry in method.entries]
            pages += [(f"report: {entry.run.label}", f"{entry.run.folder}/report.html") for entry in method.entries]
            self._page(method.page, "site_method", method.name, sheet=method.sheet(), pages=list(dict.fromkeys(pages)))
        atomic.write_json(self._work / MARK, self._json())
        atomic.write_bytes(self._work / "feed.xml", self._feed())

    def _page(self, path: str, template: str, title: str, **content: Any) -> None:
        text = self._environment.get_template(f"{template}.html.j2").render(
            policy=page_policy(self._scripts),
            style=script_text("page.css"),
            scripts=self._scripts,
            version=__version__,
            root="../" * path.count("/"),
            site=self._title,
            title=title,
            **content,
        )
        atomic.write_text(self._work / path, text)

    def _json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "title": self._title,
            "harness": __version__,
            "runs": [
                {
                    "name": run.label,
                    "grid": run.grid,
                    "preset": run.preset,
                    "sha256": run.sha256,
                    "report": f"{run.folder}/report.html",
                    "leaderboard": f"{run.folder}/leaderboard.json",
                    "provenance": f"{run.folder}/run.json",
                }
                for run in self._runs
            ],
            "rejected": [{"name": one.label, "reason": one.reason} for one in self._rejected],
            "tables": [
                {"page": self._pages[table.key], **content}
                for table, content in zip(
                    self._material.board.tables, json.loads(to_json(self._material.board))["tables"], strict=True
                )
            ],
            "methods": [
                {
                    "name": method.name,
                    "page": method.page,
                    "entries": [
                        {
                            "version": entry.version,
                            "run": entry.run.label,
                            "task": entry.table.task,
                            "table": entry.page,
                            "score": entry.score,
                            "rank": entry.rank,
                        }
                        for entry in method.entries
                    ],
                }
                for method in self._methods
            ],
        }

    def _feed(self) -> bytes:
        """RSS 2.0 (rssboard.org/rss-specification): an item a run, the last one given first."""
        rss = ElementTree.Element("rss", version="2.0")
        channel = ElementTree.SubElement(rss, "channel")
        base = self._url.rstrip("/")
        address = f"{base}/" if base else ""
        about = f"{len(self._runs)} runs, {len(self._material.board.tables)} leaderboards"
        for tag, text in (("title", self._title), ("link", f"{address}index.html"), ("description", about)):
            ElementTree.SubElement(channel, tag).text = printable(text)
        for run in reversed(self._runs):
            item = ElementTree.SubElement(channel, "item")
            ElementTree.SubElement(item, "title").text = printable(run.label)
            ElementTree.SubElement(item, "link").text = f"{address}{run.folder}/report.html"
            ElementTree.SubElement(item, "description").text = printable(
                f"grid {run.grid}, preset {run.preset}, {run.states}"
            )
            ElementTree.SubElement(item, "guid", isPermaLink="false").text = f"sha256:{run.sha256}"
        feed: bytes = ElementTree.tostring(rss, encoding="utf-8", xml_declaration=True)
        return feed


def _about(table: Table) -> str:
    return f"{short_sheet(table).about}, {table.dataset} {table.content_sha256[:8]}, {table.profile}, {table.preset}"
