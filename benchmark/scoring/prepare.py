"""A study's images as a profile wants its metrics to see them: range, crop, region, clipping, scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.protocols import Images
from benchmark.contracts.specs import MetricUse, ProfileSpec
from benchmark.data.format.cases import Case

Array = NDArray[np.generic]
Range = tuple[float, float]


@dataclass(frozen=True)
class Study:
    """A study with its translation, before any preparation: arrays ``(Z, H, W)`` in physical units."""

    case: Case
    prediction: Array
    predicted_labels: NDArray[np.uint8] | None = None


def prepared(
    profile: ProfileSpec, study: Study, window: Range, unit: str
) -> Iterator[tuple[tuple[MetricUse, ...], Images | str]]:
    """The images for the profile's metrics; uses that want the same images come together.

    One preparation is in memory at a time. ``window`` is the data set's for its target, in ``unit``. Where a
    study cannot be prepared, the reason comes in place of the images.
    """
    if profile.data_range == "source-percentiles" and len(study.case.channels) > 1:
        yield profile.metrics, "the profile takes its range from the source, which has several channels"
        return
    base = cropped(study) if profile.crop == "square" else study
    groups: dict[tuple[object, ...], list[MetricUse]] = {}
    for use in profile.metrics:
        groups.setdefault((use.data_range, use.clip, use.outside, use.scale), []).append(use)
    for uses in groups.values():
        data_range = uses[0].data_range or resolve_range(profile, base, window)
        if not data_range[0] < data_range[1]:
            yield tuple(uses), f"empty range {data_range[0]:g}..{data_range[1]:g}"
        else:
            yield tuple(uses), prepare(profile, uses[0], base, data_range, unit)


def resolve_range(profile: ProfileSpec, study: Study, window: Range) -> Range:
    """Low and high end of the profile's range for one study."""
    rule = profile.data_range
    if rule == "window":
        return window
    if rule == "target-maximum":
        return 0.0, float(study.case.target.max())
    if rule == "source-percentiles":
        low, high = np.percentile(study.case.source.astype(np.float64), profile.percentiles)
        return max(0.0, float(low)), float(high)
    return rule


def cropped(study: Study) -> Study:
    """Rows and columns cropped around the centre to the number of columns (fewer rows are left as they are)."""
    case = study.case
    rows, columns = case.target.shape[1:]
    start = (rows - columns) // 2
    if start <= 0:
        return study
    part = np.s_[..., start : start + columns, :]
    labels, predicted = case.labels, study.predicted_labels
    inside = replace(
        case,
        source=case.source[part],
        target=case.target[part],
        mask=case.mask[part],
        labels=None if labels is None else labels[part],
    )
    return Study(inside, study.prediction[part], None if predicted is None else predicted[part])


def prepare(profile: ProfileSpec, use: MetricUse, study: Study, data_range: Range, unit: str) -> Images:
    """Both images as one use of a metric wants them: clipped, low outside the region, scaled."""
    case = study.case
    low, high = data_range
    mask = case.mask if profile.region == "mask" else whole_slices(case.mask)
    prediction, target = study.prediction.astype(np.float64), case.target.astype(np.float64)
    for image in (prediction, target):  # copies of our own
        if use.clip:
            np.clip(image, low, high, out=image)
        if use.outside == "low":
            image[~case.mask] = low
        if use.scale != "unit":
            image -= low
        if use.scale in _TOP:
            image *= _TOP[use.scale] / (high - low)
    scaled = {"unit": data_range, "from-low": (0.0, high - low)}
    return Images(
        prediction,
        target,
        mask,
        scaled[use.scale] if use.scale in scaled else (0.0, _TOP[use.scale]),
        spacing=case.spacing,
        unit="" if use.scale in _TOP else unit,
        labels=case.labels,
        predicted_labels=study.predicted_labels,
    )


def whole_slices(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Everything, but for slices without a region: nobody trains on them, no profile scores them."""
    filled = mask.any(axis=(1, 2), keepdims=True)
    return np.repeat(np.repeat(filled, mask.shape[1], axis=1), mask.shape[2], axis=2)


_TOP = {"0..1": 1.0, "0..255": 255.0}
