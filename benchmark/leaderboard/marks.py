"""The best of each column, and what is not separated from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmark.leaderboard.collect import Group
from benchmark.leaderboard.contest import Contest, seeded
from benchmark.leaderboard.scores import Entry
from benchmark.leaderboard.tables import MOST_TESTED, Column, Row
from benchmark.statistics.claims import ALPHA
from benchmark.statistics.intervals import t_quantile
from benchmark.statistics.order import places


def mark_best(rows: Sequence[Row], entries: Sequence[Entry], group: Group, columns: Sequence[Column]) -> list[Row]:
    """Rows with, by metric, ``best`` and ``tied``: what may not be called different from the best.

    Only complete rows compete. All pairs of a column are tested together, since the best was picked from the same
    numbers: tested alone with the others, equal models lose their mark in one study of eight.
    """
    by_name = {entry.name: entry for entry in entries}
    marks: dict[str, dict[str, str]] = {row.name: {} for row in rows}
    for column in columns:
        in_it = [row for row in rows if row.scores and _complete(row, column)]
        if column.higher_is_better is None or len(in_it) < 2:
            continue
        competing = [by_name[row.name] for row in in_it]
        split = column.level == "distribution"
        found = _of_split(in_it, competing, column) if split else _of_patients(in_it, competing, group, column)
        for row, mark in zip(in_it, found, strict=True):
            if mark:
                marks[row.name][column.name] = mark
    return [replace(row, best=marks[row.name]) for row in rows]


def _complete(row: Row, column: Column) -> bool:
    score = row.scores[column.name]
    return (score.known or score.perfect > 0) and not score.missing


def _of_patients(rows: Sequence[Row], entries: Sequence[Entry], group: Group, column: Column) -> list[str]:
    """Beyond :data:`MOST_TESTED` models the best mean alone, and nothing is said of the others."""
    if len(rows) > MOST_TESTED:
        sign = 1.0 if column.higher_is_better else -1.0
        means = [sign * row.scores[column.name].interval.mean for row in rows]
        return ["best" if mean == max(means) else "" for mean in means]
    contest = Contest(entries, group, [column])
    ranks = places(contest.lead)
    top = int(ranks.argmin())
    claims = contest.claims()
    return [
        "best" if rank == ranks[top] else "tied" if claims.p(top, at) > ALPHA else "" for at, rank in enumerate(ranks)
    ]


def _of_split(rows: Sequence[Row], entries: Sequence[Entry], column: Column) -> list[str]:
    """Of a metric of the whole split: tied where intervals overlap, or seeds could have made the difference."""
    scores = [row.scores[column.name] for row in rows]
    varies = seeded(entries)
    pooled = [(score.seed_sd, len(row.seeds) - 1) for score, row, v in zip(scores, rows, varies, strict=True) if v]
    known = [(sd, freedom) for sd, freedom in pooled if not math.isnan(sd)]
    freedom = sum(each for _, each in known)
    variance = sum(sd**2 * each for sd, each in known) / freedom if freedom else math.inf
    noise = [variance / len(row.seeds) if v else 0.0 for row, v in zip(rows, varies, strict=True)]
    sign = 1.0 if column.higher_is_better else -1.0
    means = [sign * score.interval.mean for score in scores]
    top = int(np.argmax(means))
    pairs = len(rows) * (len(rows) - 1) / 2
    marks = []
    for at, score in enumerate(scores):
        overlap = score.interval.low <= scores[top].interval.high and scores[top].interval.low <= score.interval.high
        margin = math.sqrt(noise[at] + noise[top])
        if margin > 0 and math.isfinite(margin):
            margin *= t_quantile(1 - ALPHA / 2 / pairs, freedom)
        tied = overlap or means[top] - means[at] <= margin
        marks.append("best" if means[at] == means[top] else "tied" if tied else "")
    return marks
