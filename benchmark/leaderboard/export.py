"""Leaderboards for programs: rows as data frame, CSV and JSON, the same in each; in JSON all the rest beside them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmark.leaderboard.tables import Column, Leaderboard, Row, Score, Table

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2
CSV_COLUMNS = (
    "task", "dataset", "content_sha256", "simulated", "degraded", "profile", "preset", "model", "baseline", "state",
    "reason", "metric", "level", "unit", "higher_is_better", "primary", "ranks", "mean", "low95", "high95", "median",
    "patients", "patients_expected", "patients_failed", "patients_infinite", "seeds", "seed_sd", "best", "rank",
    "mean_rank", "rank_low", "rank_high", "tier", "parameters", "train_s", "inference_ms_per_slice", "peak_memory_mb",
    "capacity", "compute", "seeded", "budget", "budget_in", "steps", "updates", "flops", "trials", "split",
)  # fmt: skip


def to_csv(board: Leaderboard) -> str:
    """One row for each task, model and metric, and one for each cell that is not done or cannot be read.

    Text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for values in _rows(board):
        writer.writerow({name: plain_field(value) for name, value in values.items()})
    for cell in board.unreadable:
        writer.writerow({"state": "unreadable", "reason": plain_field(f"cell {cell.cell}: {cell.reason}")})
    return stream.getvalue()


def to_frame(board: Leaderboard) -> pd.DataFrame:
    """The same as a data frame, without the cells that cannot be read; imports pandas."""
    import pandas as pd

    frame = pd.DataFrame(list(_rows(board)), columns=list(CSV_COLUMNS))
    return frame.astype(dict.fromkeys(("task", "dataset", "profile", "preset", "model", "metric"), "category"))


def _rows(board: Leaderboard) -> Iterator[dict[str, Any]]:
    for table in board.tables:
        for row in table.rows:
            yield from _records(table, row)


def _records(table: Table, row: Row) -> Iterator[dict[str, Any]]:
    common = {
        "task": table.task,
        "dataset": table.dataset,
        "content_sha256": table.content_sha256,
        "simulated": table.simulated,
        "degraded": table.degraded,
        "profile": table.profile,
        "preset": table.preset,
        "model": row.name,
        "baseline": row.baseline,
        "budget": table.budget.amount if table.budget else None,
        "budget_in": table.budget.currency if table.budget else "",
        "split": table.split,
    }
    low, high = row.rank_range or (None, None)
    placed = {
        "rank": row.rank,
        "mean_rank": row.mean_rank,
        "rank_low": low,
        "rank_high": high,
        "tier": row.tier,
        "parameters": row.parameters,
        "train_s": row.train_s,
        "inference_ms_per_slice": row.inference_ms,
        "peak_memory_mb": row.peak_memory_mb,
        "capacity": row.capacity,
        "compute": row.compute,
        "seeded": row.seeded,
        "steps": row.steps,
        "updates": row.updates,
        "flops": row.flops,
        "trials": row.trials,
    }
    for column in table.columns if row.scores else ():
        marks = {"primary": column.name == table.primary, "ranks": column.name in table.ranked_by}
        best = {"best": row.best.get(column.name, "")}
        yield common | _score(column, row.scores[column.name], row) | marks | best | placed
    measures = table.downstream
    for column in measures.columns if measures and row.name in measures.rows else ():
        score = measures.rows[row.name][column.name]  # type: ignore[union-attr]  # else there are no columns
        yield common | _score(column, score, row) | {"primary": False, "ranks": False}
    for problem in row.problems:
        reason = f"seed {problem.seed}: {problem.reason}" if problem.reason else f"seed {problem.seed}"
        yield common | {"state": problem.state, "reason": reason}


def _score(column: Column, score: Score, row: Row) -> dict[str, Any]:
    """What is known of one metric of a row that has scores."""
    return {
        "state": "done",
        "reason": score.reason,
        "metric": column.name,
        "level": column.level,
        "unit": column.unit,
        "higher_is_better": column.higher_is_better,
        "mean": score.interval.mean,
        "low95": score.interval.low,
        "high95": score.interval.high,
        "median": score.median,
        "patients": score.interval.n,
        "patients_expected": score.expected,
        "patients_failed": score.failed,
        "patients_infinite": score.perfect,
        "seeds": len(row.seeds),
        "seed_sd": score.seed_sd,
    }


def plain_field(value: Any) -> Any:
    """A value for a CSV: no control characters, nothing that a spreadsheet takes for a formula, no NaN."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return spreadsheet_safe(value) if isinstance(value, str) else value


def spreadsheet_safe(text: str) -> str:
    """Text without control characters; what a spreadsheet would take for a formula is preceded by an apostrophe."""
    text = "".join(char if char.isprintable() else " " for char in text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def to_json(board: Leaderboard) -> str:
    """The rows of the data frame, and all that a row cannot hold: comparisons, notes, curves.

    What is undefined is null; no NaN or infinity is written.
    """
    rows = [{name: values.get(name) for name in CSV_COLUMNS} for values in _rows(board)]
    about = {"schema": SCHEMA, "note": "null: undefined, unknown or not applicable"}
    return json.dumps({**about, "rows": _plain(rows), **_plain(board)}, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Dataclasses to mappings, tuples to lists, NaN and infinities to null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
