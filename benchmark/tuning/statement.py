"""What may be said of a tuning: the options of ``benchmark tune``, each stated once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.contracts import presets
from benchmark.contracts.budget import Currency
from benchmark.errors import UsageError
from benchmark.settings.setting import HOW, TRAINING, WHAT, WHERE, Statement, setting
from benchmark.settings.statement import PlanChoices

SamplerName = Literal["tpe", "random", "qmc"]
PrunerName = Literal["none", "median", "halving"]


@dataclass(frozen=True)
class TuneSettings(Statement):
    """Which models are tuned on what, with how many trials, and where the trials are kept."""

    models: Collection[str] = setting(
        (), "Which models, separated by commas.", panel=WHAT, metavar="MODEL,...", complete=("lists", "model")
    )
    task: str = setting("", "On which task.", panel=WHAT, metavar="TASK", complete=("names", "task"))
    _: KW_ONLY
    trials: int = setting(20, "Trials for each model, the untuned one among them.", panel=WHAT, metavar="N", minimum=1)
    preset: str = setting(
        "small", f"How large: {', '.join(presets.PRESETS)}.", panel=WHAT, metavar="PRESET", complete=("names", "preset")
    )
    data: str | Path | None = setting(
        None,
        "Your own data of the task; its validation patients are used, its test patients never.",
        panel=WHAT,
        metavar="FILE.h5",
    )
    data_seed: int = setting(
        0, "Seed of the embedded data, 0 to 9: those that tables are never made of.", panel=WHAT, metavar="N"
    )
    seed: int = setting(0, "Seed of the search, and of every training.", panel=WHAT, metavar="N", minimum=0)
    budgets: Collection[str | float] = setting(
        (),
        "Try each at the first budget; what --pruner keeps goes on to the next.",
        panel=TRAINING,
        metavar="N,...",
    )
    budget_in: Currency = setting("steps", "What they count.", panel=TRAINING)
    steps: int | None = setting(
        None, "Training steps of a trial, instead of the preset's.", panel=TRAINING, metavar="N", minimum=1
    )
    profile: str | None = setting(
        None,
        "Metric profile whose primary metric is tuned for, instead of the task's own.",
        panel=TRAINING,
        metavar="PROFILE",
        complete=("names", "profile"),
    )
    sampler: SamplerName = setting("tpe", "How Optuna chooses the next values.", panel=TRAINING)
    pruner: PrunerName = setting("none", "Which trials Optuna ends after a budget.", panel=TRAINING)
    device: str = setting("auto", "Where to compute: auto, cpu, cuda, or some GPUs, e.g. cuda:0,2.", panel=HOW)
    jobs: int = setting(
        0, "Trials at once; auto: one for each core.", panel=HOW, metavar="N|auto", minimum=1, word="auto"
    )
    timeout: float | None = setting(None, "How long a trial may take.", panel=HOW, metavar="SECONDS", minimum=0.001)
    executor: str = setting("local", "How trials are run.", panel=HOW, metavar="NAME", complete=("names", "executor"))
    storage: str = setting(
        "",
        "Where Optuna keeps the studies, e.g. sqlite:///tuning.db; default: in the run folder.",
        panel=WHERE,
        metavar="URL",
    )
    results: str | Path = setting(Path("results"), "Where run folders are kept.", panel=WHERE, metavar="DIR")
    name: str = setting("", "Name of the run folder.", panel=WHERE, metavar="NAME")
    datasets: str | Path = setting(Path("datasets"), "Where built data sets are kept.", panel=WHERE, metavar="DIR")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.models or not self.task:
            raise UsageError("say what to tune on what: benchmark tune --models pix2pix,medgan --task mr-ct")
        if self.trials < 1:
            raise UsageError(f"trials={self.trials}: give 1 or more")
        if self.data is None and self.data_seed not in presets.TUNING_SEEDS:
            raise UsageError(
                f"data seed {self.data_seed}: tables are made of its patients; tune on 0 to {max(presets.TUNING_SEEDS)}"
            )
        if self.pruner != "none" and len(self.budgets) < 2:
            raise UsageError(
                f"pruner {self.pruner}: it ends trials after a budget; give two or more, --budgets 100,300"
            )
        self.choices()

    def choices(self, amounts: Collection[str | float] = ()) -> PlanChoices:
        """The same as choices of a run at some of the budgets.

        Raises:
            UsageError: a value that no run can have.
        """
        more: Mapping[str, Any] = {"data": {self.task: self.data}} if self.data is not None else {}
        return PlanChoices(
            preset=self.preset,
            seeds=(self.seed,),
            data_seed=self.data_seed,
            steps=self.steps,
            profile=self.profile,
            budgets=tuple(amounts or self.budgets),
            budget_in=self.budget_in,
            results=self.results,
            datasets=self.datasets,
            name=self.folder_name,
            **more,
        )

    @property
    def folder_name(self) -> str:
        """Of the run folder: the same command goes on in the same folder."""
        data = f"my-{self.task}" if self.data is not None else f"{self.task}-data{self.data_seed}"
        return self.name or f"tune-{data}-{self.preset}"
