"""Did the training work? Loss terms that died or exploded, outputs that ignore their source, errors that stay put.

Read off a cell's log and stored predictions, without knowing the model. Findings are hints for people: they change
no score and fail no cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.cell.fixed_errors import fixed_error
from benchmark.store.predictions import PredictionsReader
from benchmark.store.record import Finding

if TYPE_CHECKING:
    from benchmark.data.format.reader import Dataset

ENOUGH = 8
"""Log lines below which nothing is said."""
NOTHING = 1e-6
SURE = 1e-3
"""A discriminator whose loss stays under this has won: what it still tells its generator is rounding."""
GROWTH = 20.0
"""A term exploded if it ends at this many times its size in the first quarter of the training."""
SHARE = 0.01
"""Terms that begin under this share of the whole loss are measured against that share."""
VARIATION = 0.01
"""Outputs vary too little if a pixel's deviation over slices is under this share of the deviation of all pixels."""
SLICES = 64


def loss_findings(log: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Dead and exploding terms of a training log (lines with ``step`` and ``losses``), by name.

    Dead: zero in the whole second half; for a term with ``discriminator`` in its name, under 1e-3 there.
    Exploding: the median of the last quarter is more than 20 times that of the first.
    """
    lines = [line for line in log if "losses" in line]
    if len(lines) < ENOUGH:
        return []
    last = lines[-1]["step"]
    first_quarter = [line["losses"] for line in lines if line["step"] <= last / 4] or [lines[0]["losses"]]
    last_quarter = [line["losses"] for line in lines if line["step"] > last * 3 / 4]
    second_half = [line["losses"] for line in lines if line["step"] > last / 2]
    whole = median(sum(abs(value) for value in losses.values()) for losses in first_quarter)
    found = []
    for term in sorted({name for losses in second_half for name in losses}):
        largest = max(_sizes(second_half, term))
        if largest < (SURE if "discriminator" in term else NOTHING):
            found.append(Finding(term, "dead", f"at most {largest:.2g} in the second half of the training"))
            continue
        began = max(median(_sizes(first_quarter, term) or [0.0]), SHARE * whole)
        ended = median(_sizes(last_quarter, term) or [0.0])
        if began > 0 and ended > GROWTH * began:
            found.append(Finding(term, "exploding", f"{ended:.3g} in the last quarter after {began:.3g} in the first"))
    return found


def _sizes(lines: Sequence[Mapping[str, float]], term: str) -> list[float]:
    return [abs(losses[term]) for losses in lines if term in losses]


def output_findings(predictions: PredictionsReader, dataset: Dataset | None = None) -> list[Finding]:
    """Whether stored translations are nearly the same image whatever the source; with the data set that they are of,
    also whether part of their error stays at one place (:mod:`benchmark.cell.fixed_errors`).
    """
    same = _same_image(predictions)
    if same or dataset is None:
        return same
    stays = fixed_error(predictions, dataset)
    return [Finding("output", "fixed", stays)] if stays else []


def _same_image(predictions: PredictionsReader) -> list[Finding]:
    """At most 64 slices, spread evenly over the cases, are looked at."""
    slices = [(key, row) for key in predictions.keys for row in range(predictions.count(key))]
    step = max(1, math.ceil(len(slices) / SLICES))
    chosen = [predictions.image(key, row).astype(np.float64) for key, row in slices[::step]]
    if len(chosen) < 2:
        return []
    images = np.stack(chosen)
    over_slices = float(np.sqrt(images.var(axis=0).mean()))
    overall = float(images.std())
    if over_slices >= VARIATION * overall and overall > 0:
        return []
    return [
        Finding(
            "output",
            "constant",
            f"a pixel varies by {over_slices:.3g} over {len(chosen)} slices, all pixels together by {overall:.3g}",
        )
    ]
