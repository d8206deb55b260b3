"""The small print under a table: what the numbers rest on, what is missing and why."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmark.leaderboard.tables import Table
from benchmark.statistics.intervals import detectable_difference
from benchmark.statistics.paired import patients_needed, smallest_p

ENOUGH_SEEDS = 3


def table_notes(table: Table, *, mixed_sources: bool) -> tuple[str, ...]:
    """All notes of a table. ``mixed_sources``: its rows were scored by different versions of the metrics."""
    notes = [*_tests(table), *_sets(table), *_seeds(table), *_missing(table)]
    if mixed_sources:
        notes.append("Rows were scored by different versions of the metrics; the next 'benchmark run' mends it.")
    if len(table.hardware) > 1:
        notes.append("Times are not comparable: cells ran on different hardware or precision.")
    if any(row.baseline for row in table.rows):
        notes.append("† baseline")
    return tuple(notes)


def _tests(table: Table) -> Iterator[str]:
    """What ranks and ranges mean, and what so few patients can show."""
    pairs = len(table.comparisons)
    ranked = [row for row in table.rows if row.rank is not None]
    if not ranked:
        return
    label = next(column.label for column in table.columns if column.name == table.primary)
    unit = next(column.unit for column in table.columns if column.name == table.primary)
    of_set = any(row.scores[table.primary].of_set for row in ranked)
    yield f"Ranked by {'' if of_set else 'mean '}{label}. ±: 95 % interval of the mean over patients (Student's t)."
    if of_set:
        yield f"{label} has no values of patients to test with: the order is not tested."
    if not pairs:
        return
    patients = max(comparison.patients for comparison in table.comparisons)
    yield (
        f"In brackets: the ranks that paired Wilcoxon tests (exact, Holm over {pairs} pair{'s' if pairs > 1 else ''}, "
        "5 %) leave open. *: not separated from the best."
    )
    if smallest_p(patients, pairs) > 0.05:
        yield (
            f"{patients} patient{'' if patients == 1 else 's'} cannot separate any pair: the smallest possible p is "
            f"{smallest_p(patients):.2g}, after Holm {smallest_p(patients, pairs):.2g}; "
            f"{patients_needed(pairs)} patients could. Take the order as a tie."
        )
    spreads = [comparison.sd for comparison in table.comparisons if comparison.sd > 0]
    if spreads:
        smallest = detectable_difference(median(spreads), patients, alpha=0.05 / pairs)
        yield (
            f"Smallest detectable difference (80 % power, strictest Holm step, median pair of models): "
            f"{smallest:.2g} {unit}".rstrip()
            + "."
        )


def _sets(table: Table) -> Iterator[str]:
    """Which columns are about all images at once, and how much too high they are for having few, if that matters."""
    for column in table.columns:
        scores = [row.scores[column.name] for row in table.rows if row.scores and row.scores[column.name].of_set]
        if not scores:
            continue
        biases = [score.bias for score in scores if score.bias is not None and score.bias > score.interval.half_width]
        high = max(biases, default=0.0)
        yield (
            f"{column.label}: of all predictions against all targets; ± is the metric's own 95 % interval."
            + (f" Few images make it too high, by up to about {high:.2g}." if high > 0 else "")
        )


def _seeds(table: Table) -> Iterator[str]:
    """Which models were trained too few times to know what chance does; baselines have little to do with it."""
    trained = [row for row in table.rows if row.seeds and not row.baseline]
    few = [row.name for row in trained if len(row.seeds) < ENOUGH_SEEDS]
    if not few:
        return
    if all(len(row.seeds) == 1 for row in trained):
        count = "Single seed"
    else:
        count = f"Fewer than {ENOUGH_SEEDS} seeds" + (f" ({', '.join(few)})" if len(few) < len(trained) else "")
    yield f"{count}: what another seed would change is not in the intervals."


def _missing(table: Table) -> Iterator[str]:
    """Scores that are not there, grouped by reason: once for a column where all models share it."""
    for column in table.columns:
        reasons: dict[str, list[str]] = {}
        for row in table.rows:
            if row.scores and (reason := row.scores[column.name].reason):
                reasons.setdefault(reason, []).append(row.name)
        scored = sum(bool(row.scores) for row in table.rows)
        for reason, names in reasons.items():
            whose = "" if len(names) == scored else f" of {', '.join(names)}"
            yield f"{column.label}{whose}: {reason}"
        if not column.described:
            yield f"{column.label}: no installed plugin describes this metric"
