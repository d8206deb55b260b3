"""Fidelity beside use: does the order of a table agree with what its translations are worth afterwards?

Metrics of image quality reward blur or texture; whether a lesion or a bone is still there they do not ask. So each
value of a downstream evaluation is set against the order: by Kendall's tau over models and within each patient, and in
a sentence where the first of the order and the best in use are plainly different models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from benchmark.leaderboard.collect import Group
from benchmark.leaderboard.scores import Entry
from benchmark.leaderboard.tables import Column, DownstreamSheet, Table, Use
from benchmark.statistics.agreement import Agreement, kendall, resampled_tau
from benchmark.statistics.intervals import t_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 3
"""Models below which an order says nothing."""
EXPLAINED = (
    "(tau): Kendall's rank correlation of a value with the order above, over models; within patients with the "
    "primary metric, averaged. 1: fidelity and use agree; 0: they have nothing to do with each other."
)

Worth = Mapping[str, "NDArray[np.float64]"]
"""By model: what each patient's translation is worth, ``(seeds, patients)``, more is better."""


def with_uses(table: Table, found: Sequence[Entry], group: Group) -> Table:
    """The table with the agreement of its order and each downstream value that has a better and a worse."""
    sheet = table.downstream
    ranks = {row.name: row.rank for row in table.rows if row.rank is not None}
    if sheet is None or len(ranks) < FEWEST:
        return table
    entries = {entry.name: entry for entry in found if entry.name in ranks}
    quality = _quality(table, entries, group)
    uses = {}
    for column in sheet.columns:
        worth = _worth(column, sheet.ideal.get(column.name, math.nan), entries, group)
        if len(worth) >= FEWEST:
            means = {name: float(np.nanmean(values)) for name, values in worth.items()}
            uses[column.name] = Use(
                kendall({name: -float(rank) for name, rank in ranks.items()}, means),
                _within_patients(quality, worth),
                _disagreement(table, sheet, column, worth, means, entries),
            )
    notes = (*sheet.notes, EXPLAINED) if uses else sheet.notes
    return replace(table, downstream=replace(sheet, uses=uses, notes=notes))


def agreement(table: Table, column: Column) -> Agreement:
    """Of a table's order with one of its metrics, over the ranked models; NaN where that has no better."""
    sign = {True: 1.0, False: -1.0, None: math.nan}[column.higher_is_better]
    ranked = [row for row in table.rows if row.rank is not None and column.name in row.scores]
    means = {row.name: sign * row.scores[column.name].interval.mean for row in ranked}
    orders = {row.name: -float(row.rank or 0) for row in ranked}
    return kendall(orders, {name: mean for name, mean in means.items() if not math.isnan(mean)})


def _quality(table: Table, entries: Mapping[str, Entry], group: Group) -> Worth:
    """The primary metric, patient by patient, more is better."""
    primary = table.primary_column
    if primary is None or primary.higher_is_better is None or primary.level == "distribution":
        return {}
    sign = 1.0 if primary.higher_is_better else -1.0
    return {name: sign * entry.values(group, primary.name) for name, entry in entries.items()}


def _worth(column: Column, ideal: float, entries: Mapping[str, Entry], group: Group) -> Worth:
    """One downstream value; where it has no better, nearness to what the target itself has, if that is known."""
    if column.higher_is_better is None and math.isnan(ideal):
        return {}
    worth = {}
    for name, entry in entries.items():
        cells = [cell.downstream[column.name].values for cell in entry.done if column.name in cell.downstream]
        if not cells:
            continue
        values = group.matrix(cells)
        if column.higher_is_better is None:
            values = -np.abs(values - ideal)
        elif not column.higher_is_better:
            values = -values
        if np.isfinite(values).any():
            worth[name] = values
    return worth


def _within_patients(quality: Worth, worth: Worth) -> float:
    """Kendall's tau-b over the models, averaged over patients; NaN without values of patients."""
    names = sorted(quality.keys() & worth.keys())
    if len(names) < FEWEST:
        return math.nan
    with np.errstate(invalid="ignore"):
        first, second = (np.stack([side[name].mean(axis=0) for name in names]) for side in (quality, worth))
    taus = []
    for ours, theirs in zip(first.T, second.T, strict=True):
        known = ~(np.isnan(ours) | np.isnan(theirs))
        if known.sum() >= FEWEST:
            taus.append(float(resampled_tau(ours[None, known], theirs[known])[0]))
    taus = [tau for tau in taus if not math.isnan(tau)]
    return fmean(taus) if taus else math.nan


def _disagreement(
    table: Table,
    sheet: DownstreamSheet,
    column: Column,
    worth: Worth,
    means: Mapping[str, float],
    entries: Mapping[str, Entry],
) -> str:
    """A sentence if the first of the order is in the lower half of this use, plainly behind the best there."""
    ranked = sorted((row for row in table.rows if row.rank is not None), key=lambda row: row.rank or 0)
    first = ranked[0].name
    if first not in means:
        return ""
    best = max(means, key=means.__getitem__)
    place = 1 + sum(mean > means[first] for mean in means.values())
    if 2 * place <= len(means) or not _plainly_behind(worth[first], worth[best], entries[first], entries[best]):
        return ""
    values = {name: f"{sheet.rows[name][column.name].interval.mean:.{column.digits}f}" for name in (first, best)}
    unit = f" {column.unit}" if column.unit else ""
    rank = next(row.rank for row in ranked if row.name == best)
    return (
        f"Fidelity and use disagree: {first}, first here, is number {place} of {len(means)} by {column.label} "
        f"({values[first]}{unit}); {best}, number {rank} here, is first there ({values[best]}{unit})."
    )


def _plainly_behind(behind: NDArray[np.float64], ahead: NDArray[np.float64], *pair: Entry) -> bool:
    """In every seed that was trained, of two or more where training varies, and beyond what patients vary."""
    if any(entry.seeded and len(entry.done) < 2 for entry in pair):
        return False
    if np.nanmax(np.nanmean(behind, axis=1)) >= np.nanmin(np.nanmean(ahead, axis=1)):
        return False
    difference = ahead.mean(axis=0) - behind.mean(axis=0)
    return t_interval(difference[np.isfinite(difference)]).low > 0
