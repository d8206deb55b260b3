"""How many of a run's claims other seeds take back: tables of some of its seeds, held against tables of the others.

    python tests/performance/survival.py RUN [--size 3] [--splits 20]

A claim is a pair of models that a table separates, a rank bracket, a missing mark, a pair of the overall table. Against
the other seeds it is *kept* (claimed again), *upheld* (not claimed there, and the order is the same), *reversed* (the
order is the other way round) or *contradicted* (the reverse is claimed). The first line is of seeds 0 to SIZE - 1
against the next as many; the second adds up all other ways of halving the first 2 SIZE seeds, which share patients and
so say less than their number. Reads the records of a finished run; trains nothing.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from benchmark import leaderboard
from benchmark.errors import UsageError
from benchmark.leaderboard.ranking import separated
from benchmark.leaderboard.tables import Leaderboard, Table
from benchmark.registry.plugins import registry
from benchmark.statistics.claims import ALPHA
from benchmark.store.folder import RunFolder
from benchmark.store.record import Record

FATES = ("claims", "kept", "upheld", "reversed", "contradicted")
KINDS = ("pairs", "brackets", "marks", "pairs over all")
Order = dict[str, int]
Pair = tuple[str, str]
"""The better one first."""


def with_seeds(records: Collection[Record], seeds: Collection[int]) -> Leaderboard:
    """The leaderboard of a run that had been started with these seeds; what has no seed is in all of them."""
    specs = {kind: {name: offer.spec for name, offer in registry().all(kind).items()} for kind in ("metric", "task")}
    kept = [record for record in records if record.seed in seeds or record.kind not in ("trained", "evaluated")]
    return leaderboard.build(kept, specs["metric"], specs["task"])


def pairs(table: Table) -> tuple[set[Pair], Order]:
    """What a table separates, and its order."""
    order = {row.name: row.rank for row in table.rows if row.rank is not None}
    apart = separated(table.comparisons, order, order, ALPHA)
    return {tuple(sorted(pair, key=order.__getitem__)) for pair in apart}, order  # type: ignore[misc]


def pairs_over_all(board: Leaderboard) -> tuple[set[Pair], Order]:
    """The same of the overall table: brackets that do not meet."""
    rows = [row for row in board.overall.rows if row.rank and row.rank_interval] if board.overall else []
    claimed = {
        (first.name, second.name)
        for first, second in itertools.permutations(rows, 2)
        if first.rank_interval and second.rank_interval and first.rank_interval[1] < second.rank_interval[0]
    }
    return claimed, {row.name: row.rank for row in rows if row.rank}


def fates(claimed: set[Pair], again: set[Pair], order: Order) -> Counter[str]:
    """What became of pairs in a table of other seeds."""
    counts = Counter(claims=len(claimed))
    for better, worse in claimed:
        if better not in order or worse not in order:
            continue
        counts["kept"] += (better, worse) in again
        counts["contradicted"] += (worse, better) in again
        ahead = order[worse] - order[better]
        counts["upheld"] += ahead > 0 and (better, worse) not in again
        counts["reversed"] += ahead < 0 and (worse, better) not in again
    return counts


def judged(before: Leaderboard, after: Leaderboard) -> dict[str, Counter[str]]:
    """What became of all claims of one leaderboard in that of other seeds."""
    counts = {kind: Counter[str]() for kind in KINDS}
    tables = {table.key: table for table in after.tables}
    for table in before.tables:
        if (other := tables.get(table.key)) is None:
            continue
        again, order = pairs(other)
        counts["pairs"] += fates(pairs(table)[0], again, order)
        counts["brackets"] += _brackets(table, order)
        counts["marks"] += _marks(table, other)
    counts["pairs over all"] += fates(pairs_over_all(before)[0], *pairs_over_all(after))
    return counts


def _brackets(table: Table, order: Order) -> Counter[str]:
    """Brackets that leave ranks out: whether the other seeds' rank lies inside."""
    counts: Counter[str] = Counter()
    for row in table.rows:
        if row.rank_range and row.rank_range != (1, len(order)) and row.name in order:
            counts["claims"] += 1
            inside = row.rank_range[0] <= order[row.name] <= row.rank_range[1]
            counts["upheld" if inside else "reversed"] += 1
    return counts


def _marks(table: Table, other: Table) -> Counter[str]:
    """Models that are not marked under a metric: whether the other seeds mark them."""
    counts: Counter[str] = Counter()
    marked = {row.name: row.best for row in other.rows if row.rank is not None}
    for row, column in itertools.product(table.rows, table.columns):
        if row.rank is None or column.higher_is_better is None or row.name not in marked or column.name in row.best:
            continue
        counts["claims"] += 1
        now = marked[row.name].get(column.name, "")
        counts[{"": "kept", "tied": "upheld", "best": "reversed"}[now]] += 1
    return counts


def halves(seeds: list[int], size: int, most: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ways to halve the seeds, the first ones against the next ones first."""
    for first in itertools.islice(itertools.combinations(seeds[: 2 * size], size), most):
        yield first, tuple(seed for seed in seeds[: 2 * size] if seed not in first)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--size", type=int, default=3, help="seeds on either side")
    parser.add_argument("--splits", type=int, default=20, help="ways of halving that are added up")
    values = parser.parse_args()
    records = [record for record in RunFolder(values.run).stream() if record.done]
    seeds = sorted({record.seed for record in records if record.kind == "trained"})
    if len(seeds) < 2 * values.size:
        raise SystemExit(str(UsageError(f"{values.run} has seeds {seeds}; {2 * values.size} are needed")))
    ways = list(halves(seeds, values.size, values.splits))
    one = judged(with_seeds(records, (seeds[0],)), with_seeds(records, seeds[values.size : 2 * values.size]))
    _print(f"seed {seeds[0]} alone against {ways[0][1]}", one)
    boards = {way: with_seeds(records, way) for way in dict.fromkeys(itertools.chain(*ways))}
    found = [judged(boards[before], boards[after]) for before, after in ways]
    _print(f"seeds {ways[0][0]} against {ways[0][1]}", found[0])
    _print(f"all {len(ways)} ways of {values.size} against {values.size}", _added(found))


def _added(found: Collection[dict[str, Counter[str]]]) -> dict[str, Counter[str]]:
    return {kind: sum((counts[kind] for counts in found), Counter[str]()) for kind in KINDS}


def _print(title: str, counts: dict[str, Counter[str]]) -> None:
    print(f"\n{title}\n{'':16}" + "".join(f"{fate:>14}" for fate in FATES))
    for kind in KINDS:
        print(f"{kind:16}" + "".join(f"{counts[kind][fate]:14}" for fate in FATES))


if __name__ == "__main__":
    main()
