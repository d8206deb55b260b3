"""The words and numbers of a table, the same for terminal, Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmark.contracts.budget import WORDS, Budget
from benchmark.leaderboard.figures import (
    DASH,
    NOTHING,
    fixed,
    multiple,
    rank_range,
    three_digits,
    weights,
    with_intervals,
)
from benchmark.leaderboard.tables import (
    LEADING,
    Column,
    DownstreamSheet,
    Overall,
    Reproduction,
    Row,
    Stages,
    Table,
    Unreadable,
)

EXTERNAL = "external"
"""Preset of tables that hold nothing but predictions made elsewhere: nobody knows what they were trained with."""
DATA = {True: "SIMULATED DATA", False: "real data", None: "SIMULATED and real data"}
DEGRADED = "SIMULATED DEGRADATION OF REAL IMAGES"


@dataclass(frozen=True)
class Sheet:
    """A table as text. The first ``keys`` columns identify a row; ``problems`` are rows that have no scores.

    ``marks`` says of cells of ``body``, by (row, column), that they are the ``best`` of their column or ``tied``.
    """

    heading: str
    about: str
    header: tuple[str, ...]
    units: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    problems: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    keys: int = 2
    marks: Mapping[tuple[int, int], str] = field(default_factory=dict)


def column_name(header: str) -> str:
    """What a column is called, without the arrow of its direction."""
    return header.rstrip(" ↑↓")


def narrowed(page: Sheet, names: Sequence[str]) -> Sheet:
    """The sheet with rank, model and these of its columns, in this order; names that it does not have are passed over.

    Letters may be large or small.
    """
    places = {column_name(header).lower(): place for place, header in enumerate(page.header)}
    asked = [places[name.lower()] for name in names if name.lower() in places]
    kept = [*range(page.keys), *(place for place in asked if place >= page.keys)]
    return replace(
        page,
        header=tuple(page.header[place] for place in kept),
        units=tuple(page.units[place] for place in kept),
        body=tuple(tuple(row[place] for place in kept) for row in page.body),
        marks={(row, kept.index(place)): mark for (row, place), mark in page.marks.items() if place in kept},
    )


def downstream_sheet(table: Table, measures: DownstreamSheet) -> Sheet:
    """What the translations are worth downstream, and what the targets themselves would be."""
    baselines = {row.name for row in table.rows if row.baseline}
    header, units = ["model"], [""]
    names = [name + (" †" if name in baselines else "") for name in measures.rows]
    below = ["(target itself)", *(["(tau: models)", "(tau: patients)"] if measures.uses else [])]
    cells = [[*names, *below] if measures.columns else []]
    for column in measures.columns:
        header.append(column.label + {True: " ↑", False: " ↓", None: ""}[column.higher_is_better])
        units.append(column.unit)
        scores = [row[column.name] for row in measures.rows.values()]
        texts = with_intervals([score.interval for score in scores], column.digits)
        shown = [
            f"{text} [{score.interval.n}/{score.expected}]"
            if score.known and score.interval.n < score.expected
            else text
            for text, score in zip(texts, scores, strict=True)
        ]
        use = measures.uses.get(column.name)
        taus = [fixed(use.models.tau if use else None, 2), fixed(use.patients if use else None, 2)]
        cells.append([*shown, fixed(measures.ideal.get(column.name), column.digits), *(taus if measures.uses else [])])
    return Sheet(
        heading=f"{table.task}: downstream evaluations",
        about=", ".join(_data(table)),
        header=tuple(header) if measures.columns else (),
        units=tuple(units) if measures.columns else (),
        body=tuple(zip(*cells, strict=True)) if measures.columns else (),
        problems=(),
        notes=measures.notes + (("† baseline",) if measures.columns and baselines & set(measures.rows) else ()),
        keys=1,
    )


def stages_sheet(table: Table, stages: Stages) -> Sheet:
    """What each step of models of several steps is worth."""
    header, cells = ["model"], [list(stages.rows)]
    for measure in stages.measures:
        header.append(measure)
        intervals = [row.get(measure, NOTHING) for row in stages.rows.values()]
        cells.append(with_intervals(intervals, 4))
    return Sheet(
        heading=f"{table.task}: models of several stages, stage by stage",
        about=_nature(table) if table.simulated is not None else "",
        header=tuple(header),
        units=("",) * len(header),
        body=tuple(zip(*cells, strict=True)),
        problems=(),
        notes=("Means over test patients, ± half the 95 % interval (Student's t). Not part of the ranking.",),
        keys=1,
    )


def unreadable_sheet(cells: Sequence[Unreadable]) -> Sheet:
    """Cells of which nothing is known, not even which table they belong to, and a plan that is not known."""
    return Sheet(
        heading="What cannot be read",
        about="",
        header=(),
        units=(),
        body=(),
        problems=tuple((each.cell, each.reason) for each in cells),
        notes=("'benchmark run' makes planned cells anew.",),
    )


def published_sheet(table: Table, beside: Reproduction) -> Sheet:
    """A published table beside ours, and Kendall's tau of the two orders under each metric."""
    header, units = ["model"], [""]
    cells = [[row.name for row in beside.rows] + ["Kendall's tau"]]
    for column in beside.columns:
        agreement = beside.agreement[column.name]
        for title, values in (
            ("ours", [row.ours for row in beside.rows]),
            ("publ.", [row.published for row in beside.rows]),
        ):
            header.append(f"{column.label} {title}")
            units.append(column.unit)
            cells.append([fixed(value.get(column.name), column.digits) for value in values])
        cells[-2].append(DASH if math.isnan(agreement.tau) else f"{agreement.tau:+.2f}")
        cells[-1].append("" if math.isnan(agreement.p) else f"p {agreement.p:.2g}")
    models = max((agreement.n for agreement in beside.agreement.values()), default=0)
    notes = [
        f"publ.: {beside.source}.",
        *([beside.note] if beside.note else []),
        f"Kendall's tau compares the order of {models} models, not the values; p is exact, of no agreement at all.",
    ]
    return Sheet(
        heading=f"{table.task}: published beside ours",
        about=f"ours on {_nature(table)}" if table.simulated is not None else "",
        header=tuple(header),
        units=tuple(units),
        body=tuple(zip(*cells, strict=True)),
        problems=(),
        notes=tuple(notes),
        keys=1,
    )


def sheet(table: Table) -> Sheet:
    """A task's table as text."""
    done = [row for row in table.rows if row.scores]
    header, units = ["rank", "model", "params", "train"], ["", "", "", "s"]
    cells = [
        [_rank(row, done) for row in done],
        [row.name + _mark(row) for row in done],
        [weights(row.parameters) + multiple(row.capacity) for row in done],
        [three_digits(row.train_s) + multiple(row.compute) for row in done],
    ]
    if any(row.trials for row in done):
        header.append("tuning")
        units.append("")
        cells.append([f"{row.trials} trials" if row.trials else "untuned" if row.seeded else DASH for row in done])
    marks: dict[tuple[int, int], str] = {}
    if len(table.ranked_by) > 1:
        header.append("mean rank")
        units.append("")
        cells.append([DASH if row.mean_rank is None else f"{row.mean_rank:.2f}" for row in done])
    for column in table.columns:
        for place, row in enumerate(done):
            if mark := row.best.get(column.name):
                marks[place, len(cells)] = mark
        header.append(_heading(column))
        units.append(column.unit)
        cells.append(_scores(column, done))
    for title, unit, values in (
        *(_spent(table.budget, done) if table.budget else ()),
        ("infer", "ms/slice", [three_digits(row.inference_ms) for row in done]),
        ("memory", "MB", [DASH if row.peak_memory_mb is None else f"{row.peak_memory_mb:.0f}" for row in done]),
    ):
        header.append(title)
        units.append(unit)
        cells.append(values)
    return Sheet(
        heading=table.task
        + (f": {table.title}" if table.title else "")
        + (f", {table.budget}" if table.budget else ""),
        about=_about(table),
        header=tuple(header),
        units=tuple(units),
        body=tuple(zip(*cells, strict=True)),
        problems=tuple(_problems(table.rows)),
        notes=table.notes,
        marks=marks,
    )


def short_sheet(table: Table) -> Sheet:
    """What a glance at a table is for: the order, the primary metric, beside it one that sees as people do and one
    downstream value, and what is not matched; no notes.
    """
    done = [row for row in table.rows if row.scores]
    header, units = ["rank", "model"], ["", ""]
    cells = [[_rank(row, done) for row in done], [row.name + _mark(row) for row in done]]
    marks: dict[tuple[int, int], str] = {}
    for column in dict.fromkeys((table.primary_column, perceptual_to_show(table))):
        if column is not None:
            place = len(header)
            marks |= {(at, place): row.best[column.name] for at, row in enumerate(done) if column.name in row.best}
            header.append(_heading(column))
            units.append(column.unit)
            cells.append(_scores(column, done))
    if (use := use_to_show(table)) is not None and table.downstream is not None:
        header.append(_heading(use))
        units.append(use.unit)
        worth = [table.downstream.rows.get(row.name, {}).get(use.name) for row in done]
        cells.append(with_intervals([score.interval if score else NOTHING for score in worth], use.digits))
    header += ["params", "train"]
    units += ["", "s"]
    cells.append([weights(row.parameters) + multiple(row.capacity) for row in done])
    cells.append([three_digits(row.train_s) + multiple(row.compute) for row in done])
    return Sheet(
        heading=table.task + (f", {table.budget}" if table.budget else ""),
        about=", ".join(_data(table, named=False)),
        header=tuple(header),
        units=tuple(units),
        body=tuple(zip(*cells, strict=True)),
        problems=tuple(_problems(table.rows)),
        notes=(),
        marks=marks,
    )


def perceptual_to_show(table: Table) -> Column | None:
    """The perceptual metric that most rows have a value of, of equals the profile's last; ``None`` without any."""
    counts = {
        column: sum(column.name in row.scores and row.scores[column.name].known for row in table.rows)
        for column in reversed(table.columns)
        if column.perceptual
    }
    return max(counts, key=counts.__getitem__) if any(counts.values()) else None


def use_to_show(table: Table) -> Column | None:
    """Of a table's downstream values the one that agrees least with its order; ``None`` without any."""
    uses = table.downstream.uses if table.downstream else {}
    known = {name: use.models.tau for name, use in uses.items() if not math.isnan(use.models.tau)}
    if not known or table.downstream is None:
        return None
    least = min(known, key=known.__getitem__)
    return next(column for column in table.downstream.columns if column.name == least)


def _spent(budget: Budget, rows: Sequence[Row]) -> list[tuple[str, str, list[str]]]:
    """What each model used in the currencies that are not the budget's."""
    columns: dict[str, tuple[str, str, Sequence[float | None]]] = {
        "steps": ("steps", "", [row.steps for row in rows]),
        "updates": ("updates", "", [row.updates for row in rows]),
        "flops": ("flops", "T", [None if row.flops is None else row.flops / 1e12 for row in rows]),
    }
    del columns[budget.currency]
    return [(title, unit, [three_digits(value) for value in values]) for title, unit, values in columns.values()]


def overall_sheet(overall: Overall) -> Sheet:
    """The table over all tasks as text."""
    body = []
    for row in overall.rows:
        equal = "=" if sum(other.rank == row.rank for other in overall.rows) > 1 else ""
        rank = DASH if row.rank is None else f"{row.rank}{equal}{rank_range(row.rank_interval)}"
        mean = f"{row.mean_rank:.2f}"
        counts = (f"{row.ranked_in}/{len(overall.tables)}", str(row.wins), str(row.leading))
        ranks = (str(row.ranks.get(key, DASH)) for key in overall.tables)
        body.append((rank, row.name + (" †" if row.baseline else ""), mean, *counts, *ranks))
    header = ("rank", "model", "mean rank", "tables", "wins", "leading", *overall.headings)
    marks = ("† baseline",) if any(row.baseline for row in overall.rows) else ()
    return Sheet(
        heading="All tasks",
        about=f"{_nature(overall)}, mean rank over {len(overall.tables)} tables",
        header=header,
        units=("",) * len(header),
        body=tuple(body),
        problems=(),
        notes=(*overall.notes, *marks),
    )


def _heading(column: Column) -> str:
    """A metric's name, and which way is better."""
    return column.label + {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]


def _about(table: Table) -> str:
    """One line on what was compared on what."""
    parts = _data(table)
    seeds = {len(row.seeds) for row in table.rows if row.seeds and not row.submitted}
    if seeds:
        most = max(seeds)
        parts.append("single seed" if most == 1 else f"{most} seeds")
    if table.budget:
        parts.append(f"a budget of {table.budget.label} {WORDS[table.budget.currency]} each")
    parts.append(f"profile {table.profile}")
    if table.preset != EXTERNAL:
        parts += [f"preset {table.preset}", *table.hardware]
    return ", ".join(parts)


def _nature(table: Table | Overall) -> str:
    """Whether the images are real."""
    return DEGRADED if table.degraded else DATA[table.simulated]


def _data(table: Table, *, named: bool = True) -> list[str]:
    """Real or simulated, which data set, how many patients."""
    parts = []
    if table.simulated is not None:
        parts.append(_nature(table))
    if table.dataset and named:
        parts.append(f"{table.dataset} {table.content_sha256[:8]}")
    if table.patients:
        whose = "validation" if table.split == "val" else "test"
        parts.append(f"{table.patients} {whose} patient{'s' if table.patients != 1 else ''}")
    return parts


def _rank(row: Row, rows: Sequence[Row]) -> str:
    """``2* (1-3)``: second, in the leading group, anything from first to third. ``=``: a tie. Who lacks patients that
    others have comes last because of them, and is not called as good as the best.
    """
    if row.rank is None:
        return DASH
    equal = "=" if sum(other.rank == row.rank for other in rows) > 1 else ""
    behind = any(score.failed for score in row.scores.values()) and any(
        other.rank is not None and not any(score.failed for score in other.scores.values()) for other in rows
    )
    leading = "*" if row.tier == LEADING and not behind else ""
    return f"{row.rank}{equal}{leading}{rank_range(row.rank_range)}"


def _mark(row: Row) -> str:
    """Dagger: baseline. Double dagger: too few seeds. Section: trained otherwise than the rest."""
    return (" †" if row.baseline else "") + (" ‡" if row.few_seeds else "") + (" §" if row.otherwise else "")


def _scores(column: Column, rows: Sequence[Row]) -> list[str]:
    """A metric's column; where patients are missing, how many were scored stands behind the number."""
    scores = [row.scores[column.name] for row in rows]
    texts = with_intervals([score.interval for score in scores], column.digits)
    return [
        f"{text} [{score.interval.n}/{score.expected}]" if score.known and score.interval.n < score.expected else text
        for text, score in zip(texts, scores, strict=True)
    ]


def _problems(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Models with cells that are not done: name, and what became of them."""
    found = []
    for row in rows:
        by_fate: dict[tuple[str, str], list[int]] = {}
        for problem in row.problems:
            by_fate.setdefault((problem.state, problem.reason), []).append(problem.seed)
        for (state, reason), seeds in by_fate.items():
            which = f"seed {', '.join(map(str, seeds))} " if row.seeds or len(by_fate) > 1 else ""
            found.append((row.name + _mark(row), f"{which}{state}{f': {reason}' if reason else ''}"))
    return found
