"""Turn any ``torchmetrics.Metric`` or plain function into a metric plugin in one line.

    from benchmark import from_function, from_torchmetrics, hookimpl

    @hookimpl
    def benchmark_metrics():
        yield from_torchmetrics("torchmetrics:ExplainedVariance", "variance", higher_is_better=True, takes="voxels")
        yield from_function("my_package.sharpness:gradient_error", "gradient-error", higher_is_better=False)

Only records are made here; torchmetrics and the function are imported when a run scores something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, Literal

from benchmark.contracts.specs import FACTORY, Level, MetricSpec

Takes = Literal["images", "voxels", "row"]


@dataclass(frozen=True)
class AdaptedMetricSpec(MetricSpec):
    """A metric whose implementation is foreign: ``target`` names it, the other fields say what to hand to it."""

    _: KW_ONLY
    target: str
    """``"package.module:attribute"`` of the class or function."""
    takes: Takes = "images"
    """``images``: whole slices (or the volume); ``voxels``: the flat values inside the region; ``row``: those as an
    image of one row, for classes that insist on images but look at each pixel alone."""
    expects: tuple[float, float] | None = None
    """The range that the implementation expects; the profile's range is mapped onto it. ``None``: as prepared."""
    channels: int = 1
    """How often a slice is repeated, for implementations that want colours."""
    dtype: Literal["float64", "float32"] = "float64"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Constructor arguments of a class, keyword arguments of a function."""
    packages: tuple[str, ...] = ()
    """Distributions beside the implementation's own whose versions belong into the record."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not FACTORY.match(self.target):
            raise ValueError(f"{self.name}: {self.target!r} is not 'package.module:attribute'")
        if self.expects is not None and not self.expects[0] < self.expects[1]:
            raise ValueError(f"{self.name}: expects {self.expects}: low must be below high")
        if self.level == "volume" and self.channels != 1:
            raise ValueError(f"{self.name}: channels are for slices, not for volumes")

    def load(self) -> Callable[..., Any]:
        """The adapter, ready to be called with the options of a profile."""
        return partial(super().load(), self)


def from_torchmetrics(
    target: str,
    name: str,
    *,
    higher_is_better: bool | None,
    label: str = "",
    level: Level = "slice",
    takes: Takes = "images",
    expects: tuple[float, float] | None = None,
    channels: int = 1,
    dtype: Literal["float64", "float32"] = "float64",
    arguments: Mapping[str, Any] | None = None,
    unit: str = "",
    bounds: tuple[float, float] = (float("-inf"), float("inf")),
    digits: int = 3,
    summary: str = "",
    source: str = "",
) -> AdaptedMetricSpec:
    """A metric made of a ``torchmetrics.Metric`` class, ``"package.module:Class"``.

    Per slice it gets ``update(prediction, target)`` with float tensors ``(1, C, H, W)`` (level ``slice``), per
    study ``(1, 1, Z, H, W)`` (level ``volume``), or all slices of all studies in turn before one ``compute``
    (level ``distribution``; classes whose ``update`` has ``real`` get both sets). With ``takes="voxels"`` the
    flat values inside the region come instead, with ``takes="row"`` the same as ``(1, C, 1, N)``.
    ``arguments`` go to the constructor: an index that needs a ``data_range`` gets ``expects=(0, 1),
    arguments={"data_range": 1.0}``.

    ``higher_is_better`` must be stated; ``None`` says that there is no better, and no profile can rank by it.
    """
    return AdaptedMetricSpec(
        name,
        "benchmark.scoring.foreign_metrics:from_torchmetrics",
        target=target,
        label=label or name,
        higher_is_better=higher_is_better,
        level=level,
        takes=takes,
        expects=expects,
        channels=channels,
        dtype=dtype,
        arguments=dict(arguments or {}),
        unit=unit,
        bounds=bounds,
        digits=digits,
        summary=summary or f"{target.partition(':')[2]} of {target.partition('.')[0].partition(':')[0]}.",
        source=source or target,
    )


def from_function(
    target: str,
    name: str,
    *,
    higher_is_better: bool | None,
    label: str = "",
    level: Literal["slice", "volume"] = "slice",
    takes: Literal["images", "voxels"] = "images",
    expects: tuple[float, float] | None = None,
    arguments: Mapping[str, Any] | None = None,
    packages: tuple[str, ...] = (),
    unit: str = "",
    bounds: tuple[float, float] = (float("-inf"), float("inf")),
    digits: int = 3,
    summary: str = "",
    source: str = "",
) -> AdaptedMetricSpec:
    """A metric made of a function ``f(prediction, target) -> float`` of NumPy arrays, ``"package.module:f"``.

    Per slice it gets float64 ``(H, W)`` (level ``slice``) or the study's ``(Z, H, W)`` (level ``volume``); with
    ``takes="voxels"`` the flat values inside the region. Parameters called ``mask``, ``data_range`` (the pair
    (low, high), after ``expects``) or ``spacing`` are passed by name where the function has them. ``packages`` are
    distributions that the function calls and whose versions belong into the record.
    """
    return AdaptedMetricSpec(
        name,
        "benchmark.scoring.foreign_metrics:from_function",
        target=target,
        label=label or name,
        higher_is_better=higher_is_better,
        level=level,
        takes=takes,
        expects=expects,
        arguments=dict(arguments or {}),
        packages=packages,
        unit=unit,
        bounds=bounds,
        digits=digits,
        summary=summary or f"{target.partition(':')[2]} of {target.partition(':')[0]}.",
        source=source or target,
    )
