"""The long table of a cell, ``scores.parquet``: one row for each slice or study and number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark import atomic

COLUMNS = ("task", "patient", "study", "slice", "model", "seed", "profile", "metric", "value", "state")

Rows = list[dict[str, Any]]


def write_rows(path: Path, rows: Rows) -> None:
    """Store the long table as Parquet, atomically; slice is null for volumes, patient for the whole split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"value": pa.float64(), "slice": pa.int32(), "seed": pa.int32()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    table = pa.Table.from_pylist(rows, schema=schema)
    atomic.write_with(path, lambda temporary: pq.write_table(table, temporary))
