"""The first screen: the question, the answer as far as it is known, what it rests on, and what it does not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.contracts.presets import preset
from benchmark.errors import UsageError
from benchmark.leaderboard.layout import DATA, DEGRADED
from benchmark.leaderboard.tables import LEADING, Row, Table
from benchmark.report.gather import Material
from benchmark.statistics.power import patients_needed, smallest_p

ALPHA = 0.05
UNEQUAL = 1.5
"""Networks that differ by more in their number of parameters are said to."""
MOST_NAMES = 6


@dataclass(frozen=True)
class Answer:
    """What is known about one table: a sentence, and how firm it is."""

    table: Table
    heading: str
    text: str
    value: str
    firm: bool
    """Whether anything is separated from the best."""


@dataclass(frozen=True)
class Summary:
    """The first screen in words."""

    question: str
    answers: tuple[Answer, ...]
    rests_on: tuple[tuple[str, str], ...]
    does_not_say: tuple[str, ...]


def summary(material: Material) -> Summary:
    """Say what a report's boards answer, from the boards alone."""
    tables = material.board.tables
    return Summary(
        _question(tables) if tables else "Nothing was run yet.",
        tuple(map(_answer, tables)),
        tuple(_rests_on(material)),
        tuple(dict.fromkeys(_not_said(material))),
    )


def _question(tables: Sequence[Table]) -> str:
    """What the tables were made to answer; of baselines only where there is nothing else."""
    rows = [row for table in tables for row in table.rows]
    names = {row.name for row in rows if not row.baseline} or {row.name for row in rows}
    what = _listed(list(dict.fromkeys(table.title or table.task for table in tables)))
    if len(names) == 1:
        return f"How well does {names.pop()} translate {what}?"
    return f"Which of {len(names)} models translates {what} best?"


def _answer(table: Table) -> Answer:
    heading = f"{table.task}{f': {table.title}' if table.title else ''}{f', {table.budget}' if table.budget else ''}"
    ranked = [row for row in table.rows if row.rank is not None]
    if not ranked:
        done = any(row.scores for row in table.rows)
        return Answer(table, heading, "Nothing can be ranked." if done else "No cell is done.", "", False)
    best = [row for row in ranked if row.rank == 1]
    leading = [row for row in ranked if row.tier == LEADING and row not in best]
    firm = bool(table.comparisons) and any(row.tier != LEADING for row in ranked)
    first = f"{_listed([row.name for row in best])} {'is' if len(best) == 1 else 'are'} first"
    if len(ranked) == 1:
        text = f"Only {ranked[0].name} was ranked."
    elif not table.comparisons:
        text = f"{first}; pairs of models were not tested."
    elif not firm:
        text = f"{first}, but no model is separated from the best: take the order as a tie."
    elif leading:
        text = f"{first}; not separated from it: {_listed([row.name for row in leading])}."
    else:
        text = f"{first}, and every other model is separated from it."
    return Answer(table, heading, text, _value(table, best[0]), firm)


def _value(table: Table, row: Row) -> str:
    column = table.primary_column
    if column is None or not (score := row.scores[column.name]).known:
        return ""
    interval = score.interval
    text = f"{column.label} {interval.mean:.{column.digits}f} {column.unit}".rstrip()
    if interval.half_width == interval.half_width:
        text += f" (95 % interval {interval.low:.{column.digits}f} to {interval.high:.{column.digits}f})"
    return text


def _rests_on(material: Material) -> Iterator[tuple[str, str]]:
    tables = material.board.tables
    natures = dict.fromkeys(DEGRADED if table.degraded else DATA[table.simulated] for table in tables if table.dataset)
    if natures:
        yield "images", ", ".join(natures)
    patients = sorted({table.patients for table in tables if table.patients})
    if patients:
        span = str(patients[0]) if len(patients) == 1 else f"{patients[0]} to {patients[-1]}"
        distinct = {(table.task, table.content_sha256): table.patients for table in tables}
        yield "test patients a task", f"{span}, {sum(distinct.values())} in all"
    seeds = sorted({len(row.seeds) for table in tables for row in table.rows if row.seeds and not row.baseline})
    if seeds:
        yield "seeds a model", str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    steps = sorted({cell.steps for cell in material.cells if cell.steps})
    if steps:
        yield "training steps", str(steps[0]) if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
    sizes = sorted(_sizes(tables))
    if sizes:
        least, most = _million(sizes[0]), _million(sizes[-1])
        yield "parameters of generators", least if least == most else f"{least} to {most}"
    yield "scored as", ", ".join(dict.fromkeys(table.profile for table in tables)) or "–"
    yield "cells", ", ".join(f"{count} {state}" for state, count in material.states().items()) or "none"


def _not_said(material: Material) -> Iterator[str]:
    tables = material.board.tables
    if any(table.simulated and not table.degraded for table in tables):
        yield "The images are simulated: nothing here was measured on patients or scanners."
    if any(table.degraded for table in tables):
        yield "The sources are simulated degradations of real images, not acquisitions."
    for name in dict.fromkeys(table.preset for table in tables):
        try:
            yield f"Preset {name}: {preset(name).summary}."
        except (UsageError, AttributeError):
            continue
    yield from _too_few_patients(tables)
    few = {len(row.seeds) for table in tables for row in table.rows if row.few_seeds}
    if few:
        seeds = "One seed" if max(few) == 1 else f"{max(few)} seeds"
        yield f"{seeds}: how much chance in training changes the order is not known."
    sizes = sorted(_sizes(tables))
    if sizes and sizes[-1] > UNEQUAL * sizes[0]:
        factor = sizes[-1] / sizes[0]
        yield f"Networks differ in size by a factor of up to {factor:.1f}: a gain may be capacity, not method."
    missing = [cell for cell in material.cells if cell.state in ("failed", "timeout", "planned", "running")]
    if missing:
        yield f"{_count(len(missing), 'cell')} did not finish; their models are judged without them."
    suspect = {cell.name for cell in material.cells if cell.findings and cell.state == "done"}
    if suspect:
        yield f"The training of {_listed(sorted(suspect))} looks wrong; see there."
    yield "Fidelity to a target is not diagnostic value. Nothing here is for clinical use."


def _too_few_patients(tables: Sequence[Table]) -> Iterator[str]:
    """Tables whose patients could separate no pair of models whatever the scores were."""
    needed: dict[tuple[int, int], list[str]] = {}
    for table in tables:
        if pairs := len(table.comparisons):
            patients = max(comparison.patients for comparison in table.comparisons)
            if smallest_p(patients, pairs) > ALPHA:
                needed.setdefault((patients, patients_needed(pairs)), []).append(table.task)
    for (patients, enough), tasks in needed.items():
        few = _count(patients, "test patient")
        yield f"{few} cannot separate any two models after Holm; {enough} could ({_listed(tasks)})."


def _sizes(tables: Sequence[Table]) -> set[int]:
    return {row.parameters for table in tables for row in table.rows if row.parameters and not row.baseline}


def _million(count: int) -> str:
    return f"{count / 1e6:.3g} M"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    """``a, b and c``; of many the first and how many more."""
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def refusals(material: Material) -> list[str]:
    """Why tables of the same task were not ranked together, where several runs are reported."""
    if len(material.runs) < 2:
        return []
    said = []
    tables = material.board.tables
    for task in dict.fromkeys(table.task for table in tables):
        mine = [table for table in tables if table.task == task and table.dataset]
        for other in mine[1:]:
            first = mine[0]
            data = f"{first.dataset} {first.content_sha256[:8]} and {other.dataset} {other.content_sha256[:8]}"
            reasons = [
                f"other data ({data})"
                if first.content_sha256 != other.content_sha256 else "",
                f"other presets ({first.preset} and {other.preset})" if first.preset != other.preset else "",
                f"other profiles ({first.profile} and {other.profile})" if first.profile != other.profile else "",
            ]  # fmt: skip
            because = "; ".join(filter(None, reasons)) or "the profile is defined otherwise"
            said.append(f"{task}: not ranked together: {because}.")
    return said
