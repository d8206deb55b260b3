"""Slice -> study -> patient -> cohort: the one place where values become a patient's, and patients' a mean.

One rule for everything that is averaged (metrics, stages, downstream evaluations): undefined values are left out;
exact ones count as the best of the others (:mod:`benchmark.scoring.exact`); a patient whose value is infinite all the
same is named and left out of the mean; a patient with a study that is lost has no value, since the mean of the rest
would be about something else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from statistics import fmean

from benchmark.scoring.exact import mean_of


@dataclass(frozen=True)
class Cohort:
    """Values by patient, in the patients' order; ``None`` where a patient has none, or an infinite one."""

    patients: dict[str, float | None]
    mean: float | None
    infinite: tuple[str, ...]
    """Patients whose value is infinite, by name."""
    n_scored: int
    n_failed: int

    @property
    def n_expected(self) -> int:
        """Number of patients."""
        return len(self.patients)


@dataclass
class Values:
    """Values of slices, or of whole studies, as they come."""

    by_study: bool
    """Whether a patient's value is the mean of the studies' means, or of all slices alike."""
    exact: float | None = None
    """From which value on it is exact; ``None``: none is."""
    _patients: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, patient: str, study: str, values: Iterable[float]) -> None:
        """Take in values of one study; undefined ones (NaN) are left out."""
        known = [value for value in values if not math.isnan(value)]
        if known:
            group = study if self.by_study else ""
            self._patients.setdefault(patient, {}).setdefault(group, []).extend(known)

    def cohort(self, patients: Iterable[str], lost: Collection[str] = ()) -> Cohort:
        """Average. ``patients`` are all that are expected, in their order; ``lost`` those with a study that is lost."""
        means = {
            patient: mean_of([mean_of(values, self.exact) for values in studies.values()], self.exact)
            for patient, studies in self._patients.items()
            if patient not in lost
        }
        finite = {patient: value for patient, value in means.items() if math.isfinite(value)}
        return Cohort(
            patients={patient: finite.get(patient) for patient in patients},
            mean=fmean(finite.values()) if finite else None,
            infinite=tuple(sorted(patient for patient, value in means.items() if math.isinf(value))),
            n_scored=len(finite),
            n_failed=len(lost),
        )
