"""Weights & Biases: one run for each cell, grouped by the benchmark's run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from benchmark import Unavailable
from benchmark.runs.observers import ObservedCell, ObservedRun
from benchmark_observers import plain_values
from benchmark_observers.options import WandbOptions

# it reports errors and usage to its makers, offline too; a run of ours sends nothing unasked
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
try:
    import wandb
except ImportError as error:
    raise Unavailable(f"observer wandb: {error}; pip install 'benchmark-observers[wandb]'") from None


class WandbObserver:
    """Settings as config, curves as history, scores and how a cell ended as summary."""

    def __init__(self, options: WandbOptions) -> None:
        self._options = options
        self._runs: dict[str, Any] = {}
        if options.mode == "online" and not wandb.login(prompt=False):
            raise Unavailable("observer wandb: nobody is logged in; 'wandb login', or leave out -p wandb.mode=online")

    def run_started(self, run: ObservedRun) -> None:
        """Find the folder."""
        self._group = run.name
        self._folder = run.place("wandb")
        self._folder.mkdir(parents=True, exist_ok=True)

    def cell_started(self, cell: ObservedCell) -> None:
        """Begin a run; one that was interrupted stays beside it."""
        if (before := self._runs.pop(cell.id, None)) is not None:
            before.finish(exit_code=1)
        self._runs[cell.id] = wandb.init(
            project=self._options.project,
            entity=self._options.entity or None,
            name=cell.title,
            group=self._group,
            job_type=cell.task,
            config=plain_values.settings(cell),
            dir=str(self._folder),
            mode=self._options.mode,
            reinit="create_new",  # several cells run at once
            # nothing of the terminal, the machine or the user's code: only what this observer says
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
                x_disable_meta=True,
                x_save_requirements=False,
            ),
        )

    def cell_logged(self, cell: ObservedCell, line: Mapping[str, Any]) -> None:
        """A point of each curve."""
        self._runs[cell.id].log(plain_values.curves(line), step=line["step"])

    def cell_finished(self, cell: ObservedCell, record: Mapping[str, Any]) -> None:
        """Scores and how it ended."""
        if cell.id not in self._runs:
            self.cell_started(cell)
        run = self._runs.pop(cell.id)
        run.summary.update({**plain_values.results(record), **plain_values.facts(record)})
        run.finish(exit_code=0 if record["state"] in ("done", "skipped") else 1)

    def run_finished(self) -> None:
        """End what was interrupted."""
        for run in self._runs.values():
            run.finish(exit_code=1)
        self._runs.clear()
