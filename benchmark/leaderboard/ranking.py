"""The order of one table, and what of it may be claimed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from benchmark.leaderboard.collect import Group
from benchmark.leaderboard.contest import Contest, stacked
from benchmark.leaderboard.scores import Entry, patient_values
from benchmark.leaderboard.tables import MOST_TESTED, Column, Row, Stability
from benchmark.statistics.agreement import resampled_tau
from benchmark.statistics.bootstrap import Resamples
from benchmark.statistics.claims import ALPHA
from benchmark.statistics.comparisons import Comparison, describe_pairs
from benchmark.statistics.order import places
from benchmark.statistics.paired import signed_rank_p
from benchmark.statistics.ranks import PERFECT, competition_ranks, metric_ranks, open_ranks, rank_intervals, tiers

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Ranking:
    """Rows, best first, and what the order rests on. ``lead`` ``(models, models)`` is of each of ``names`` over each
    other, for the overall table.
    """

    rows: tuple[Row, ...]
    ranked_by: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = ()
    stability: Stability | None = None
    names: tuple[str, ...] = ()
    lead: NDArray[np.float64] | None = None


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
    competing = [by_name[name] for name in names]
    contest = Contest(competing, group, metrics)
    filled = {name: [_filled(table) for table in tables] for name, tables in contest.tables.items()}
    means = {
        name: np.array(
            [
                fmean(known if full is table else patient_values(full))
                for known, full, table in zip(contest.by_patient[name], filled[name], tables, strict=True)
            ]
        )
        for name, tables in contest.tables.items()
    }
    observed = np.mean([metric_ranks(means[name], contest.missing[name]) for name in means], axis=0)
    resampled = _resampled(filled, contest.missing, names, resamples) if resamples and len(names) > 1 else None
    mean_ranks = dict(zip(names, observed.tolist(), strict=True))
    ranks = competition_ranks(mean_ranks, higher_is_better=False)
    comparisons: list[Comparison] = []
    lead = None
    if len(names) <= MOST_TESTED:
        lead = contest.lead
        ranks = dict(zip(names, places(lead).tolist(), strict=True))
        comparisons = _compared(contest, competing, group, metrics)
    return _placed(
        rows, names, tuple(column.name for column in metrics), ranks, mean_ranks, comparisons, resampled, lead
    )


def _compared(contest: Contest, entries: Sequence[Entry], group: Group, metrics: Sequence[Column]) -> list[Comparison]:
    """Every pair, with what may be claimed of it."""
    names = [entry.name for entry in entries]
    place = {name: at for at, name in enumerate(names)}
    if len(names) < 2:
        return []
    primary, claims = _primary(group, metrics), contest.claims()
    sign = 1.0 if primary.higher_is_better else -1.0
    better = contest.tested_differences(primary.name)
    alone = contest.signed_rank if len(metrics) == 1 else signed_rank_p(better)
    described = describe_pairs(
        names, sign * contest.tested(primary.name), sign, better, alone, contest.combined, contest.signed_rank
    )
    return [replace(each, claim_p=claims.p(place[each.first], place[each.second])) for each in described]


def _primary(group: Group, metrics: Sequence[Column]) -> Column:
    """The metric in whose unit differences are printed."""
    wanted = group.definition.get("primary")
    return next((column for column in metrics if column.name == wanted), metrics[0])


def _marked(row: Row, metrics: Sequence[Column]) -> Row:
    """The row with the reason why it cannot be ranked, if there is one."""
    if not row.scores:
        return row
    lacking = [
        column.label for column in metrics if not (row.scores[column.name].known or row.scores[column.name].perfect)
    ]
    return replace(row, unranked=f"no {' or '.join(lacking)}") if lacking else row


def _filled(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values without gaps: the patient's other seeds stand in, else the entry's mean; an exact one is the entry's best.

    What stands in decides nothing between a complete and an incomplete entry (:func:`metric_ranks`).
    """
    if np.isfinite(table).all():
        return table
    finite = table[np.isfinite(table)]
    signed = np.where(np.isinf(table), finite.max() if len(finite) else PERFECT, table)
    patients = patient_values(signed)
    known = patients[~np.isnan(patients)]
    patients = np.where(np.isnan(patients), fmean(known) if len(known) else 0.0, patients)
    return np.where(np.isnan(signed), patients, signed)


def _resampled(
    filled: Mapping[str, Sequence[NDArray[np.float64]]],
    missing: Mapping[str, NDArray[np.float64]],
    names: Sequence[str],
    resamples: Resamples,
) -> NDArray[np.float64]:
    """Mean ranks over metrics in every resample, ``(resamples, entries)``."""
    means = np.empty((len(filled), resamples.count, len(names)))
    for place, name in enumerate(names):
        means[:, :, place] = resamples.two_level_means(
            np.array(stacked([tables[place] for tables in filled.values()])), name
        ).T
    ranks = [metric_ranks(found, missing[metric]) for found, metric in zip(means, filled, strict=True)]
    return np.asarray(np.mean(ranks, axis=0))


def _placed(
    rows: Sequence[Row],
    names: Sequence[str],
    ranked_by: tuple[str, ...],
    ranks: Mapping[str, int],
    mean_ranks: Mapping[str, float],
    comparisons: Sequence[Comparison],
    resampled: NDArray[np.float64] | None,
    lead: NDArray[np.float64] | None,
) -> Ranking:
    best_first = sorted(names, key=lambda name: (ranks[name], name))
    tested = bool(comparisons) or len(names) == 1
    apart = separated(comparisons, ranks, names, ALPHA)
    left_open = open_ranks(best_first, apart) if tested else {}
    letters = tiers(best_first, apart) if tested else {}
    intervals = {}
    stability = None
    if resampled is not None:
        limits = rank_intervals(resampled).tolist()
        intervals = {name: (low, high) for name, (low, high) in zip(names, limits, strict=True)}
        tau = resampled_tau(resampled, np.array([mean_ranks[name] for name in names]))
        if not np.isnan(tau).all():
            low, median, high = np.nanquantile(tau, [0.025, 0.5, 0.975]).tolist()
            stability = Stability(median, low, high, len(resampled))
    finished = [
        replace(
            row,
            rank=ranks[row.name],
            mean_rank=mean_ranks[row.name],
            rank_range=_around(ranks[row.name], left_open.get(row.name)),
            rank_interval=intervals.get(row.name),
            tier=letters.get(row.name, ""),
        )
        for row in rows
        if row.name in ranks
    ]
    finished.sort(key=lambda row: (row.rank or 0, row.name))
    rest = sorted((row for row in rows if row.name not in ranks), key=lambda row: row.name)
    return Ranking((*finished, *rest), ranked_by, tuple(comparisons), stability, tuple(names), lead)


def _around(rank: int, limits: tuple[int, int] | None) -> tuple[int, int] | None:
    """Limits that hold the rank, too."""
    return limits and (min(limits[0], rank), max(limits[1], rank))


def separated(
    comparisons: Sequence[Comparison], ranks: Mapping[str, int], names: Collection[str], level: float
) -> set[frozenset[str]]:
    """Pairs among ``names`` of which it may be claimed that one is better: patients and seeds say so after all that
    was looked at, and lean the way the order does.
    """
    return {
        frozenset((each.first, each.second))
        for each in comparisons
        if each.claim_p <= level
        and {each.first, each.second} <= set(names)
        and (ranks[each.second] - ranks[each.first]) * each.ahead > 0
    }


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
