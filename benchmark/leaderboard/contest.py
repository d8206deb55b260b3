"""Models beside each other under one or several metrics: who leads whom, and which leads may be claimed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from benchmark.leaderboard.collect import Group
from benchmark.leaderboard.scores import Entry, patient_values
from benchmark.leaderboard.tables import Column
from benchmark.statistics.aligned import aligned_scores
from benchmark.statistics.claims import Claims, SeedNoise, seed_noise
from benchmark.statistics.order import leads
from benchmark.statistics.paired import combined_differences, differences, signed_rank_p

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Contest:
    """Entries under metrics of patients. Tables are ``(seeds, patients)`` with higher better, NaN lost."""

    def __init__(self, entries: Sequence[Entry], group: Group, columns: Sequence[Column]) -> None:
        self._entries, self._group = entries, group
        self._higher = {column.name: bool(column.higher_is_better) for column in columns}
        self._name = group.dataset.content_sha256 if group.dataset is not None else ""
        self.tables: Mapping[str, list[NDArray[np.float64]]] = {
            column.name: [_signed(entry.values(group, column.name), bool(column.higher_is_better)) for entry in entries]
            for column in columns
        }
        self.missing = {
            name: np.array([np.count_nonzero(np.isnan(table)) / len(table) for table in tables])
            for name, tables in self.tables.items()
        }
        """Patients without a value, averaged over seeds, of each entry."""

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        pairs = list(itertools.combinations(range(len(self._entries)), 2))
        first, second = zip(*pairs, strict=True) if pairs else ((), ())
        return np.array(first, np.int64), np.array(second, np.int64)

    @cached_property
    def lead(self) -> NDArray[np.float64]:
        """Lead of each entry over each other, averaged over metrics; under each, one with more missing patients is
        behind by as much as can be.
        """
        first, second = self._pairs
        total = np.zeros(len(first))
        for name in self.tables:
            more = self.missing[name][second] - self.missing[name][first]
            total += np.where(more == 0, leads(self._differences[name]), np.sign(more))
        lead = np.zeros((len(self._entries),) * 2)
        lead[first, second] = (total / len(self.tables)).round(12)
        return lead - lead.T

    def tested(self, metric: str) -> NDArray[np.float64]:
        """Patient values ``(entries, patients)`` for tests; a patient that any seed has no value for is missing."""
        values = self.by_patient[metric]
        if not self.missing[metric].any():
            return values
        lost = np.array([np.isnan(table).any(axis=0) for table in self.tables[metric]])
        return np.where(lost, math.nan, values)

    def tested_differences(self, metric: str) -> NDArray[np.float64]:
        """Differences ``(pairs, patients)`` that tests take, pairs in the order of :func:`itertools.combinations`."""
        values = self.tested(metric)
        if values is self.by_patient[metric]:
            return self._differences[metric]
        first, second = self._pairs
        return differences(values[first], values[second])

    @cached_property
    def combined(self) -> NDArray[np.float64]:
        """One difference ``(pairs, patients)`` over all metrics, which the signed-rank test takes."""
        return combined_differences([self.tested_differences(metric) for metric in self.tables])

    @cached_property
    def signed_rank(self) -> list[float]:
        """P over patients of every pair."""
        return signed_rank_p(self.combined)

    @cached_property
    def _differences(self) -> dict[str, NDArray[np.float64]]:
        """By metric, of all pairs ``(pairs, patients)``, higher better."""
        first, second = self._pairs
        return {name: differences(values[first], values[second]) for name, values in self.by_patient.items()}

    @cached_property
    def by_patient(self) -> dict[str, NDArray[np.float64]]:
        """Means over seeds, ``(entries, patients)``."""
        return {
            name: np.array(
                [self._means(entry, name, table) for entry, table in zip(self._entries, tables, strict=True)]
            )
            for name, tables in self.tables.items()
        }

    def _means(self, entry: Entry, metric: str, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """One entry's means over seeds, higher better."""
        if self._higher[metric]:
            return entry.patient_means(self._group, metric)
        # an endless error is no value here
        return -entry.patient_means(self._group, metric) if np.isfinite(table).all() else patient_values(table)

    @cached_property
    def noise(self) -> SeedNoise:
        """What seeds would change, in aligned scores."""
        return seed_noise(self._scores, seeded(self._entries))

    @cached_property
    def _scores(self) -> list[NDArray[np.float64]]:
        levelled = [stacked(tables) for tables in zip(*self.tables.values(), strict=True)]
        return aligned_scores([list(tables) for tables in zip(*levelled, strict=True)])

    def claims(self) -> Claims:
        """The pairs that may be called different."""
        means = np.array([table.mean(axis=0) for table in self._scores]).T
        return Claims(means, self._pair_p, self.noise, f"{self._name} {' '.join(self.tables)}")

    def _pair_p(self) -> NDArray[np.float64]:
        """The same as a table ``(entries, entries)``."""
        first, second = self._pairs
        pair_p = np.ones((len(self._entries),) * 2)
        if len(first):
            pair_p[first, second] = pair_p[second, first] = self.signed_rank
        return pair_p


def seeded(entries: Sequence[Entry]) -> list[bool]:
    """Whose result another seed would change. Predictions that were handed in are judged as they are where nothing
    else in the table has seeds, as in a challenge; beside trained models they are one training of a method.
    """
    submitted = [entry.submitted for entry in entries]
    varies = [entry.seeded for entry in entries]
    if not any(v and not s for v, s in zip(varies, submitted, strict=True)):
        return [False] * len(entries)
    return varies


def _signed(table: NDArray[np.float64], higher: bool) -> NDArray[np.float64]:
    """Higher better; an endless error is no value."""
    return table if higher else np.where(np.isinf(table), math.nan, -table)


def stacked(tables: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """One entry's tables with as many seeds each; where a metric lacks a seed, the patients' means stand in."""
    most = max(len(table) for table in tables)
    return [table if len(table) == most else np.tile(patient_values(table), (most, 1)) for table in tables]
