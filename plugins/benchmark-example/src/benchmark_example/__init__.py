"""What this plugin offers: records only. Heavy libraries are imported where something is built, not here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmark import MetricSpec, MetricUse, ModelSpec, ProfileSpec, TaskSpec, hookimpl

benchmark_api = 1


@dataclass(frozen=True)
class ModelOptions:
    """What a user may set: ``-p example.blocks=4``."""

    blocks: int = field(default=2, metadata={"help": "residual blocks"})
    pixel_weight: float = field(default=1.0, metadata={"help": "weight of the L1 loss"})


@dataclass(frozen=True)
class TaskOptions:
    """What a user may set: ``-p example-task.noise=40``."""

    noise: float = field(default=20.0, metadata={"help": "standard deviation of the source's noise"})


@dataclass(frozen=True)
class MetricOptions:
    """What a profile may set."""

    percentile: float = field(default=95.0, metadata={"help": "share of the voxels that the error covers, in percent"})


@hookimpl
def benchmark_models() -> Iterable[ModelSpec]:
    """The models of this plugin."""
    yield ModelSpec(
        "example",
        "benchmark_example.model:ResidualNet",
        summary="A residual network trained with L1.",
        channels="several",
        options=ModelOptions,
    )


@hookimpl
def benchmark_tasks() -> Iterable[TaskSpec]:
    """The tasks of this plugin."""
    yield TaskSpec(
        "example-task",
        "benchmark_example.task:build",
        summary="Sharp images from blurred and noisy ones, of random ellipses.",
        options=TaskOptions,
        source_modality="blurred",
        target_modality="sharp",
        source_unit="a.u.",
        target_unit="a.u.",
        profile="example",
    )


@hookimpl
def benchmark_metrics() -> Iterable[MetricSpec]:
    """The metrics of this plugin."""
    yield MetricSpec(
        "example-error",
        "benchmark_example.metric:PercentileError",
        summary="The absolute error that 95 % of the voxels of a slice stay below.",
        options=MetricOptions,
        label="95 % error",
        higher_is_better=False,
        unit="target",
        bounds=(0.0, float("inf")),
    )


@hookimpl
def benchmark_profiles() -> Iterable[ProfileSpec]:
    """The profiles of this plugin: which metrics, on which range, in which region."""
    yield ProfileSpec(
        "example",
        1,
        (MetricUse("example-error", clip=False),),
        primary="example-error",
        summary="The 95 % error inside the region.",
    )
