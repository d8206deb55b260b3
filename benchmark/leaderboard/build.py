"""From records to tables: group what may be compared, average seeds by patient, rank, say what it rests on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from benchmark.leaderboard.notes import table_notes
from benchmark.leaderboard.overall import over_tables
from benchmark.leaderboard.published import reproductions
from benchmark.leaderboard.tables import Column, Leaderboard, Problem, Row, Score, Table
from benchmark.specs import MetricSpec, TaskSpec
from benchmark.statistics.intervals import Interval, patient_means, t_interval
from benchmark.statistics.paired import Comparison, compare_all
from benchmark.statistics.ranks import competition_ranks, rank_ranges, separated, tiers

Record = Mapping[str, Any]


def build(
    records: Iterable[Record],
    metrics: Mapping[str, MetricSpec],
    tasks: Mapping[str, TaskSpec] | None = None,
    published: Sequence[Mapping[str, Any]] = (),
) -> Leaderboard:
    """Leaderboards of a run from its cells' records, in whatever order they come.

    ``metrics`` gives label, unit and direction; ``tasks``, where given, the modalities for the headings;
    ``published`` the tables of ``run.json`` that are printed beside ours.
    """
    ordered = sorted(records, key=lambda r: (r["task"], r["name"], r["seed"], r["id"]))
    current = [record for record in ordered if record["state"] != "stale"]
    tables = tuple(_table(group, metrics, (tasks or {}).get(group[0]["task"])) for group in _comparable(current))
    tables = tuple(replace(table, published=reproductions(table, published)) for table in tables)
    stale = len(ordered) - len(current)
    cells = "cell is" if stale == 1 else "cells are"
    notes = (f"{stale} stale {cells} left out; 'benchmark status' shows them.",) if stale else ()
    return Leaderboard(tables, over_tables(tables), notes)


def _comparable(records: Sequence[Record]) -> list[list[Record]]:
    """Groups of records that may share a table: task, data, profile definition and preset agree.

    A cell without scores does not know all of these; it joins the largest group of its task, preset and profile.
    """
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        if record["state"] == "done":
            groups.setdefault(_claim(record), []).append(record)
    for record in records:
        if record["state"] == "done":
            continue
        near = [key for key in groups if key[:3] == _place(record)]
        key = max(near, key=lambda k: (len(groups[k]), k)) if near else (*_place(record), "", "")
        groups.setdefault(key, []).append(record)
    return [groups[key] for key in sorted(groups)]


def _place(record: Record) -> tuple[str, str, str]:
    return record["task"], record["preset"], str(record["profile"]).partition("/")[0]


def _claim(record: Record) -> tuple[str, ...]:
    definition = json.dumps(record["profile_definition"], sort_keys=True)
    return (*_place(record), record["dataset"]["content_sha256"], definition)


def _table(records: Sequence[Record], metrics: Mapping[str, MetricSpec], task: TaskSpec | None) -> Table:
    done = [record for record in records if record["state"] == "done"]
    first = done[0] if done else records[0]
    definition = first.get("profile_definition", {})
    unit = definition.get("unit", task.target_unit if task else "")
    columns = _columns(done, definition, metrics, unit)
    primary = definition.get("primary", columns[0].name if columns else "")
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record["name"], []).append(record)
    rows = [_row(cells, columns) for cells in by_name.values()]
    direction = next((column.higher_is_better for column in columns if column.name == primary), None)
    comparisons: list[Comparison] = []
    if direction is not None:
        patients = {
            name: patient_means(tables)
            for name, cells in by_name.items()
            if (tables := _patient_tables(cells, primary))
        }
        comparisons = compare_all({name: values for name, values in patients.items() if values})
        rows = _ranked(rows, primary, direction, comparisons)
    table = Table(
        task=first["task"],
        title=f"{task.source_modality} to {task.target_modality}" if task else "",
        dataset=first.get("dataset", {}).get("name", ""),
        content_sha256=first.get("dataset", {}).get("content_sha256", ""),
        simulated=first.get("dataset", {}).get("simulated"),
        profile=str(first["profile"]),
        preset=first["preset"],
        patients=max((score.expected for row in rows for score in row.scores.values()), default=0),
        hardware=tuple(sorted({f"{record['device']} {record['precision']}" for record in done})),
        primary=primary,
        columns=columns,
        rows=tuple(rows),
        comparisons=tuple(comparisons),
        notes=(),
    )
    score_keys = {record.get("score_key") for record in done}
    return replace(table, notes=table_notes(table, mixed_sources=len(score_keys) > 1))


def _columns(
    done: Sequence[Record], definition: Mapping[str, Any], metrics: Mapping[str, MetricSpec], unit: str
) -> tuple[Column, ...]:
    """The profile's metrics, the primary one first."""
    names = list(dict.fromkeys(name for record in done for name in record["scores"]))
    listed = [use["metric"] for use in definition.get("metrics", ())]
    order = {name: place for place, name in enumerate(dict.fromkeys([definition.get("primary"), *listed]))}
    names.sort(key=lambda name: (order.get(name, len(order)), name))
    columns = []
    for name in names:
        spec = metrics.get(name)
        if spec is None:
            columns.append(Column(name, name, "", None, 4, described=False))
        else:
            scored = {"target": unit, "target^2": f"{unit}²" if unit else ""}.get(spec.unit, spec.unit)
            stated = (record["scores"].get(name, {}).get("unit") for record in done)
            shown = next((each for each in stated if each is not None), scored)
            columns.append(Column(name, spec.label, shown, spec.higher_is_better, spec.digits))
    return tuple(columns)


def _row(cells: Sequence[Record], columns: Sequence[Column]) -> Row:
    """One model: all its seeds."""
    done = _done(cells)
    timings = [cell.get("timings", {}) for cell in done]
    networks: Mapping[str, int] = next((cell["parameters"] for cell in done if cell.get("parameters")), {})
    generators = [weights for name, weights in networks.items() if name.startswith("generator")]
    memory = [cell["peak_memory_mb"] for cell in done if cell.get("peak_memory_mb") is not None]
    return Row(
        name=cells[0]["name"],
        model=cells[0]["model"],
        baseline=bool(cells[0].get("baseline")),
        seeds=tuple(cell["seed"] for cell in done),
        scores={column.name: _score(done, column.name) for column in columns} if done else {},
        problems=tuple(
            Problem(cell["seed"], cell["state"], str(cell.get("reason", "")))
            for cell in cells
            if cell["state"] != "done"
        ),
        parameters=sum(generators) if generators else None,
        train_s=_mean([timing.get("train_s") for timing in timings]),
        inference_ms=_mean([timing.get("inference_ms_per_slice") for timing in timings]),
        peak_memory_mb=max(memory) if memory else None,
    )


def _done(cells: Sequence[Record]) -> list[Record]:
    """The done cells by seed, one for each."""
    by_seed: dict[int, Record] = {}
    for cell in cells:
        if cell["state"] == "done":
            by_seed.setdefault(cell["seed"], cell)
    return [by_seed[seed] for seed in sorted(by_seed)]


def _patient_tables(cells: Sequence[Record], metric: str) -> list[Mapping[str, float | None]]:
    """Patient values of one metric, a table for each seed that has any."""
    scores = [cell["scores"].get(metric, {}) for cell in _done(cells)]
    return [score["patients"] for score in scores if score.get("state") == "scored"]


def _score(done: Sequence[Record], metric: str) -> Score:
    reasons = [
        score.get("reason", "not scored")
        for cell in done
        if (score := cell["scores"].get(metric, {"reason": "not scored"})).get("state") != "scored"
    ]
    scored = [score for cell in done if (score := cell["scores"].get(metric, {})).get("state") == "scored"]
    if any(score.get("level") == "distribution" for score in scored):
        return _score_of_sets(scored, reasons)
    tables = _patient_tables(done, metric)
    values = patient_means(tables)
    expected = max((len(table) for table in tables), default=0)
    means = [fmean(per_seed.values()) for table in tables if (per_seed := patient_means([table]))]
    infinite = {patient for cell in done for patient in cell["scores"].get(metric, {}).get("infinite", ())}
    if infinite:
        reasons.append(f"perfect on {len(infinite)} of {expected} patients, who are left out of the mean")
    elif tables and len(values) < expected:
        reasons.append(f"undefined on {expected - len(values)} of {expected} patients")
    return Score(
        interval=t_interval(values.values()),
        expected=expected,
        seed_sd=stdev(means) if len(means) > 1 else math.nan,
        reason="; ".join(dict.fromkeys(reasons)),
    )


def _score_of_sets(scored: Sequence[Record], reasons: Sequence[str]) -> Score:
    """The mean over seeds. Seeds share their patients, so their intervals are averaged and get no narrower."""
    known = [score for score in scored if score["mean"] is not None]
    limits = [score["interval"] for score in known]
    low, high = (
        fmean(each[side] for each in limits) if limits and all(each[side] is not None for each in limits) else math.nan
        for side in (0, 1)
    )
    means = [score["mean"] for score in known]
    expected = max((score["n_expected"] for score in scored), default=0)
    return Score(
        interval=Interval(fmean(means) if means else math.nan, low, high, expected if means else 0),
        expected=expected,
        seed_sd=stdev(means) if len(means) > 1 else math.nan,
        reason="; ".join(dict.fromkeys([*reasons, *(["undefined"] if len(known) < len(scored) else [])])),
        of_set=True,
        bias=_mean([score.get("bias") for score in known]),
    )


def _ranked(rows: Sequence[Row], primary: str, higher_is_better: bool, comparisons: Sequence[Comparison]) -> list[Row]:
    """Rows with ranks, best first; then those that cannot be ranked, by name."""
    means = {
        row.name: row.scores[primary].interval.mean
        for row in rows
        if primary in row.scores and row.scores[primary].known
    }
    ranks = competition_ranks(means, higher_is_better=higher_is_better)
    apart = separated(comparisons)
    ranges = rank_ranges(means, apart, higher_is_better=higher_is_better)
    letters = tiers(sorted(means, key=lambda name: (ranks[name], name)), apart)
    ranked = [
        replace(row, rank=ranks[row.name], rank_range=ranges[row.name], tier=letters[row.name])
        if row.name in means
        else row
        for row in rows
    ]
    return sorted(ranked, key=lambda row: (row.rank or math.inf, row.name))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
