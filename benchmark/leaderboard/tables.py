"""What a leaderboard consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmark.contracts.budget import Budget
from benchmark.statistics.agreement import Agreement
from benchmark.statistics.comparisons import Comparison
from benchmark.statistics.intervals import Interval

LEADING = "a"
"""The tier of the best."""
MOST_TESTED = 100
"""Tables of more models are ranked by their mean ranks, and nothing is tested pair by pair."""
ENOUGH_SEEDS = 3
"""A trained model with fewer is marked."""


@dataclass(frozen=True)
class Column:
    """A metric as a column; ``higher_is_better`` is ``None`` when there is no better, or nobody says which way it is.

    ``level`` ``distribution``: one number for the whole test split, with an interval of its own.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool | None
    digits: int
    level: str = "slice"
    described: bool = True
    """Whether an installed plugin describes the metric."""
    perceptual: bool = False
    """Made to agree with what people see."""


@dataclass(frozen=True)
class Score:
    """A model under one metric: mean and 95 % interval over patients, each patient averaged over seeds.

    Of a metric of level ``distribution``: the value averaged over seeds, with the averages of its own limits.
    ``seed_sd`` is the standard deviation of the seeds' means (NaN for one seed). ``reason`` says why there is
    no value, or which patients are missing from it.
    """

    interval: Interval
    expected: int
    """Patients that should have been scored."""
    failed: int
    """Patients without a usable translation, in the seed that has most of them."""
    missing: float
    """Patients without a value, averaged over seeds; whatever the reason."""
    perfect: int
    """Patients with an infinite score; they are left out of the mean."""
    bias: float | None
    """How much too high a metric of level ``distribution`` is for having few images, where it says."""
    median: float
    seed_sd: float
    reason: str = ""

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
    """A model in a table.

    ``rank`` is by leads two by two (:mod:`benchmark.statistics.order`); ``mean_rank``, the mean of its ranks under the
    metrics that rank, goes with it. ``rank_range`` holds the ranks that the tests over patients and seeds leave open;
    ``rank_interval`` those taken in 95 % of resamples, which is a description and no test. Models that share a
    ``tier`` are not separated from the best of that tier. Where the profile ranks by a metric of level
    ``distribution``, ``rank`` is by its value and the others are absent.
    """

    name: str
    model: str
    baseline: bool
    seeds: tuple[int, ...]
    scores: Mapping[str, Score]
    problems: tuple[Problem, ...] = ()
    seeded: bool = True
    """Whether another training seed would have given other scores; fixed and fitted models have no seed."""
    submitted: bool = False
    """One set of predictions made elsewhere; with ``seeded`` false it is judged as handed in."""
    parameters: int | None = None
    """Weights of the networks that translate; ``None`` without networks."""
    train_s: float | None = None
    trials: int = 0
    """How many trials its options were chosen from; 0: untuned."""
    steps: int | None = None
    updates: float | None = None
    """Of the generator, in all of training; 0 for a model with nothing to learn."""
    flops: float | None = None
    """Floating-point operations of all of training, by torch's counter."""
    capacity: float | None = None
    """Its weights over those of the median trained model, where they are not matched."""
    compute: float | None = None
    """The operations of its training over those of the median trained model, where they are not matched."""
    inference_ms: float | None = None
    peak_memory_mb: float | None = None
    rank: int | None = None
    mean_rank: float | None = None
    rank_range: tuple[int, int] | None = None
    rank_interval: tuple[int, int] | None = None
    tier: str = ""
    unranked: str = ""
    """Why a model with scores has no rank."""
    findings: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """What looks wrong in its training (:mod:`benchmark.cell.health`), with the seeds in which it does."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Steps done, updates in each, and the recipe, of a model that the harness trained."""
    otherwise: tuple[str, ...] = ()
    """What of that is not as in the other rows, in words."""
    best: Mapping[str, str] = field(default_factory=dict)
    """By metric: ``best`` for the best mean, ``tied`` for those that a test does not separate from it."""

    @property
    def few_seeds(self) -> bool:
        """Trained too few times to know well what chance does."""
        return bool(self.seeds) and self.seeded and len(self.seeds) < ENOUGH_SEEDS


@dataclass(frozen=True)
class Stability:
    """Kendall's tau between the order of a table and those of its resamples: median and 95 % range."""

    median: float
    low: float
    high: float
    resamples: int


@dataclass(frozen=True)
class Stages:
    """What each step of models of several steps is worth: intervals of the mean over patients, by model and measure."""

    measures: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True)
class Use:
    """How the order of a table agrees with one downstream value (:mod:`benchmark.leaderboard.fidelity`)."""

    models: Agreement
    """Of the ranks with the models' means."""
    patients: float
    """Kendall's tau of the primary metric with the value over the models of one patient, averaged over patients."""
    disagreement: str
    """What to say where the first of the order is plainly of little use; mostly nothing."""


@dataclass(frozen=True)
class DownstreamSheet:
    """What translations are worth for that which comes after them. Nothing is ranked by it."""

    columns: tuple[Column, ...]
    rows: Mapping[str, Mapping[str, Score]]
    """By model and column."""
    ideal: Mapping[str, float]
    """What the target itself has, by column."""
    notes: tuple[str, ...]
    uses: Mapping[str, Use] = field(default_factory=dict)
    """By column that has a better and a worse, in tables of three models or more."""


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
    ranked_by: tuple[str, ...]
    """The metrics whose ranks are averaged; empty where no metric can rank."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    stability: Stability | None
    notes: tuple[str, ...]
    stages: Stages | None = None
    downstream: DownstreamSheet | None = None
    degraded: bool = False
    """Real images, of which the sources are a simulated degradation; ``simulated`` is true too."""
    published: tuple[Reproduction, ...] = ()
    remarks: tuple[str, ...] = ()
    """What the data set itself tells a reader of its numbers."""
    split: str = "test"
    """Whose patients they are: ``val`` in a tuning."""
    budget: Budget | None = None
    """What its trained models could use, where the run has several budgets."""

    @property
    def primary_column(self) -> Column | None:
        """The column of the primary metric; ``None`` where nothing was scored under it."""
        return next((column for column in self.columns if column.name == self.primary), None)

    @property
    def disagreement(self) -> str:
        """Where the first of the order is not what one would use: one sentence, of the value that agrees least."""
        uses = self.downstream.uses.values() if self.downstream else ()
        disagreeing = [use for use in uses if use.disagreement]
        return min(disagreeing, key=lambda use: use.models.tau).disagreement if disagreeing else ""

    @property
    def key(self) -> str:
        """Names the table among others of one leaderboard."""
        budget = f", {self.budget}" if self.budget else ""
        return f"{self.task} ({self.content_sha256[:8] or 'no data'}, {self.profile}, {self.preset}{budget})"


@dataclass(frozen=True)
class Point:
    """A model at one budget: its rank with the ranks left open, and the primary metric over patients and seeds."""

    rank: int | None
    rank_range: tuple[int, int] | None
    score: Score | None


@dataclass(frozen=True)
class Turn:
    """Two models that change places from one budget to the next; ``claimed``: their tests say so at both."""

    after: Budget
    before: Budget
    winner: str
    loser: str
    claimed: bool


@dataclass(frozen=True)
class Curve:
    """One task against the budget: every model of its tables at every budget."""

    task: str
    title: str
    tables: tuple[str, ...]
    """Keys of the tables, the smallest budget first."""
    budgets: tuple[Budget, ...]
    primary: Column
    rows: Mapping[str, tuple[Point, ...]]
    """By model, in the order of the largest budget."""
    free: tuple[str, ...]
    """Models that use no budget: the same at each."""
    turns: tuple[Turn, ...]
    about: str = ""


@dataclass(frozen=True)
class OverallRow:
    """A model over several tables; ``rank`` only for those that are ranked in every table."""

    name: str
    baseline: bool
    rank: int | None
    rank_interval: tuple[int, int] | None
    """The ranks that the claims of all tables leave open; ``None`` where a table is too large to be tested."""
    mean_rank: float
    """Over tables, of the mean ranks over metrics in each."""
    ranked_in: int
    wins: int
    leading: int
    """In how many tables it shares the tier of the best."""
    ranks: Mapping[str, int]
    """In each table, by its key."""


@dataclass(frozen=True)
class Overall:
    """Mean ranks over metrics and tables; ``simulated`` is ``None`` when the tables differ in that."""

    simulated: bool | None
    tables: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[OverallRow, ...]
    notes: tuple[str, ...]
    degraded: bool = False


@dataclass(frozen=True)
class Unreadable:
    """A cell whose record cannot be read, or makes no sense."""

    cell: str
    reason: str


@dataclass(frozen=True)
class Leaderboard:
    """All tables of a run; ``overall`` needs at least two."""

    tables: tuple[Table, ...]
    overall: Overall | None
    notes: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    curves: tuple[Curve, ...] = ()
    """Rank and primary metric against budget, where there are several."""
