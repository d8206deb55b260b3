"""Leaderboards cut down to what decides a claim, for studies by the ten thousand.

The order, the tests, brackets, tiers, marks and the overall table are those of :mod:`benchmark.leaderboard`, function
by function; records, resamples (which describe), intervals of means, costs and notes are left out. A test holds that
both ways claim the same.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.specs import MetricSpec
from benchmark.data.format.facts import DataFacts
from benchmark.leaderboard.collect import Cell, Group
from benchmark.leaderboard.contest import Contest
from benchmark.leaderboard.marks import mark_best
from benchmark.leaderboard.overall import over_tables
from benchmark.leaderboard.ranking import Ranking, _placed
from benchmark.leaderboard.scores import Entry, columns, entries
from benchmark.leaderboard.tables import Column, Leaderboard, Row, Score, Table
from benchmark.statistics.claims import ALPHA
from benchmark.statistics.comparisons import Comparison, Difference
from benchmark.statistics.effects import Effect
from benchmark.statistics.intervals import Interval
from benchmark.statistics.order import places

sys.path.insert(0, str(Path(__file__).parents[1]))
from made_records import UNITS


@dataclass(frozen=True)
class Trained:
    """One training of a study: patient values ``(patients,)`` by metric, NaN missing; ``fixed``: there is no seed."""

    task: int
    model: int
    seed: int
    fixed: bool
    values: Mapping[str, NDArray[np.float64]]

    @property
    def name(self) -> str:
        """Sorted as the models are."""
        return f"m{self.model:02}"


def content_of(task: int) -> str:
    """A content hash, which seeds what a table draws."""
    return hashlib.sha256(str(task).encode()).hexdigest()


def shortened(drawn: Iterable[Trained], metrics: Mapping[str, MetricSpec], marked: str) -> Leaderboard:
    """The claims of one study's trainings: tables that rank by all of ``metrics``, with marks under one of them."""
    by_task: dict[int, list[Trained]] = {}
    for training in drawn:
        by_task.setdefault(training.task, []).append(training)
    pairs = [_table(task, cells, metrics, marked) for task, cells in by_task.items()]
    return Leaderboard(tuple(table for table, _ in pairs), over_tables(pairs), (), (), ())


def _table(
    task: int, cells: Iterable[Trained], metrics: Mapping[str, MetricSpec], marked: str
) -> tuple[Table, Ranking]:
    group = _group(task, cells, metrics, marked)
    listed = columns(group, metrics, "HU")
    competing = entries(group, listed)
    ranking = _ranking(competing, group, listed)
    marks = mark_best(ranking.rows, competing, group, [column for column in listed if column.name == marked])
    table = Table(
        task=f"task{task}", title="", dataset="", content_sha256=content_of(task), simulated=True, degraded=False,
        remarks=(), profile="p/1", preset="small", patients=len(group.patients), hardware=(), primary=marked,
        ranked_by=ranking.ranked_by, columns=listed, rows=tuple(marks), comparisons=ranking.comparisons,
        stability=None, notes=(), stages=None, downstream=None,
    )  # fmt: skip
    return table, ranking


def _ranking(competing: Sequence[Entry], group: Group, listed: Sequence[Column]) -> Ranking:
    """As :func:`benchmark.leaderboard.ranking.rank`, without what describes pairs: effects, intervals, Holm."""
    contest = Contest(competing, group, listed)
    names = [entry.name for entry in competing]
    claims, pairs = contest.claims(), list(itertools.combinations(range(len(names)), 2))
    found = [claims.p(*pair) for pair in pairs]
    # where nothing is claimed, nobody asks which way a pair leans
    ahead = contest.combined.sum(axis=1).tolist() if min(found) <= ALPHA else [0.0] * len(pairs)
    comparisons = [
        Comparison(names[first], names[second], len(group.patients), NOT_DESCRIBED, lean, 1.0, 1.0, p)
        for (first, second), lean, p in zip(pairs, ahead, found, strict=True)
    ]
    ranks = dict(zip(names, places(contest.lead).tolist(), strict=True))
    rows = [_row(entry, group, listed) for entry in competing]
    return _placed(rows, names, tuple(group.metrics), ranks, ranks, comparisons, None, contest.lead)


def _group(task: int, trainings: Iterable[Trained], metrics: Mapping[str, MetricSpec], marked: str) -> Group:
    definition = {"primary": marked, "ranked_by": list(metrics), "metrics": [{"metric": metric} for metric in metrics]}
    group = Group(f"task{task}", "small", "p/1", definition, _Data(content_of(task)))
    for training in trainings:
        name = training.name
        cell = Cell(name, name, name, False, training.seed, "done", "", seeded=not training.fixed)
        for metric, values in training.values.items():
            cell.values[metric] = array("d", values.tobytes())
            group.metrics.setdefault(metric, ("slice", UNITS.get(metric, "")))
            group.patients = group.patients or {f"p{index:03}": index for index in range(len(values))}
        group.cells.append(cell)
    return group


NOT_DESCRIBED = Difference(Interval(math.nan, math.nan, math.nan, 0), math.nan, Effect(0.0, 0.0, 0.0), 1.0)


class _Data(DataFacts):
    """Of the facts of a data set, the one that a claim reads."""

    def __init__(self, content: str) -> None:
        object.__setattr__(self, "content_sha256", content)


def _row(entry: Entry, group: Group, listed: Iterable[Column]) -> Row:
    scores = {}
    for column in listed:
        lost = np.isnan(entry.values(group, column.name))
        gaps = float(lost.sum() / len(lost))
        known = int(np.count_nonzero(~lost.all(axis=0))) if gaps else lost.shape[1]
        scores[column.name] = replace(NO_SCORE, interval=Interval(math.nan, math.nan, math.nan, known), missing=gaps)
    return Row(entry.name, entry.name, False, tuple(cell.seed for cell in entry.done), scores, seeded=entry.seeded)


NO_SCORE = Score(
    Interval(math.nan, math.nan, math.nan, 0), expected=0, failed=0, missing=0.0, perfect=0, bias=None,
    median=math.nan, seed_sd=math.nan,
)  # fmt: skip
