"""MLflow: one run for each cell, in an experiment of the run's name."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from benchmark import Unavailable
from benchmark.runs.observers import ObservedCell, ObservedRun
from benchmark_observers import plain_values
from benchmark_observers.options import MLflowOptions

# MLflow reports usage to its makers when it is imported; a run of ours sends nothing unasked
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# that it makes its tables is no news to who looks at a run
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
try:
    import alembic  # noqa: F401  (MLflow's databases, which need both, fail late and unclearly without them)
    import sqlalchemy  # noqa: F401
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient
except ImportError as error:
    raise Unavailable(f"observer mlflow: {error}; pip install 'benchmark-observers[mlflow]'") from None

ENDED = {"done": "FINISHED", "skipped": "FINISHED", "interrupted": "KILLED", "planned": "KILLED"}
"""MLflow's word for a cell's state; other states are FAILED."""
LONGEST_VALUE = 500
"""Characters of a parameter that every kind of store takes."""


class MLflowObserver:
    """Settings as parameters, curves and scores as metrics, how a cell ended as status and tags."""

    def __init__(self, options: MLflowOptions) -> None:
        self._options = options
        self._runs: dict[str, str] = {}

    def run_started(self, run: ObservedRun) -> None:
        """Connect, find or create the experiment; in a database of our own, end what a killed supervisor left open."""
        uri = self._options.uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        artifacts = None
        if own := not uri:
            place = run.place("mlflow")
            place.mkdir(parents=True, exist_ok=True)
            uri, artifacts = f"sqlite:///{place / 'mlflow.db'}", (place / "artifacts").as_uri()
        self._client = MlflowClient(tracking_uri=uri)
        name = self._options.experiment or run.name
        found = self._client.get_experiment_by_name(name)
        self._experiment = found.experiment_id if found else self._client.create_experiment(name, artifacts)
        if own:  # a run folder has one supervisor at a time: what still runs here lost its own to a SIGKILL
            for lost in self._client.search_runs([self._experiment], "attributes.status = 'RUNNING'"):
                self._client.set_terminated(lost.info.run_id, "KILLED")

    def cell_started(self, cell: ObservedCell) -> None:
        """Begin a run; one that was interrupted stays beside it, as KILLED."""
        if before := self._runs.pop(cell.id, None):
            self._client.set_terminated(before, "KILLED")
        run = self._client.create_run(self._experiment, run_name=cell.title)
        self._runs[cell.id] = run.info.run_id
        settings = plain_values.settings(cell).items()
        self._client.log_batch(
            run.info.run_id, params=[Param(name, str(value)[:LONGEST_VALUE]) for name, value in settings]
        )

    def cell_logged(self, cell: ObservedCell, line: Mapping[str, Any]) -> None:
        """A point of each curve."""
        self._metrics(cell, line["step"], plain_values.curves(line))

    def cell_finished(self, cell: ObservedCell, record: Mapping[str, Any]) -> None:
        """Scores and how it ended."""
        if cell.id not in self._runs:
            self.cell_started(cell)
        self._metrics(cell, plain_values.last_step(record), plain_values.results(record))
        run = self._runs.pop(cell.id)
        for name, text in plain_values.facts(record).items():
            self._client.set_tag(run, f"benchmark.{name}", text[:LONGEST_VALUE])
        self._client.set_terminated(run, ENDED.get(record["state"], "FAILED"))

    def run_finished(self) -> None:
        """End what was interrupted."""
        for run in self._runs.values():
            self._client.set_terminated(run, "KILLED")
        self._runs.clear()

    def _metrics(self, cell: ObservedCell, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        if metrics:
            self._client.log_batch(self._runs[cell.id], metrics=metrics)
