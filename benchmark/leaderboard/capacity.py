"""Whether models stand beside each other with equal means: weights and training time, against the usual ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median_low

from benchmark.leaderboard.tables import Row

MATCHED_WEIGHTS = 1.1
"""Up to so many times the usual weights, more or fewer, a model counts as matched."""
MATCHED_TIME = 2.0
"""The same of training time, which also depends on what else the machine did."""


def with_ratios(rows: Sequence[Row]) -> list[Row]:
    """Rows that know how many times the weights and training time of the median trained model they have, where that
    is not matched.

    Models without seeds are not compared: they have no training to match.
    """
    trained = [row for row in rows if row.scores and row.seeded]
    weights = [row.parameters for row in trained if row.parameters]
    times = [row.train_s for row in trained if row.train_s]
    usual_weights, usual_time = (median_low(weights) if weights else None), (median_low(times) if times else None)
    return [
        replace(
            row,
            capacity=_unmatched(row.parameters, usual_weights, MATCHED_WEIGHTS),
            compute=_unmatched(row.train_s, usual_time, MATCHED_TIME),
        )
        if row in trained
        else row
        for row in rows
    ]


def _unmatched(value: float | None, usual: float | None, factor: float) -> float | None:
    """Their ratio, where it is further from 1 than the factor."""
    if not value or not usual:
        return None
    ratio = value / usual
    return None if 1 / factor <= ratio <= factor else ratio
