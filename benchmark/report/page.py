"""One HTML file that holds all of it: text, tables, plots, images and the code that draws them.

Names of models, patients and files come from strangers. They reach the page through Jinja's escaping or inside JSON
that no parser takes for markup, control and direction marks made visible; a content security policy that names the
hashes of our own scripts runs no other, and lets nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmark import __version__
from benchmark.leaderboard.curve_sheet import curve_sheet
from benchmark.leaderboard.layout import Sheet, overall_sheet, sheet, unreadable_sheet
from benchmark.leaderboard.pages import beside as sheets_beside
from benchmark.leaderboard.tables import Table
from benchmark.printable import printable
from benchmark.report import order_charts, quality_charts
from benchmark.report.budget_charts import against_budget
from benchmark.report.bundle import plotting_library
from benchmark.report.cases import Gallery
from benchmark.report.gather import Material, last_lines, tuning_plots
from benchmark.report.summary import refusals, summary
from benchmark.report.training import Curves, training
from benchmark.report.vega import Chart

SCRIPTS = ("tables.js", "plots.js", "decode.js", "viewer.js", "panels.js", "controls.js", "page.js")
MOST_LOGS = 100
"""Failed cells whose last lines are shown."""
MOST_CELLS = 20_000
UNFINISHED = ("failed", "timeout", "skipped", "planned", "running", "stale")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?([kM]?)")


@dataclass(frozen=True)
class Section:
    """A table with everything that belongs to it."""

    anchor: str
    table: Table
    main: Sheet
    beside: tuple[Sheet, ...]
    charts: tuple[Chart, ...]
    validation: Chart | None
    curves: tuple[Curves, ...]


class Page:
    """A page that may be rendered several times, with more or fewer images."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._sections = [_section(number, table, material) for number, table in enumerate(material.board.tables)]
        self._unfinished = [cell for cell in material.cells if cell.state in UNFINISHED]
        logged = [cell for cell in self._unfinished if cell.state in ("failed", "timeout")][:MOST_LOGS]
        self._logs = {cell.id: last_lines(cell) for cell in logged}
        self._scripts = [plotting_library(), *map(script_text, SCRIPTS)]

    def render(self, galleries: Sequence[Gallery] = ()) -> str:
        """The page's text, with these images."""
        material, board = self._material, self._material.board
        specs: list[Chart] = []

        def chart_number(chart: Chart) -> int:
            specs.append(chart)
            return len(specs) - 1

        environment = page_environment()
        environment.globals |= {"chart_number": chart_number, "island": island}
        return environment.get_template("page.html.j2").render(
            policy=page_policy(self._scripts),
            style=script_text("page.css"),
            scripts=[Markup(script) for script in self._scripts],
            version=__version__,
            title=", ".join(run.label for run in material.runs),
            summary=summary(material),
            refusals=refusals(material),
            material=material,
            sections=self._sections,
            overall=overall_sheet(board.overall) if board.overall else None,
            unreadable=unreadable_sheet(board.unreadable) if board.unreadable else None,
            tuning=tuning_plots(material),
            galleries=[gallery for gallery in galleries if gallery.about["cases"]],
            left_out=[(gallery.about["task"], gallery.left_out) for gallery in galleries if gallery.left_out],
            unfinished=self._unfinished,
            logs=self._logs,
            cells=material.cells[:MOST_CELLS],
            specs=specs,
            command=_command,
            plain=_plain_about,
        )


def _section(number: int, table: Table, material: Material) -> Section:
    cells = material.of(table)
    curve = next((curve for curve in material.board.curves if curve.tables[-1] == table.key), None)
    beside = [*([curve_sheet(curve)] if curve else []), *sheets_beside(table)]
    validation, curves = training(table, cells)
    drawn = (
        *(against_budget(curve) if curve else ()),
        order_charts.brackets(table),
        order_charts.patients(table, cells),
        order_charts.matrix(table),
        quality_charts.costs(table),
        quality_charts.downstream(table),
    )
    plots = tuple(chart for chart in drawn if chart is not None)
    return Section(f"table-{number}", table, sheet(table), tuple(beside), plots, validation, tuple(curves))


def page_environment() -> Environment:
    """Templates that escape whatever they print, with what tables need."""
    environment = Environment(
        loader=PackageLoader("benchmark.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals["number"] = sort_key
    return environment


def _shown(value: object) -> object:
    """What a template prints: text without control characters and marks that turn the writing round."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def island(value: Any) -> Markup:
    """JSON to stand inside a ``script`` element: no character in it can end the element or begin markup."""
    text = json.dumps(_clean(value), separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value


def sort_key(text: str) -> str:
    """The number that a table's cell begins with, for sorting; empty where there is none."""
    match = _NUMBER.match(text)
    if match is None:
        return ""
    factor = {"": 1, "k": 1_000, "M": 1_000_000}[match[1]]
    return repr(float(match[0].rstrip("kM")) * factor)


def page_policy(scripts: Sequence[str]) -> Markup:
    """Our own scripts by their hashes, styles and pictures of the page itself, and not one request."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return Markup(
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def script_text(name: str) -> Markup:
    """A script or style sheet of the package, fit to stand in its element."""
    text = files("benchmark.report").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text.replace("</script", "<\\/script"))


def _command(about: Mapping[str, Any]) -> str:
    """The command that makes a run again."""
    words = ((about.get("options") or {}).get("note") or {}).get("command") or []
    return "benchmark " + shlex.join(map(str, words)) if words else ""


def _plain_about(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Everything that identifies a run, as names and texts."""
    environment = about.get("environment") or {}
    yield "grid", str(about.get("grid", ""))
    yield "preset", str(about.get("preset", ""))
    yield "seeds", ", ".join(map(str, about.get("seeds", ())))
    yield (
        "plugins",
        ", ".join(
            f"{plugin.get('distribution')} {plugin.get('version')} ({plugin.get('state')})"
            for plugin in about.get("plugins", ())
        ),
    )
    yield "Python", str(environment.get("python", ""))
    yield "platform", str(environment.get("platform", ""))
    yield "libraries", ", ".join(f"{name} {version}" for name, version in (environment.get("libraries") or {}).items())
    if digest := about.get("sha256"):
        yield "run.json", f"sha256 {digest}"
