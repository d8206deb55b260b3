"""The smallest plugin that can be run: two models, a task, a metric, a profile and a grid.

It also offers models that misbehave, for the harness's own tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmark import (
    DegraderSpec,
    DownstreamColumn,
    DownstreamSpec,
    GridSpec,
    MetricSpec,
    MetricUse,
    ModelSpec,
    ProfileSpec,
    TaskSpec,
    WeightsSpec,
    hookimpl,
)
from benchmark.contracts.search import Choices


@dataclass(frozen=True)
class AffineOptions:
    """Options of ``toy-affine``."""

    bias: bool = field(
        default=True,
        metadata={"help": "give the convolution a bias", "search": Choices((True, False), source="both are possible")},
    )


@dataclass(frozen=True)
class CopyOptions:
    """Options of ``toy-copy``."""

    gain: float = field(default=1.0, metadata={"help": "times the source", "sampling": True})
    layers: int = field(default=1, metadata={"help": "nothing"})


@dataclass(frozen=True)
class SlowOptions:
    """Options of ``toy-slow``."""

    seconds: float = field(default=0.05, metadata={"help": "time a step sleeps"})


@dataclass(frozen=True)
class ShiftOptions:
    """Options of the task ``toy-shift``."""

    gain: float = field(default=0.5, metadata={"help": "target = gain * source + 100"})
    fault: str = field(default="", metadata={"help": "plant a fault: nan, raise"})


@dataclass(frozen=True)
class NoiseOptions:
    """Options of the degrader ``toy-noise``."""

    noise: float = field(default=10.0, metadata={"help": "standard deviation"})
    darkest: float = field(default=0.0, metadata={"help": "darker studies are refused"})


@hookimpl
def benchmark_models() -> Iterator[ModelSpec]:
    yield ModelSpec("toy-affine", "benchmark_toy.models:Affine", options=AffineOptions, summary="One convolution.")
    yield ModelSpec(
        "toy-copy",
        "benchmark_toy.models:Copy",
        options=CopyOptions,
        kind="fixed",
        baseline=True,
        summary="The source.",
    )
    yield ModelSpec("toy-mean", "benchmark_toy.models:Mean", kind="fitted", baseline=True, summary="The mean target.")
    yield ModelSpec("toy-nan", "benchmark_toy.models:Diverging", summary="Its loss becomes NaN.")
    yield ModelSpec("toy-crash", "benchmark_toy.models:Crashing", summary="Its process is killed.")
    yield ModelSpec("toy-slow", "benchmark_toy.models:Slow", options=SlowOptions, summary="Takes its time.")
    yield ModelSpec("toy-lacking", "benchmark_toy.models:lacking", summary="Its weights are missing.")
    yield ModelSpec("toy-talker", "benchmark_toy.models:Talker", kind="fixed", summary="Prints a lot.")
    yield ModelSpec("toy-hu", "benchmark_toy.models:Copy", kind="fixed", target_units=("HU",), summary="HU only.")
    yield ModelSpec(
        "toy-drawer",
        "benchmark_toy.models:Drawer",
        kind="fixed",
        output="samples",
        profile="toy-sets",
        summary="Draws noise, translates nothing.",
    )


@hookimpl
def benchmark_tasks() -> Iterator[TaskSpec]:
    yield TaskSpec(
        "toy-shift",
        "benchmark_toy.task:build",
        options=ShiftOptions,
        source_modality="A",
        target_modality="B",
        source_unit="a.u.",
        target_unit="a.u.",
        profile="toy",
        summary="Undo an affine change of intensity.",
    )


@hookimpl
def benchmark_metrics() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "toy-error", "benchmark_toy.metrics:Error", label="error", higher_is_better=False, unit="target", digits=2
    )
    yield MetricSpec(
        "toy-share",
        "benchmark_toy.metrics:Share",
        label="share",
        higher_is_better=True,
        level="distribution",
    )
    yield MetricSpec("toy-unavailable", "benchmark_toy.metrics:unavailable", label="none", higher_is_better=True)


@hookimpl
def benchmark_downstream() -> Iterator[DownstreamSpec]:
    yield DownstreamSpec(
        "toy-volume",
        "benchmark_toy.downstream:Volume",
        values=(
            DownstreamColumn("size", "bright", unit="ml", higher_is_better=None, digits=2),
            DownstreamColumn("error", "volume error", unit="%", higher_is_better=False, digits=1),
        ),
        target_units=("a.u.",),
        summary="how much of the image is bright",
    )
    yield DownstreamSpec(
        "toy-structures",
        "benchmark_toy.downstream:Structures",
        values=(DownstreamColumn("count", "structures", higher_is_better=True),),
        tasks=("toy-shift",),
        summary="needs label maps, which toys lack",
    )
    yield DownstreamSpec(
        "toy-dose",
        "benchmark_toy.downstream:Nowhere",
        values=(DownstreamColumn("gamma", "gamma", higher_is_better=True),),
        target_units=("HU",),
    )


@hookimpl
def benchmark_profiles() -> Iterator[ProfileSpec]:
    yield ProfileSpec("toy", 1, (MetricUse("toy-error", clip=False), MetricUse("toy-unavailable")), primary="toy-error")
    yield ProfileSpec("toy-sets", 1, (MetricUse("toy-share"),), primary="toy-share")


@hookimpl
def benchmark_grids() -> Iterator[GridSpec]:
    yield GridSpec("toy", "benchmark_toy", "grids/toy.toml", summary="The toy models on the toy task.")


@hookimpl
def benchmark_degraders() -> Iterator[DegraderSpec]:
    yield DegraderSpec(
        "toy-noise",
        "benchmark_toy.degrade:Noise",
        options=NoiseOptions,
        task="toy-shift",
        unit="a.u.",
        suffix="with noise",
        summary="Adds noise to an image.",
    )


@hookimpl
def benchmark_weights() -> Iterator[WeightsSpec]:
    for name, first in (("toy-eyes", "e3b0c442"), ("toy-ears", "0123abcd")):
        yield WeightsSpec(
            name,
            f"{name}-{first}.pth",
            title=name.capitalize(),
            url=f"file:///nowhere/{name}-{first}.pth",
            sha256=first,
            parameters=3,
        )
