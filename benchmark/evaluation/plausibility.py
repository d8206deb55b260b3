"""Can predictions be what they are said to be: in the target's unit, of this patient, the right way round?

Judged against the targets that they are for. What cannot be in the unit is refused; what may be meant (a constant
image, say, is an honest baseline) is scored and told. Nothing is ever rescaled, shifted or turned here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmark.data.checks.alignment import alignment
from benchmark.data.format.cases import Case
from benchmark.errors import UsageError
from benchmark.store.record import Finding

Array = NDArray[np.generic]
RELATIVE_UNITS = ("", "a.u.", "mask")
"""Units without landmarks: a factor or an offset is a bad prediction there, and not another unit."""
FOLLOWS = 0.9
"""Correlation from which on predictions follow the targets closely enough to tell factor and offset."""
FACTOR = 3.0
"""Predictions that follow the targets and vary this many times more, or less, are on another scale."""
OFFSET = 0.25
"""Part of the targets' span (1st to 99th percentile) by which nearly all voxels are off in another unit."""
NEARLY_ALL = 0.95
FAT = -50.0
"""HU: below this lie fat, lung and air."""
_SAMPLE = 200_000
_LISTED = 3
_FEWEST = 100


def require_plausible(prediction: Array, case: Case, unit: str) -> None:
    """Refuse predictions that are plainly not in the target's unit: normalised, 8-bit, shifted, or on another scale.

    Both ``(Z, H, W)``, in ``unit``.

    Raises:
        UsageError: says what was found; nothing is ever rescaled here.
    """
    # only the region: around it a prediction may be padded with the lower end of the window
    region = case.mask if case.mask.any() else np.ones_like(case.mask)
    target, inside = _sampled(case.target[region]), _sampled(prediction[region])
    if not inside.size or inside.min() == inside.max():
        return
    reason = (
        _normalised(inside, target)
        or _never_negative(prediction, inside, case, target, unit)
        or _too_large(inside, target)
        or ("" if unit in RELATIVE_UNITS else _rescaled(inside, target))
    )
    if reason:
        raise UsageError(
            f"predictions of case {case.key} cannot be in {unit}: {reason}. Convert them to {unit}; "
            "nothing is rescaled here. (--trust-unit scores them as they are)"
        )


def _sampled(values: Array) -> NDArray[np.float64]:
    """Not more voxels than it takes, the least and the greatest among them."""
    taken = values[:: max(1, values.size // _SAMPLE)].astype(np.float64)
    return np.append(taken, [values.min(), values.max()]) if values.size > _SAMPLE else taken


def _span(target: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(target, [1, 99])
    return float(low), float(high - low)


def _normalised(inside: NDArray[np.float64], target: NDArray[np.float64]) -> str:
    least, most = float(inside.min()), float(inside.max())
    if max(abs(least), abs(most)) <= 1.001 and _span(target)[1] > 20:
        return f"they lie in {least:.3g}..{most:.3g}, as network outputs do"
    return ""


def _never_negative(
    prediction: Array, inside: NDArray[np.float64], case: Case, target: NDArray[np.float64], unit: str
) -> str:
    """Whether nothing is below 0 where the targets say that something must be."""
    low, span = _span(target)
    least = float(inside.min())
    if least < 0 or inside.max() <= 0:
        return ""
    padded = float(prediction.min()) < 0
    in_question = target if padded else case.target
    # hardly a body has no fat, lung or air in it, and around it is air
    landmark = unit == "HU" and float(np.mean(in_question < FAT)) > (0.05 if padded else 0.02)
    if landmark or (low < -20 and float(in_question.min()) < -0.5 * span):
        return (
            f"they are never below 0 (8 bit? counted from the lower end?) while targets go down to "
            f"{float(in_question.min()):.4g}"
        )
    return ""


def _too_large(inside: NDArray[np.float64], target: NDArray[np.float64]) -> str:
    least, most = float(inside.min()), float(inside.max())
    largest = max(abs(float(target.min())), abs(float(target.max())))
    if max(abs(least), abs(most)) > 20 * largest > 0:
        return f"they reach {most if abs(most) > abs(least) else least:.4g}, targets {float(target.max()):.4g}"
    return ""


def _rescaled(inside: NDArray[np.float64], target: NDArray[np.float64]) -> str:
    """Whether they are the targets but for a factor, or nearly everywhere off to the same side."""
    _, span = _span(target)
    if inside.shape != target.shape or not span > 0:
        return ""
    off = inside - target
    lower, upper = (float(value) for value in np.quantile(off, [1 - NEARLY_ALL, NEARLY_ALL]))
    if lower > OFFSET * span or upper < -OFFSET * span:
        return f"nearly everywhere off to one side, by {float(np.median(off)):+.4g} in the middle"
    if target.std() > 0 and float(np.corrcoef(inside, target)[0, 1]) >= FOLLOWS:
        factor = float(inside.std() / target.std())
        if not 1 / FACTOR < factor < FACTOR:
            return f"they follow the targets and vary {factor:.3g} times as much (another scale?)"
    return ""


@dataclass
class Doubts:
    """What makes one wonder about predictions that were scored nevertheless, gathered study by study."""

    by_fault: dict[str, list[str]] = field(default_factory=dict)
    _seen: dict[str, str] = field(default_factory=dict, repr=False)
    studies: int = 0

    def add(self, prediction: Array, case: Case) -> None:
        """Take in a study: its prediction ``(Z, H, W)`` and the case that it is for."""
        self.studies += 1
        name = str(case.key)
        region = prediction[case.mask] if case.mask.any() else prediction
        if float(region.min()) == float(region.max()):
            value = float(region.flat[0])
            self._note("all zero" if value == 0 else "constant", name if value == 0 else f"{name} ({value:g})")
            return
        same = self._seen.setdefault(hashlib.sha256(np.ascontiguousarray(prediction).data).hexdigest(), name)
        if same != name:
            self._note("the same image", f"{same} and {name}")
        if how := _rearranged(prediction, case):
            self._note(how, name)
            return
        placed = alignment(_numbers(prediction), case.target, case.mask, case.spacing)
        if placed is None:
            return
        if placed.flipped:
            self._note(placed.flipped, name)
        elif placed.apart:
            along, down, right = placed.shift
            self._note("shifted", f"{name} (slices {along:+.1f}, rows {down:+.1f}, columns {right:+.1f} mm)")

    def _note(self, fault: str, where: str) -> None:
        self.by_fault.setdefault(fault, []).append(where)

    def findings(self) -> tuple[Finding, ...]:
        """For the record: each fault with the studies that have it."""
        return tuple(
            Finding("predictions", fault, f"{len(names)} of {self.studies}: {_listed(names)}")
            for fault, names in self.by_fault.items()
        )


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:_LISTED])}{', ...' if len(names) > _LISTED else ''}"


def _numbers(prediction: Array) -> NDArray[np.float32]:
    return prediction.astype(np.float32, copy=False)


def _rearranged(prediction: Array, case: Case) -> str:
    """How it fits far better with its axes in another order; empty if it does not."""
    orders = {"with its slices in reverse order": (prediction[::-1], case.mask & case.mask[::-1], True)}
    if prediction.shape[1] == prediction.shape[2]:
        region = case.mask & case.mask.transpose(0, 2, 1)
        orders["rows and columns exchanged"] = (prediction.transpose(0, 2, 1), region, False)
    for how, (other, region, along) in orders.items():
        if np.count_nonzero(region) < _FEWEST:
            continue
        # what all slices have in common says nothing of their order
        target, as_it_is, changed = (
            (image - image.mean(axis=0) if along else image)[region].astype(np.float64)
            for image in (case.target, prediction, other)
        )
        if _correlation(changed, target) > max(0.5, _correlation(as_it_is, target) + 0.2):
            return how
    return ""


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if not (one.std() > 0 and other.std() > 0):
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
