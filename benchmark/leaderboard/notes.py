"""The small print under a table: what the numbers rest on, what is missing and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from benchmark.leaderboard.tables import ENOUGH_SEEDS, MOST_TESTED, Column, Row, Table
from benchmark.statistics.claims import ALPHA, level_of
from benchmark.statistics.intervals import BCA_FROM
from benchmark.statistics.power import (
    detectable_difference,
    detectable_over_seeds,
    patients_needed,
    smallest_claim,
    smallest_p,
)


def table_notes(table: Table, *, mixed_sources: bool) -> tuple[str, ...]:
    """All notes of a table. ``mixed_sources``: its rows were scored by different versions of the metrics."""
    notes = [
        *table.remarks,
        *_order(table),
        *([table.disagreement] if table.disagreement else []),
        *_intervals(table),
        *_tests(table),
        *_seeds(table),
        *_unmatched(table),
        *_otherwise(table),
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
        primary = column.label if (column := table.primary_column) else table.primary
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
        yield f"Ranked by leads two by two under {', '.join(labels[:-1])} and {labels[-1]}, each by the mean."
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
    """What ranks and ranges mean, and what so few patients and seeds can show."""
    ranked = [row for row in table.rows if row.rank is not None]
    if len(ranked) > MOST_TESTED:
        yield f"{len(ranked)} models: ordered by mean rank and not tested (tables of up to {MOST_TESTED} are)."
    if table.stability is not None:
        yield (
            f"Kendall's tau of the order with that of {table.stability.resamples} resamples of patients and seeds: "
            f"median {table.stability.median:.2f} ({table.stability.low:.2f} to {table.stability.high:.2f})."
        )
    pairs = len(table.comparisons)
    if not pairs:
        return
    yield (
        "In brackets: the ranks that tests over patients and seeds leave open (exact paired and permutation tests, "
        f"closed over all {pairs} pair{'s' if pairs > 1 else ''}, 5 % for all of them together). *: not separated "
        "from the best."
    )
    patients = max(comparison.patients for comparison in table.comparisons)
    if smallest_claim(patients, len(ranked)) > ALPHA:
        yield (
            f"{patients} patient{'' if patients == 1 else 's'} cannot separate any pair: the smallest possible p is "
            f"{smallest_p(patients):.2g}, with {len(ranked)} models {smallest_claim(patients, len(ranked)):.2g}; "
            f"{patients_needed(len(ranked))} patients could. Take the order as a tie."
        )
    yield from _detectable(table, ranked, patients)


def _detectable(table: Table, ranked: Sequence[Row], patients: int) -> Iterator[str]:
    """How small a difference can be and still be found, over patients and over seeds."""
    primary = table.primary_column
    spreads = [comparison.difference.sd for comparison in table.comparisons if comparison.difference.sd > 0]
    if not spreads or primary is None or primary.name not in table.ranked_by:
        return
    level = level_of(2, len(ranked))
    smallest = detectable_difference(median(spreads), patients, alpha=level)
    trained = [row for row in ranked if row.seeded]
    seeds, freedom, sd = _of_seeds(trained, primary.name)
    about = "80 % power, median pair of models"
    if len(trained) > 1:
        if not freedom:
            return
        smallest = math.hypot(smallest, detectable_over_seeds(sd, seeds, freedom, alpha=level))
        about += f", {seeds} seed{'s' if seeds > 1 else ''}"
    yield f"Smallest detectable difference in {primary.label} ({about}): {smallest:.2g} {primary.unit}".rstrip() + "."


def _of_seeds(trained: Sequence[Row], metric: str) -> tuple[int, int, float]:
    """Fewest seeds of a trained model, degrees of freedom and standard deviation of single seeds, pooled."""
    known = [(row.scores[metric].seed_sd, len(row.seeds) - 1) for row in trained]
    known = [(sd, freedom) for sd, freedom in known if not math.isnan(sd)]
    freedom = sum(each for _, each in known)
    variance = sum(sd**2 * each for sd, each in known) / freedom if freedom else math.nan
    return min((len(row.seeds) for row in trained), default=0), freedom, math.sqrt(variance)


def _seeds(table: Table) -> Iterator[str]:
    """Which models were trained too few times to know what chance does; fixed and fitted ones have no seed."""
    if any(row.submitted and not row.seeded for row in table.rows):
        yield (
            "Predictions made elsewhere are judged as handed in; what another training of the same method would give "
            "is not known."
        )
    trained = [row for row in table.rows if row.seeds and row.seeded]
    few = [row.name for row in trained if row.few_seeds]
    if not few:
        return
    if all(len(row.seeds) == 1 for row in trained):
        yield (
            "‡ Single seed: another training may turn any of it round, so no trained model is separated from another "
            "or from a baseline; run it with --seeds 3 or more."
        )
        return
    count = f"Fewer than {ENOUGH_SEEDS} seeds" + (f" ({', '.join(few)})" if len(few) < len(trained) else "")
    yield f"‡ {count}: what another training changes is known from few; --seeds {ENOUGH_SEEDS} or more separates more."
    if len({row.seeds for row in trained}) > 1:
        yield "Models were trained with different seeds; each counts with as many as it has."


def _unmatched(table: Table) -> Iterator[str]:
    """What the multiples beside weights and times mean: times themselves depend on what else a machine did."""
    if any(row.capacity or row.compute for row in table.rows):
        yield (
            "(6x): so many times the weights, or floating-point operations in training, of the median trained model. "
            "Such a rank is of means as much as of method; '--grid matched' gives all generators the same capacity."
        )


def _otherwise(table: Table) -> Iterator[str]:
    """Rows with a recipe of their own."""
    rows = [row for row in table.rows if row.otherwise]
    if rows:
        named = (f"{row.name} ({', '.join(row.otherwise)})" for row in rows)
        yield f"§ Trained otherwise than the rest: {'; '.join(named)}."


def _trainings(table: Table) -> Iterator[str]:
    """Trainings and predictions that look as if they had not worked; a baseline may well be one image for everybody."""
    for row in table.rows:
        if row.findings and not row.baseline:
            found = "; ".join(
                f"{text} (seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))})"
                for text, seeds in row.findings.items()
            )
            if row.submitted:
                yield f"{row.name}: {', '.join(row.findings)}. 'benchmark explain' says more."
            else:
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
