"""What a leaderboard consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.statistics.agreement import Agreement
from benchmark.statistics.intervals import Interval
from benchmark.statistics.paired import Comparison

LEADING = "a"
"""The tier of the best."""


@dataclass(frozen=True)
class Column:
    """A metric as a column; ``higher_is_better`` is ``None`` when it has no better, or is not described."""

    name: str
    label: str
    unit: str
    higher_is_better: bool | None
    digits: int
    described: bool = True
    """Whether its plugin is still installed."""


@dataclass(frozen=True)
class Score:
    """A model under one metric: mean and 95 % interval over patients, each patient averaged over seeds.

    ``seed_sd`` is the standard deviation of the seeds' means (NaN for one seed). ``reason`` says why there is
    no value, or which patients are missing from it.
    """

    interval: Interval
    expected: int
    seed_sd: float
    reason: str = ""
    of_set: bool = False
    """One value of all predictions and all targets: the interval is the metric's own, of the mean over seeds."""
    bias: float | None = None
    """How much too high a value of a set is because it is small, where the metric says."""

    @property
    def known(self) -> bool:
        """Whether there is a value at all."""
        return self.interval.n > 0


@dataclass(frozen=True)
class Problem:
    """A cell that is not done."""

    seed: int
    state: str
    reason: str


@dataclass(frozen=True)
class Row:
    """A model in a table. ``rank`` is by the mean of the primary metric; ``rank_range`` holds the ranks that
    the tests leave open; models that share a ``tier`` are not separated from the best of that tier.
    """

    name: str
    model: str
    baseline: bool
    seeds: tuple[int, ...]
    scores: Mapping[str, Score]
    problems: tuple[Problem, ...] = ()
    parameters: int | None = None
    """Weights of the networks that translate; ``None`` without networks."""
    train_s: float | None = None
    inference_ms: float | None = None
    peak_memory_mb: float | None = None
    rank: int | None = None
    rank_range: tuple[int, int] | None = None
    tier: str = ""


@dataclass(frozen=True)
class PublishedRow:
    """A model of a published table: our means and theirs, by metric."""

    name: str
    ours: Mapping[str, float]
    published: Mapping[str, float]


@dataclass(frozen=True)
class Reproduction:
    """A published table beside ours. ``agreement`` says, by metric, whether the models stand in the same order."""

    source: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[PublishedRow, ...]
    agreement: Mapping[str, Agreement]


@dataclass(frozen=True)
class Table:
    """One task, one data set, one metric profile, one preset: what may be compared."""

    task: str
    title: str
    dataset: str
    content_sha256: str
    simulated: bool | None
    profile: str
    preset: str
    patients: int
    hardware: tuple[str, ...]
    primary: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    published: tuple[Reproduction, ...] = ()

    @property
    def key(self) -> str:
        """Names the table among others of one leaderboard."""
        return f"{self.task} ({self.content_sha256[:8] or 'no data'}, {self.profile}, {self.preset})"


@dataclass(frozen=True)
class OverallRow:
    """A model over several tables; ``rank`` only for those that are ranked in every table."""

    name: str
    baseline: bool
    rank: int | None
    mean_rank: float
    ranked_in: int
    wins: int
    leading: int
    """In how many tables it shares the tier of the best."""
    ranks: Mapping[str, int]
    """By the key of the table."""


@dataclass(frozen=True)
class Overall:
    """Mean ranks over the tables of a leaderboard; ``simulated`` is ``None`` when they differ in that."""

    simulated: bool | None
    tables: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[OverallRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Leaderboard:
    """All tables of a run; ``overall`` needs at least two."""

    tables: tuple[Table, ...]
    overall: Overall | None
    notes: tuple[str, ...] = ()
