"""Rank and primary metric against budget as a sheet, and in words where the order changes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from benchmark.contracts.budget import WORDS
from benchmark.leaderboard.figures import DASH, NOTHING, rank_range, with_intervals
from benchmark.leaderboard.layout import Sheet
from benchmark.leaderboard.tables import Curve


def curve_sheet(curve: Curve) -> Sheet:
    """Rank and primary metric of each model at each budget, and where the order changes."""
    header, units = ["model"], [""]
    names = list(curve.rows)
    cells = [[name + (" †" if name in curve.free else "") for name in names]]
    arrow = {True: " ↑", False: " ↓", None: ""}[curve.primary.higher_is_better]
    points = [[curve.rows[name][place] for name in names] for place in range(len(curve.budgets))]
    for budget, column in zip(curve.budgets, points, strict=True):
        header.append(f"rank at {budget.label}")
        units.append("")
        cells.append([DASH if p.rank is None else f"{p.rank}{rank_range(p.rank_range)}" for p in column])
    scores = [p.score.interval if p.score else NOTHING for column in points for p in column]
    texts = with_intervals(scores, curve.primary.digits)
    for place, budget in enumerate(curve.budgets):
        header.append(f"{curve.primary.label}{arrow} at {budget.label}")
        units.append(curve.primary.unit)
        cells.append(texts[place * len(names) : (place + 1) * len(names)])
    return Sheet(
        heading=f"{curve.task}: rank and {curve.primary.label} against budget",
        about=f"budgets in {WORDS[curve.budgets[0].currency]}; each with a decay of its own",
        header=tuple(header),
        units=tuple(units),
        body=tuple(zip(*cells, strict=True)),
        problems=(),
        notes=tuple(curve_notes(curve)),
        keys=1,
    )


def curve_notes(curve: Curve) -> list[str]:
    """Where the order changes from one budget to the next, and what of it may be claimed."""
    notes = [
        "In brackets: the ranks that the tests over patients and seeds leave open. ±: half the 95 % interval of the "
        "mean over patients, each averaged over seeds."
    ]
    for before, after in itertools.pairwise(curve.budgets):
        turns = [turn for turn in curve.turns if turn.before == before]
        sure = [f"{turn.winner} passes {turn.loser}" for turn in turns if turn.claimed]
        maybe = [f"{turn.winner} passes {turn.loser}" for turn in turns if not turn.claimed]
        where = f"From {before.label} to {after.label}"
        if sure:
            notes.append(f"{where}: {_some(sure)}.")
        if maybe:
            notes.append(f"{where}, not beyond chance: {_some(maybe)}.")
        if not turns:
            notes.append(f"{where} the order stays the same.")
    if curve.free:
        notes.append("† uses no budget: the same at each.")
    return notes


def _some(texts: Sequence[str], most: int = 6) -> str:
    more = f"; and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more
