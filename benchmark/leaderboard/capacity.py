"""Whether models stand beside each other with equal means: weights, operations and recipe, against the usual ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median_low

from benchmark.leaderboard.tables import Row

MATCHED_WEIGHTS = 1.1
"""Up to so many times the usual weights, more or fewer, a model counts as matched."""
MATCHED_COMPUTE = 2.0
"""The same of the floating-point operations of a training. Its time is no measure: other work on the machine is in
it."""


def with_ratios(rows: Sequence[Row]) -> list[Row]:
    """Rows that know how many times the weights and training operations of the median trained model they have, where
    that is not matched.

    Models without seeds are not compared: they have no training to match. Operations are compared where those of every
    trained model were counted.
    """
    trained = [row for row in rows if row.scores and row.seeded]
    weights = [row.parameters for row in trained if row.parameters]
    operations = [row.flops for row in trained if row.flops]
    usual_weights = median_low(weights) if weights else None
    usual_operations = median_low(operations) if operations and len(operations) == len(trained) else None
    return [
        replace(
            row,
            capacity=_unmatched(row.parameters, usual_weights, MATCHED_WEIGHTS),
            compute=_unmatched(row.flops, usual_operations, MATCHED_COMPUTE),
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


def with_differences(rows: Sequence[Row]) -> list[Row]:
    """Rows that know in what they were trained otherwise than most of the others.

    Where no value is that of most rows, every row says its own.
    """
    trained = [row for row in rows if row.scores and row.training]
    usual: dict[str, object] = {}
    for name in dict.fromkeys(name for row in trained for name in row.training):
        counts = Counter(row.training[name] for row in trained if name in row.training).most_common(2)
        if len(counts) == 1:
            continue
        usual[name] = counts[0][0] if counts[0][1] > counts[1][1] else None
    return [
        replace(
            row,
            otherwise=tuple(
                f"{name} {_said(row.training[name])}" + (f" instead of {_said(value)}" if value is not None else "")
                for name, value in usual.items()
                if name in row.training and row.training[name] != value
            ),
        )
        for row in rows
    ]


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
