"""Reports: one HTML file that opens offline, with the leaderboards, plots, images and provenance of runs.

Derived from the cells alone and rebuildable at any time, as leaderboards are. Torch is not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "report.html"
BUDGET = 15_000_000
"""Bytes that a page may have."""
MARGIN = 400_000
"""Bytes kept for what describes the images."""


@dataclass(frozen=True)
class Written:
    """A report, its size in bytes, and what did not fit into it, by task."""

    path: Path
    size: int
    left_out: tuple[tuple[str, tuple[str, ...]], ...]


def write_report(
    runs: Sequence[Path | str | None], to: Path | None = None, *, cases: bool = True, budget: int = BUDGET
) -> Written:
    """Write the report of one run, or of several that are ranked together where they may be.

    ``runs``: folders as :func:`benchmark.load_run` takes them; none: the latest. ``to``: the file, by default
    ``report.html`` in the (first) run's folder. ``cases``: with images, as many as ``budget`` bytes leave room for.

    Raises:
        UsageError: there is no run.
        BenchmarkError: a run is damaged, or the file cannot be written.
    """
    from benchmark import atomic
    from benchmark.errors import BenchmarkError
    from benchmark.report.cases import galleries
    from benchmark.report.gather import gather
    from benchmark.report.page import Page

    material = gather([None if run is None else Path(run) for run in runs] or [None])
    page = Page(material)
    text = page.render().encode()
    shown = galleries(material, budget - len(text) - MARGIN) if cases else []
    if shown:
        text = page.render(shown).encode()
    target = to or material.runs[0].path / NAME
    try:
        atomic.write_bytes(target, text)
    except OSError as error:
        reason = error.strerror or error
        raise BenchmarkError(f"cannot write {target}: {reason}; choose another file with --to") from None
    return Written(target, len(text), tuple((made.about["task"], tuple(made.left_out)) for made in shown))
