"""The order of one table: mean ranks over metrics, what resampling and paired tests leave open, ties with the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from benchmark.leaderboard.collect import Group
from benchmark.leaderboard.scores import Entry, patient_values
from benchmark.leaderboard.tables import Column, Row, Stability
from benchmark.statistics.agreement import resampled_tau
from benchmark.statistics.bootstrap import Resamples
from benchmark.statistics.comparisons import Comparison, compare_all, tied_with_best
from benchmark.statistics.ranks import PERFECT, competition_ranks, metric_ranks, open_ranks, rank_intervals, tiers

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALPHA = 0.05
MOST_TESTED = 100
"""Tables of more models are ranked and resampled, but not tested pair by pair."""


@dataclass(frozen=True)
class Ranking:
    """Rows, best first, and what the order rests on; ``resampled`` mean ranks are kept for the overall table."""

    rows: tuple[Row, ...]
    ranked_by: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()
    stability: Stability | None = None
    names: tuple[str, ...] = ()
    resampled: NDArray[np.float64] | None = None


def ranking_metrics(columns: Sequence[Column], definition: Mapping[str, object], rows: Sequence[Row]) -> list[Column]:
    """The metrics whose ranks are averaged: those that the profile names, else all that have a direction.

    One number for the whole test split is not averaged with them, nor a metric that nobody was scored under; where
    such a number is the profile's primary metric, no other ranks either.
    """
    if any(column.name == definition.get("primary") and column.level == "distribution" for column in columns):
        return []
    named = definition.get("ranked_by") or [column.name for column in columns]
    return [
        column
        for column in columns
        if column.name in named  # type: ignore[operator]  # a list, from the profile
        and column.higher_is_better is not None
        and column.level != "distribution"
        and any(row.scores and (row.scores[column.name].known or row.scores[column.name].perfect) for row in rows)
    ]


def rank(
    rows: Sequence[Row],
    entries: Sequence[Entry],
    group: Group,
    columns: Sequence[Column],
    resamples: Resamples | None,
) -> Ranking:
    """Put the rows of a table in order."""
    metrics = ranking_metrics(columns, group.definition, rows)
    rows = [_marked(row, metrics) for row in rows]
    by_name = {entry.name: entry for entry in entries}
    ranked = sorted((row for row in rows if row.scores and not row.unranked), key=lambda row: row.name)
    if not metrics:
        return Ranking(tuple(_by_value(rows, columns, group)), ())
    if not ranked:
        return Ranking(tuple(sorted(rows, key=lambda row: row.name)), ())
    names = [row.name for row in ranked]
    higher = {column.name: bool(column.higher_is_better) for column in metrics}
    values = {column.name: [by_name[name].values(group, column.name) for name in names] for column in metrics}
    missing = {name: _missing(tables, higher[name]) for name, tables in values.items()}
    filled = {name: [_filled(table, higher[name]) for table in tables] for name, tables in values.items()}
    observed = np.mean(
        [metric_ranks(np.array([_mean(t) for t in filled[name]]), missing[name]) for name in values], axis=0
    )
    resampled = _resampled(filled, missing, names, resamples) if resamples and len(names) > 1 else None
    comparisons: list[Comparison] = []
    if len(names) <= MOST_TESTED:
        tested = {name: np.array([_tested(table, higher[name]) for table in tables]) for name, tables in values.items()}
        comparisons = compare_all(names, tested, higher, _primary(group, metrics))
    return _placed(rows, names, tuple(values), observed, comparisons, resampled)


def _primary(group: Group, metrics: Sequence[Column]) -> str:
    """The metric in whose unit differences are printed."""
    wanted = group.definition.get("primary")
    return next((column.name for column in metrics if column.name == wanted), metrics[0].name)


def _marked(row: Row, metrics: Sequence[Column]) -> Row:
    """The row with the reason why it cannot be ranked, if there is one."""
    if not row.scores:
        return row
    lacking = [
        column.label for column in metrics if not (row.scores[column.name].known or row.scores[column.name].perfect)
    ]
    return replace(row, unranked=f"no {' or '.join(lacking)}") if lacking else row


def _missing(tables: Sequence[NDArray[np.float64]], higher: bool) -> NDArray[np.float64]:
    """Patients without a value, averaged over seeds, of each entry."""
    return np.array([float(np.count_nonzero(_lost(table, higher))) / len(table) for table in tables])


def _lost(table: NDArray[np.float64], higher: bool) -> NDArray[np.bool_]:
    """Where there is no value; an infinite error is none."""
    return np.asarray(np.isnan(table) | (np.isinf(table) & (not higher)))


def _filled(table: NDArray[np.float64], higher: bool) -> NDArray[np.float64]:
    """Values that higher is better for, without gaps: the patient's other seeds stand in, else the entry's mean.

    What stands in decides nothing between a complete and an incomplete entry (:func:`metric_ranks`).
    """
    signed = np.where(_lost(table, higher), math.nan, table if higher else -table)
    signed[np.isposinf(signed)] = PERFECT
    if not np.isnan(signed).any():
        return signed
    patients = patient_values(signed)
    known = patients[~np.isnan(patients)]
    patients = np.where(np.isnan(patients), fmean(known) if len(known) else 0.0, patients)
    return np.where(np.isnan(signed), patients, signed)


def _mean(filled: NDArray[np.float64]) -> float:
    return fmean(patient_values(filled))


def _tested(table: NDArray[np.float64], higher: bool) -> NDArray[np.float64]:
    """Patient values for tests; a patient that any seed has no value for is missing."""
    lost = _lost(table, higher).any(axis=0)
    return np.where(lost, math.nan, patient_values(np.where(_lost(table, higher), math.nan, table)))


def _resampled(
    filled: Mapping[str, Sequence[NDArray[np.float64]]],
    missing: Mapping[str, NDArray[np.float64]],
    names: Sequence[str],
    resamples: Resamples,
) -> NDArray[np.float64]:
    """Mean ranks over metrics in every resample, ``(resamples, entries)``."""
    means = np.empty((len(filled), resamples.count, len(names)))
    for place, name in enumerate(names):
        means[:, :, place] = resamples.two_level_means(_stacked([tables[place] for tables in filled.values()]), name).T
    ranks = [metric_ranks(found, missing[metric]) for found, metric in zip(means, filled, strict=True)]
    return np.asarray(np.mean(ranks, axis=0))


def _stacked(tables: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Tables ``(seeds, patients)`` of one entry as ``(metrics, seeds, patients)``; where a metric lacks a seed, by the
    patients' means.
    """
    if len({len(table) for table in tables}) == 1:
        return np.array(tables)
    most = max(len(table) for table in tables)
    return np.array([table if len(table) == most else np.tile(patient_values(table), (most, 1)) for table in tables])


def _placed(
    rows: Sequence[Row],
    names: Sequence[str],
    ranked_by: tuple[str, ...],
    observed: NDArray[np.float64],
    comparisons: Sequence[Comparison],
    resampled: NDArray[np.float64] | None,
) -> Ranking:
    mean_ranks = dict(zip(names, observed.tolist(), strict=True))
    ranks = competition_ranks(mean_ranks, higher_is_better=False)
    best_first = sorted(names, key=lambda name: (ranks[name], name))
    apart = separated(comparisons, mean_ranks, names, resampled)
    left_open = open_ranks(best_first, apart)
    letters = tiers(best_first, apart) if comparisons or len(names) == 1 else {}
    intervals = {}
    stability = None
    if resampled is not None:
        limits = rank_intervals(resampled).tolist()
        intervals = {name: (low, high) for name, (low, high) in zip(names, limits, strict=True)}
        tau = resampled_tau(resampled, observed)
        if not np.isnan(tau).all():
            low, median, high = np.nanquantile(tau, [0.025, 0.5, 0.975]).tolist()
            stability = Stability(median, low, high, len(resampled))
    placed = {}
    for name in names:
        own = intervals.get(name, (ranks[name], ranks[name]))
        tested = left_open[name] if comparisons else own
        spread = (min(own[0], tested[0], ranks[name]), max(own[1], tested[1], ranks[name]))
        placed[name] = (ranks[name], mean_ranks[name], spread, intervals.get(name), letters.get(name, ""))
    finished = [
        replace(row, rank=r, mean_rank=mean, rank_range=spread, rank_interval=own, tier=letter)
        for row in rows
        if row.name in placed
        for r, mean, spread, own, letter in [placed[row.name]]
    ]
    finished.sort(key=lambda row: (row.rank or 0, row.name))
    rest = sorted((row for row in rows if row.name not in placed), key=lambda row: row.name)
    return Ranking((*finished, *rest), ranked_by, tuple(comparisons), stability, tuple(names), resampled)


def separated(
    comparisons: Sequence[Comparison],
    mean_ranks: Mapping[str, float],
    names: Sequence[str],
    resampled: NDArray[np.float64] | None,
) -> set[frozenset[str]]:
    """Pairs of which it may be claimed that one is better: the test says so after Holm, it leans the way the mean
    ranks do, and so do at least 97.5 % of the resamples of patients and seeds.
    """
    place = {name: at for at, name in enumerate(names)}
    apart = set()
    for each in comparisons:
        lead = mean_ranks[each.second] - mean_ranks[each.first]
        if each.adjusted_p > ALPHA or lead * each.ahead <= 0:
            continue
        if resampled is not None:
            kept = np.sign(resampled[:, place[each.second]] - resampled[:, place[each.first]]) * math.copysign(
                1.0, lead
            )
            if float(np.mean(kept)) < 1 - ALPHA:  # shares of for and against, ties counting half
                continue
        apart.add(frozenset((each.first, each.second)))
    return apart


def mark_best(rows: Sequence[Row], entries: Sequence[Entry], group: Group, columns: Sequence[Column]) -> list[Row]:
    """Rows with, by metric, the best mean and those not separated from it.

    Only complete rows compete. Of a metric of the whole split those are tied whose intervals overlap the best's.
    """
    by_name = {entry.name: entry for entry in entries}
    marks: dict[str, dict[str, str]] = {row.name: {} for row in rows}
    for column in columns:
        in_it = [
            row for row in rows if row.scores and row.scores[column.name].known and not row.scores[column.name].missing
        ]
        if column.higher_is_better is None or len(in_it) < 2:
            continue
        sign = 1.0 if column.higher_is_better else -1.0
        means = [
            math.inf if sign > 0 and row.scores[column.name].perfect else sign * row.scores[column.name].interval.mean
            for row in in_it
        ]
        top = max(means)
        best = [at for at, mean in enumerate(means) if mean == top]
        tied = _tied(in_it, by_name, group, column, best[0])
        for at, row in enumerate(in_it):
            if at in best or at in tied:
                marks[row.name][column.name] = "best" if at in best else "tied"
    return [replace(row, best=marks[row.name]) for row in rows]


def _tied(rows: Sequence[Row], by_name: Mapping[str, Entry], group: Group, column: Column, best: int) -> Sequence[int]:
    if column.level == "distribution":
        winner = rows[best].scores[column.name].interval
        return [
            at
            for at, row in enumerate(rows)
            if row.scores[column.name].interval.low <= winner.high
            and winner.low <= row.scores[column.name].interval.high
        ]
    if len(rows) > MOST_TESTED:
        return [best]
    higher = bool(column.higher_is_better)
    values = np.array([_tested(by_name[row.name].values(group, column.name), higher) for row in rows])
    return tied_with_best(values, best, higher_is_better=higher)


def _by_value(rows: Sequence[Row], columns: Sequence[Column], group: Group) -> list[Row]:
    """Rows where no metric of patients ranks: by the primary metric of the whole split, if it is one, untested."""
    primary = next((column for column in columns if column.name == group.definition.get("primary")), None)
    values: dict[str, float] = {}
    if primary is not None and primary.level == "distribution" and primary.higher_is_better is not None:
        known = [row for row in rows if row.scores and row.scores[primary.name].known]
        sign = -1.0 if primary.higher_is_better else 1.0
        values = {row.name: sign * row.scores[primary.name].interval.mean for row in known}
    ranks = competition_ranks(values, higher_is_better=False)
    placed = [replace(row, rank=ranks.get(row.name)) for row in rows]
    return sorted(placed, key=lambda row: (row.rank or math.inf, row.name))
