"""The small print under a table: what the numbers rest on, what is missing and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from benchmark.leaderboard.tables import ENOUGH_SEEDS, Column, Table
from benchmark.statistics.intervals import BCA_FROM
from benchmark.statistics.power import detectable_difference, patients_needed, smallest_p


def table_notes(table: Table, *, mixed_sources: bool) -> tuple[str, ...]:
    """All notes of a table. ``mixed_sources``: its rows were scored by different versions of the metrics."""
    notes = [
        *table.remarks,
        *_order(table),
        *_intervals(table),
        *_tests(table),
        *_seeds(table),
        *_trainings(table),
        *_missing(table),
    ]
    if mixed_sources:
        notes.append("Rows were scored by different versions of the metrics; the next 'benchmark run' mends it.")
    if len(table.hardware) > 1:
        notes.append("Times are not comparable: cells ran on different hardware or precision.")
    if any(row.baseline for row in table.rows):
        notes.append("† baseline")
    return tuple(notes)


def _order(table: Table) -> Iterator[str]:
    """What the order is by, and what may be claimed of it."""
    if not table.ranked_by:
        primary = next((column.label for column in table.columns if column.name == table.primary), table.primary)
        if any(row.rank for row in table.rows):
            yield f"Ranked by {primary}."
            yield f"{primary} has no values of patients to test with: the order is not tested."
        elif any(row.scores for row in table.rows):
            yield "Not ranked: no metric of this profile can rank."
        return
    labels = [column.label for column in table.columns if column.name in table.ranked_by]
    if len(labels) == 1:
        yield f"Ranked by mean {labels[0]}."
    else:
        yield f"Ranked by the mean of the ranks under {', '.join(labels[:-1])} and {labels[-1]}, each by the mean."
    ranked = [row for row in table.rows if row.rank is not None]
    if any(score.missing for row in ranked for name, score in row.scores.items() if name in table.ranked_by):
        yield (
            "Models with missing patients come after all that have none; in the tests a patient missing on one side "
            "is lost by that side."
        )


def _intervals(table: Table) -> Iterator[str]:
    counts = {
        row.scores[column.name].interval.n for row in table.rows if row.scores for column in _of_patients(table.columns)
    }
    if max(counts, default=0) > 1:
        method = "BCa bootstrap" if min(counts - {0, 1}, default=0) >= BCA_FROM else "Student's t"
        limit = "" if min(counts - {0, 1}, default=0) >= BCA_FROM else "; it covers less where few scores stick out"
        yield f"±: half the 95 % interval of the mean over patients ({method}{limit})."
    for column in table.columns:
        scores = [row.scores[column.name] for row in table.rows if row.scores and row.scores[column.name].known]
        if column.level != "distribution" or not scores:
            continue
        biases = [score.bias for score in scores if score.bias is not None and score.bias > score.interval.half_width]
        high = max(biases, default=0.0)
        yield (
            f"{column.label}: of all predictions against all targets; ± is the metric's own 95 % interval."
            + (f" Few images make it too high, by up to about {high:.2g}." if high > 0 else "")
        )


def _of_patients(columns: Sequence[Column]) -> list[Column]:
    return [column for column in columns if column.level != "distribution"]


def _tests(table: Table) -> Iterator[str]:
    """What ranks and ranges mean, and what so few patients can show."""
    pairs = len(table.comparisons)
    if table.stability is not None:
        tested = (
            f"paired Wilcoxon tests (exact, Holm over {pairs} pair{'s' if pairs > 1 else ''}, 5 %)" if pairs else ""
        )
        both = f"{table.stability.resamples} resamples of patients and seeds" + (f" or {tested}" if tested else "")
        starred = " *: not separated from the best." if pairs else ""
        yield f"In brackets: the ranks that {both} leave open.{starred}"
        yield (
            f"Kendall's tau of the order with that of resamples: median {table.stability.median:.2f} "
            f"({table.stability.low:.2f} to {table.stability.high:.2f})."
        )
    if not pairs:
        return
    patients = max(comparison.patients for comparison in table.comparisons)
    if smallest_p(patients, pairs) > 0.05:
        yield (
            f"{patients} patient{'' if patients == 1 else 's'} cannot separate any pair: the smallest possible p is "
            f"{smallest_p(patients):.2g}, after Holm {smallest_p(patients, pairs):.2g}; "
            f"{patients_needed(pairs)} patients could. Take the order as a tie."
        )
    primary = next((column for column in table.columns if column.name == table.primary), None)
    spreads = [comparison.difference.sd for comparison in table.comparisons if comparison.difference.sd > 0]
    if spreads and primary is not None and primary.name in table.ranked_by:
        smallest = detectable_difference(median(spreads), patients, alpha=0.05 / pairs)
        yield (
            f"Smallest detectable difference in {primary.label} (80 % power, strictest Holm step, median pair of "
            f"models): {smallest:.2g} {primary.unit}".rstrip()
            + "."
        )


def _seeds(table: Table) -> Iterator[str]:
    """Which models were trained too few times to know what chance does; baselines have little to do with it."""
    trained = [row for row in table.rows if row.seeds and not row.baseline]
    few = [row.name for row in trained if row.few_seeds]
    if not few:
        return
    if all(len(row.seeds) == 1 for row in trained):
        count = "Single seed"
    else:
        count = f"Fewer than {ENOUGH_SEEDS} seeds" + (f" ({', '.join(few)})" if len(few) < len(trained) else "")
    yield f"‡ {count}: what another seed would change is not in the intervals."


def _trainings(table: Table) -> Iterator[str]:
    """Trainings that look as if they had not worked; a baseline may well be the same image for everybody."""
    for row in table.rows:
        if row.findings and not row.baseline:
            found = "; ".join(
                f"{text} (seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))})"
                for text, seeds in row.findings.items()
            )
            yield f"Training of {row.name} looks wrong: {found}. 'benchmark explain' says more."


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
    unranked: dict[str, list[str]] = {}
    for row in table.rows:
        if row.unranked and table.ranked_by:
            unranked.setdefault(row.unranked, []).append(row.name)
    for reason, names in unranked.items():
        yield f"No rank for {', '.join(names)}: {reason}."
