"""A metric under a profile as a ``torchmetrics.Metric``, for training loops that are not the harness's.

Whether what is asked for can be given is decided here; torch and torchmetrics are imported for what can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.specs import MetricSpec, MetricUse, ProfileSpec
from benchmark.errors import Unavailable, UsageError
from benchmark.registry.plugins import registry

if TYPE_CHECKING:
    from benchmark.scoring.profiled_metric import ProfiledMetric


def as_torchmetric(
    metric: str,
    profile: str = "default",
    *,
    target: IntensityMap | None = None,
    normalised: bool = False,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    patients: int | None = None,
    **settings: Any,
) -> ProfiledMetric:
    """One of a profile's metrics as a ``torchmetrics.Metric``: masked, in physical units, the very same numbers.

    ``update(preds, target, mask=None, patient=None)`` takes tensors on any device: slices ``(N, 1, H, W)``, or studies
    ``(N, 1, Z, H, W)``, which metrics of volumes and profiles with a range of the study's own need. ``mask`` has the
    same shape (nothing given: everything counts). ``compute()`` is a float64 scalar: the mean over slices (or
    studies), undefined ones left out. States are sums and counts, so that processes and batches can be merged.

    Args:
        metric: its name; the profile must have it.
        profile: its name, as in ``benchmark list profiles``.
        target: unit and window of the target images, ``cell.load().data.target`` say. Needed where the profile
            takes its range from the data set, where it does not say the unit, and where images are normalised.
        normalised: ``update`` gets what networks see, [-1, 1], and maps it back to ``target``'s unit first.
        spacing: (z, y, x) in mm, for metrics that measure distances.
        patients: how many patients there are. ``update`` then needs ``patient``, their numbers ``(N,)`` from 0, and
            ``compute()`` is the mean over patients of each one's mean, as in a leaderboard.
        settings: handed to ``torchmetrics.Metric``: ``sync_on_compute``, ``dist_sync_on_step``, ...

    Raises:
        UsageError: no such metric or profile; the profile has no such metric; or the metric needs what a batch
            does not bring (label maps, the whole test split, source images).
        Unavailable: torchmetrics, or what the metric needs, is not installed.
    """
    spec: ProfileSpec = registry().profile(profile).spec
    metric_spec: MetricSpec = registry().metric(metric).spec
    uses = {use.metric: use for use in spec.metrics}
    if metric not in uses:
        raise UsageError(f"profile {spec.id} has no {metric}; it has {', '.join(uses)}")
    use = uses[metric]
    _can_be_fed_by_batches(spec, use, metric_spec)
    known = _target_of(spec, use, target, normalised)
    if patients is not None and patients < 1:
        raise UsageError(f"patients={patients}: give how many there are, or None for the mean over slices")
    try:
        from benchmark.scoring.profiled_metric import ProfiledMetric
    except ModuleNotFoundError as error:
        raise Unavailable(f"as_torchmetric needs {error.name}, which is not installed") from error
    return ProfiledMetric(spec, use, metric_spec, known, normalised, spacing, patients, **settings)


def _can_be_fed_by_batches(profile: ProfileSpec, use: MetricUse, metric: MetricSpec) -> None:
    if metric.level == "distribution":
        raise UsageError(f"{metric.name} compares whole sets, not batches; score with 'benchmark evaluate'")
    if "labels" in metric.requires:
        raise UsageError(f"{metric.name} needs label maps of both images; score with 'benchmark evaluate --labels'")
    if profile.data_range == "source-percentiles" and use.data_range is None:
        raise UsageError(f"profile {profile.id} takes its range from source images; score with 'benchmark evaluate'")


def _target_of(profile: ProfileSpec, use: MetricUse, target: IntensityMap | None, normalised: bool) -> IntensityMap:
    """Unit and window of the images; of a profile that pins both, its own."""
    data_range = use.data_range or profile.data_range
    if target is not None:
        if profile.units and target.unit not in profile.units:
            units = ", ".join(profile.units)
            raise UsageError(f"profile {profile.id} scores targets in {units}, not in {target.unit or 'no unit'}")
        return target
    missing = {
        "normalised images have no unit": normalised,
        f"profile {profile.id} takes its range from the data set": data_range == "window",
        f"profile {profile.id} does not say the unit": len(profile.units) != 1,
    }
    if reason := next((reason for reason, holds in missing.items() if holds), ""):
        raise UsageError(f"{reason}: give target=IntensityMap(unit, low, high)")
    low, high = data_range if isinstance(data_range, tuple) else (0.0, 1.0)  # of target-maximum: read by nobody
    return IntensityMap(profile.units[0], low, high)
