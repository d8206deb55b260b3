"""A profile made ready for one data set: its metrics built, its range and unit known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmark import atomic
from benchmark.contracts.specs import Level, MetricSpec, MetricUse, ProfileSpec
from benchmark.data.format.cases import DatasetInfo
from benchmark.errors import Unavailable, UsageError
from benchmark.plan.claim import SCORING, harness_sha256
from benchmark.registry.plugins import Registry, source_sha256
from benchmark.scoring.exact import exact_from
from benchmark.scoring.faults import MetricFault, blamed


@dataclass(frozen=True)
class ReadyMetric:
    """A metric as a profile uses it."""

    use: MetricUse
    level: Level
    unit: str
    requires: tuple[str, ...]
    scorer: Any = None
    """What gives numbers: a function of images, or for a distribution the metric itself; none where unavailable."""
    unavailable: str = ""
    """Why it gives nothing."""
    exact: float | None = None
    """From which score on it is exact; ``None``: no score is."""
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.use.metric

    @property
    def of_set(self) -> bool:
        """Whether it looks at the whole split at once."""
        return self.level == "distribution"


@dataclass(frozen=True)
class Judge:
    """A profile, the range and unit of a data set's targets, and the metrics."""

    profile: ProfileSpec
    window: tuple[float, float]
    unit: str
    metrics: tuple[ReadyMetric, ...]

    @property
    def definition(self) -> dict[str, Any]:
        """What a score means."""
        return profile_definition(self.profile, self.window, self.unit)

    def ready(self, use: MetricUse) -> ReadyMetric:
        """The metric behind a use of it."""
        return next(metric for metric in self.metrics if metric.use is use)

    def without(self, fault: MetricFault) -> Judge:
        """The same without a metric that broke.

        Raises:
            MetricFault: it is the profile's primary metric, without which the others mean little.
        """
        if fault.metric == self.profile.primary:
            raise fault
        return replace(
            self,
            metrics=tuple(
                replace(metric, scorer=None, unavailable=fault.reason) if metric.name == fault.metric else metric
                for metric in self.metrics
            ),
        )


def make_judge(registry: Registry, profile: str, info: DatasetInfo) -> Judge:
    """Build the metrics of a profile; those that break, or whose weights are missing, are noted with the reason.

    Raises:
        MetricFault: the profile's primary metric breaks.
        UsageError: the profile is not for targets in this unit, or ranks by a metric without a direction,
            or asks a metric for volumes that scores none.
    """
    spec: ProfileSpec = registry.profile(profile).spec
    target = info.target_map
    if spec.units and target.unit not in spec.units:
        raise UsageError(
            f"profile {spec.id} scores targets in {', '.join(spec.units)}; those of {info.name} are in "
            f"{target.unit}: choose another with --profile ('benchmark list profiles')"
        )
    if registry.metric(spec.primary).spec.higher_is_better is None:
        raise UsageError(f"profile {spec.id}: {spec.primary} has no better direction, so it cannot rank")
    metrics = tuple(_ready(registry.metric(use.metric).spec, use, spec, target.unit) for use in spec.metrics)
    return Judge(spec, (target.low, target.high), target.unit, metrics)


def _ready(spec: MetricSpec, use: MetricUse, profile: ProfileSpec, unit: str) -> ReadyMetric:
    shown = _unit(spec, use, unit)
    exact = exact_from(shown, higher_is_better=spec.higher_is_better)
    ready = ReadyMetric(use, use.dimension or spec.level, shown, spec.requires, exact=exact)
    try:
        with blamed(use.metric):
            metric = spec.load()(**use.options)
    except Unavailable as reason:
        return replace(ready, unavailable=str(reason))
    except MetricFault as fault:
        if use.metric == profile.primary:
            raise
        return replace(ready, unavailable=fault.reason)
    provenance = dict(metric.provenance()) if hasattr(metric, "provenance") else {}
    return replace(ready, scorer=_scorer(metric, spec, ready.level, profile.id), provenance=provenance)


def _scorer(metric: Any, spec: MetricSpec, level: Level, profile: str) -> Any:
    """The metric itself for a distribution, else the method that scores at this level."""
    if level == "distribution":
        return metric
    if level == spec.level:
        return metric.score
    if not hasattr(metric, "score_volume"):
        raise UsageError(f"profile {profile}: {spec.name} cannot score volumes (it has no score_volume)")
    return metric.score_volume


def _unit(spec: MetricSpec, use: MetricUse, target: str) -> str:
    """The unit of a score, such as ``HU``; images that the profile scales have none."""
    if spec.unit not in ("target", "target^2"):
        return spec.unit
    unit = "" if use.scale in ("0..1", "0..255") else target
    return f"{unit}²" if unit and spec.unit == "target^2" else unit


def profile_definition(spec: ProfileSpec, window: Sequence[float], unit: str) -> dict[str, Any]:
    """A profile with its range resolved for one data set: what a score means."""
    definition = {key: value for key, value in asdict(spec).items() if key not in ("name", "version", "summary")}
    if spec.data_range == "window":
        definition["data_range"] = window
    plain: dict[str, Any] = json.loads(json.dumps({**definition, "id": spec.id, "unit": unit}))
    return plain


def score_key(registry: Registry, profile: str) -> str:
    """Hash of what determines scores beside predictions and data: the profile, its metrics' source and the harness's.

    Availability of weights is not part of it: a missing metric is looked at again on its own.
    """
    spec: ProfileSpec = registry.profile(profile).spec
    modules = {use.metric: registry.metric(use.metric).plugin.module for use in spec.metrics}
    return atomic.sha256_of(
        {
            "profile": profile_definition(spec, (0.0, 0.0), ""),
            "metrics": {name: source_sha256(module) for name, module in modules.items()},
            "harness": harness_sha256(SCORING),
        }
    )
