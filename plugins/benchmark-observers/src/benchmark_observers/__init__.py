"""Observers of runs: TensorBoard, MLflow, Weights & Biases. Their libraries are imported when one is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark import ObserverSpec, hookimpl
from benchmark_observers.options import MLflowOptions, TensorBoardOptions, WandbOptions

benchmark_api = 1


@hookimpl
def benchmark_observers() -> Iterator[ObserverSpec]:
    yield ObserverSpec(
        "tensorboard",
        "benchmark_observers.tensorboard_events:TensorBoardObserver",
        options=TensorBoardOptions,
        summary="Event files for TensorBoard, a folder for each cell.",
    )
    yield ObserverSpec(
        "mlflow",
        "benchmark_observers.mlflow_tracking:MLflowObserver",
        options=MLflowOptions,
        summary="An MLflow run for each cell, in a database of the run folder or on a tracking server.",
    )
    yield ObserverSpec(
        "wandb",
        "benchmark_observers.wandb_runs:WandbObserver",
        options=WandbOptions,
        summary="A Weights & Biases run for each cell, offline unless told otherwise.",
    )
