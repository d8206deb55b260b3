"""Runs as data frames, for notebooks and scripts. pandas is imported when a frame is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmark.scoring.rows import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from benchmark.store.record import Record

CATEGORIES = ("task", "patient", "study", "model", "profile", "metric", "state")
"""Columns of few different texts."""


def scores_frame(files: Iterable[Path]) -> pd.DataFrame:
    """The long tables of cells, one after the other: a row for each slice or study and number.

    ``slice`` and ``seed`` are nullable whole numbers, ``value`` is a float, all else is categorical.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in files]
    frame = pa.concat_tables(tables).to_pandas() if tables else pd.DataFrame(columns=list(COLUMNS))
    kinds = dict.fromkeys(CATEGORIES, "category") | {"slice": "Int32", "seed": "Int32", "value": "float64"}
    return frame.astype(kinds)


def cells_frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row a cell: what it is, its state, costs, and the mean of each metric in a column ``mean: METRIC``."""
    import pandas as pd

    rows = [
        {
            "id": record.id,
            "task": record.task,
            "model": record.name,
            "seed": record.seed,
            "budget": record.spec.budget.amount if record.spec.budget else None,
            "budget_in": record.spec.budget.currency if record.spec.budget else None,
            "preset": record.spec.preset,
            "state": record.state,
            "reason": record.reason,
            "kind": record.kind,
            "baseline": record.baseline,
            "profile": record.profile,
            "simulated": record.dataset.simulated if record.dataset is not None else None,
            "steps": record.training.steps if record.training is not None else None,
            "train_s": record.timings.train_s,
            "inference_ms_per_slice": record.timings.inference_ms_per_slice,
            "peak_memory_mb": record.peak_memory_mb,
            **{f"mean: {name}": score.mean for name, score in record.scores.items() if score.scored},
        }
        for record in records
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({name: "category" for name in ("task", "model", "preset", "state", "kind") if name in frame})
