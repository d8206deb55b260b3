"""Results in the formats of others: challengeR's CSV, Grand Challenge's ``metrics.json``, Hugging Face's results YAML.

Each function gives texts by the path of the file that they belong in, relative to a folder of the user's choice.
Uploading them is the user's act.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.contracts.specs import MetricSpec
from benchmark.data.format.schema import nature
from benchmark.errors import UsageError
from benchmark.leaderboard.collect import Group
from benchmark.leaderboard.export import plain_field
from benchmark.leaderboard.scores import Entry, columns, entries, patient_values
from benchmark.leaderboard.tables import Column, Leaderboard, Row, Table

FRAMEWORK = "medgan-benchmark"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z")


def challenger(groups: Sequence[Group], metrics: Mapping[str, MetricSpec]) -> dict[str, str]:
    """A CSV for each profile and metric of patients: ``Task, TestCase, Algorithm, MetricValue``.

    The file's name ends in ``small-better`` where challengeR's argument of that name has to be true. Values are
    means over seeds; a missing one is ``NA``, as challengeR demands it. It ranks, so metrics without a direction are
    not among them.
    """
    tables: dict[str, list[tuple[Any, ...]]] = {}
    for group, task in _named(groups):
        for entry, column in _patient_columns(group, metrics):
            if column.higher_is_better is None:
                continue
            direction = "large-better" if column.higher_is_better else "small-better"
            path = f"{_file_name(group.profile)}/{_file_name(column.name)}.{direction}.csv"
            values = patient_values(entry.values(group, column.name)).tolist()
            for patient, value in zip(group.patients, values, strict=True):
                tables.setdefault(path, []).append((task, patient, entry.name, _for_r(value)))
    return {path: _csv(rows) for path, rows in tables.items()}


def grand_challenge(groups: Sequence[Group], metrics: Mapping[str, MetricSpec]) -> dict[str, str]:
    """A ``metrics.json`` for each task and model: ``results`` by patient, ``aggregates`` by metric.

    A leaderboard there refers to a number as ``aggregates.psnr.mean``. What is undefined is null, and so is a mean
    over only some of the patients that others have values for: who leaves out the hard ones would gain by it, as in no
    table of ours. That mean is called ``mean_of_those``.
    """
    found = {}
    for group, task in _named(groups):
        by_entry: dict[str, tuple[Entry, dict[str, list[float]]]] = {}
        for entry, column in _patient_columns(group, metrics):
            values = patient_values(entry.values(group, column.name)).tolist()
            by_entry.setdefault(entry.name, (entry, {}))[1][column.name.replace(".", "_")] = values
        known: dict[str, Sequence[bool]] = {}
        for _, values in by_entry.values():
            for metric, of_metric in values.items():
                there = [not math.isnan(value) for value in of_metric]
                known[metric] = [any(pair) for pair in zip(there, known.get(metric, there), strict=True)]
        for name, (entry, values) in by_entry.items():
            results = [
                {"patient": patient, **{metric: _number(of_metric[place]) for metric, of_metric in values.items()}}
                for place, patient in enumerate(group.patients)
            ]
            text = {
                "task": task,
                "algorithm": name,
                "profile": group.profile,
                "content_sha256": group.dataset.content_sha256 if group.dataset else None,
                "simulated": group.dataset.simulated if group.dataset else None,
                "degraded": group.dataset is not None and group.dataset.degraded,
                "seeds": [cell.seed for cell in entry.done],
                "results": results,
                "aggregates": {metric: _aggregate(each, known[metric]) for metric, each in values.items()},
            }
            path = f"{_file_name(task)}/{_file_name(name)}/metrics.json"
            found[path] = json.dumps(text, indent=1, allow_nan=False) + "\n"
    return found


def hugging_face(board: Leaderboard, dataset: str) -> dict[str, str]:
    """A file of evaluation results for the model repository of each model, to be put into its ``.eval_results/``
    (read back by ``huggingface_hub.parse_eval_result_entries``).

    ``dataset`` is the Hub's id of the benchmark's data set; the ids of its tasks are ours, a dot, and the metric.

    Raises:
        UsageError: that is no such id.
    """
    if not HUB_ID.match(dataset):
        raise UsageError(f"{dataset!r} is not the id of a data set on the Hub; give --hub-dataset OWNER/NAME")
    texts: dict[str, list[str]] = {}
    for table in board.tables:
        for row in table.rows:
            path = f"{_file_name(row.name)}/.eval_results/{FRAMEWORK}.yaml"
            texts.setdefault(path, []).extend(_yaml(table, row, dataset))
    return {path: "".join(entries) for path, entries in texts.items() if entries}


def _yaml(table: Table, row: Row, dataset: str) -> Iterator[str]:
    """One list item a metric; strings as JSON has them, which YAML reads alike."""
    for column in table.columns:
        score = row.scores.get(column.name)
        if score is None or not score.known or score.failed:  # a mean over those handed in stands beside no other
            continue
        unit = f" [{column.unit}]" if column.unit else ""
        data = "data" if table.simulated is None else nature(table.simulated, table.degraded)
        low, high = score.interval.low, score.interval.high
        notes = (
            f"{FRAMEWORK}: {column.label}{unit}, mean over {score.interval.n} of {score.expected} patients, "
            f"seeds {', '.join(map(str, row.seeds))}, 95 % interval {low:g} to {high:g}; profile {table.profile}, "
            f"preset {table.preset}, {data} {table.content_sha256[:16]}"
        )
        yield (
            f"- dataset:\n    id: {_quoted(dataset)}\n    task_id: {_quoted(f'{table.task}.{column.name}')}\n"
            f"  value: {score.interval.mean!r}\n  notes: {_quoted(notes)}\n"
        )


def _quoted(text: str) -> str:
    return json.dumps("".join(char if char.isprintable() else " " for char in text), ensure_ascii=False)


def _named(groups: Sequence[Group]) -> Iterator[tuple[Group, str]]:
    """Groups that have scores, with a name for each: the task, and what tells it from others of that task."""
    scored = [group for group in groups if group.patients]
    for group in scored:
        same = [other for other in scored if (other.task, other.profile) == (group.task, group.profile)]
        number = f" {same.index(group) + 1}" if len(same) > 1 else ""
        profiles = {other.profile for other in scored if other.task == group.task}
        yield group, f"{group.task}{number}" + (f" {group.profile}" if len(profiles) > 1 else "")


def _patient_columns(group: Group, metrics: Mapping[str, MetricSpec]) -> Iterator[tuple[Entry, Column]]:
    """Entries and the metrics that they have values of patients for."""
    listed = columns(group, metrics, str(group.definition.get("unit", "")))
    for entry in sorted(entries(group), key=lambda entry: entry.name):
        for column in listed:
            if column.level != "distribution" and len(entry.values(group, column.name)):
                yield entry, column


def _aggregate(values: Sequence[float], known: Sequence[bool]) -> dict[str, float | int | None]:
    """Of the values of patients; ``known``: of which patients anybody has a value."""
    finite = np.array([value for value in values if math.isfinite(value)])
    missing = sum(math.isnan(value) and there for value, there in zip(values, known, strict=True))
    counts = {"count": len(finite), "missing": missing}
    if not len(finite):
        return {"mean": None, **counts}
    low, middle, high = np.quantile(finite, [0.25, 0.5, 0.75]).tolist()
    mean = math.fsum(finite) / len(finite)
    return {
        "mean": None if missing else mean,
        "mean_of_those": mean,
        "std": float(finite.std(ddof=1)) if len(finite) > 1 else None,
        "min": float(finite.min()),
        "25pc": low,
        "50pc": middle,
        "75pc": high,
        "max": float(finite.max()),
        **counts,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _for_r(value: float) -> float | str:
    return "NA" if math.isnan(value) else "Inf" if math.isinf(value) else value


def _csv(rows: Sequence[tuple[Any, ...]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("Task", "TestCase", "Algorithm", "MetricValue"))
    writer.writerows([plain_field(value) for value in row] for row in rows)
    return stream.getvalue()


def _file_name(name: str) -> str:
    """A name that is safe as one part of a path; where that changes it, a piece of its hash keeps it apart."""
    safe = re.sub(r"[^\w-]|^[.-]", "-", name.replace(".", "-"), flags=re.ASCII)
    changed = safe != name and re.sub(r"[/. ]", "-", name) != safe
    return f"{safe[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}" if changed or len(safe) > 80 else safe
