"""What :func:`benchmark.as_torchmetric` gives: a ``torchmetrics.Metric`` that scores as the harness does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.protocols import Images
from benchmark.contracts.specs import MetricSpec, MetricUse, ProfileSpec
from benchmark.data.format.cases import Case
from benchmark.data.format.schema import CaseKey
from benchmark.errors import UsageError
from benchmark.scoring.prepare import Study, prepared
from benchmark.scoring.threads import one_thread

Image = NDArray[np.float32]


class ProfiledMetric(Metric):
    """A metric of a profile over batches: sums and counts by patient, float64, on the metric's device.

    Images are scored on the CPU by the implementation that scores runs; nothing is differentiable. An infinite
    score (PSNR of identical images) makes its patient's mean infinite; such patients are left out of the mean over
    patients, unless all are.
    """

    is_differentiable = False
    full_state_update = False
    total: Tensor
    """Sum of the defined scores, by patient."""
    count: Tensor
    """How many scores are defined, by patient."""
    undefined: Tensor
    """How many slices (or studies) gave no number: an empty mask, a constant image."""

    def __init__(
        self,
        profile: ProfileSpec,
        use: MetricUse,
        metric: MetricSpec,
        target: IntensityMap,
        normalised: bool,
        spacing: tuple[float, float, float],
        patients: int | None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.profile, self.use, self.target = profile, use, target
        self._only = replace(profile, metrics=(use,), primary=use.metric, ranked_by=())
        self._direction = metric.higher_is_better
        self._normalised, self._spacing, self._patients = normalised, spacing, patients
        self._level = use.dimension or metric.level
        self._scorer = metric.load()(**use.options)
        if self._level != metric.level and not hasattr(self._scorer, "score_volume"):
            raise UsageError(f"profile {profile.id}: {metric.name} cannot score volumes (it has no score_volume)")
        self._as_volume = self._level != metric.level
        for state, kind in (("total", torch.float64), ("count", torch.int64), ("undefined", torch.int64)):
            self.add_state(state, torch.zeros(patients or 1, dtype=kind), dist_reduce_fx="sum")

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]  # torchmetrics lets only classes set it
        """As the metric's record says."""
        return self._direction

    @one_thread()
    def update(self, preds: Tensor, target: Tensor, mask: Tensor | None = None, patient: Tensor | None = None) -> None:
        """Score a batch: slices ``(N, 1, H, W)`` or studies ``(N, 1, Z, H, W)``, ``patient`` their numbers ``(N,)``.

        Raises:
            ValueError: shapes do not fit each other or the profile; patients are missing or unknown; normalised
                images lie outside [-1, 1].
        """
        self._check(preds, target, mask, patient)
        owners = [0] * len(preds) if patient is None else patient.tolist()
        total, count, undefined = (torch.zeros(self._patients or 1, dtype=torch.float64) for _ in range(3))
        masks = [None] * len(preds) if mask is None else list(mask)
        for owner, item, truth, region in zip(owners, preds, target, masks, strict=True):
            for value in self._scores(self._study(item, truth, region)):
                if np.isnan(value):
                    undefined[owner] += 1
                else:
                    total[owner] += value
                    count[owner] += 1
        self.total = self.total + total.to(self.total)
        self.count = self.count + count.to(self.count)
        self.undefined = self.undefined + undefined.to(self.undefined)

    def compute(self) -> Tensor:
        """The mean over patients that have a score; NaN if none has one."""
        means = self.patient_means()
        scored = means[~means.isnan()]
        finite = scored[scored.isfinite()]
        return finite.mean() if len(finite) else scored.mean()

    def patient_means(self) -> Tensor:
        """Each patient's mean ``(patients,)``, of this process alone; NaN where nothing is defined."""
        return self.total / self.count

    def _check(self, preds: Tensor, target: Tensor, mask: Tensor | None, patient: Tensor | None) -> None:
        studies_only = self._level == "volume" or (
            self.use.data_range is None and self.profile.data_range == "target-maximum"
        )
        shapes = "(N, 1, Z, H, W)" if studies_only else "(N, 1, H, W) or (N, 1, Z, H, W)"
        if preds.ndim not in ((5,) if studies_only else (4, 5)) or preds.shape[1] != 1:
            raise ValueError(f"{self.use.metric}: preds have shape {tuple(preds.shape)}; expected {shapes}")
        for name, other in (("target", target), ("mask", mask)):
            if other is not None and other.shape != preds.shape:
                raise ValueError(f"{name} has shape {tuple(other.shape)}, preds {tuple(preds.shape)}")
        if mask is None and self.profile.needs_mask:
            raise ValueError(f"profile {self.profile.id} scores inside a body mask: give mask")
        if (patient is None) != (self._patients is None):
            raise ValueError("give patient to update() exactly where as_torchmetric(..., patients=...) says how many")
        if patient is not None and self._patients is not None:
            if patient.shape != (len(preds),):
                raise ValueError(f"patient has shape {tuple(patient.shape)}; expected ({len(preds)},)")
            if patient.is_floating_point() or patient.min() < 0 or patient.max() >= self._patients:
                raise ValueError(f"patient numbers must be whole and lie in 0..{self._patients - 1}")

    def _study(self, prediction: Tensor, target: Tensor, mask: Tensor | None) -> Study:
        """One item of a batch, ``(1, H, W)`` or ``(1, Z, H, W)``, as the harness reads a study."""
        shape = prediction.shape[-3:] if prediction.ndim == 4 else prediction.shape
        arrays = [self._in_unit(image.reshape(shape)) for image in (prediction, target)]
        region = np.ones(shape, bool) if mask is None else mask.detach().cpu().numpy().reshape(shape) != 0
        case = Case(CaseKey("batch", "item"), arrays[1], arrays[1], region, None, self._spacing, np.eye(4))
        return Study(case, arrays[0])

    def _in_unit(self, image: Tensor) -> Image:
        """In physical units and float32, as runs store predictions."""
        values: Image = image.detach().float().cpu().numpy()
        if not self._normalised:
            return values
        if values.size and (values.min() < -1.001 or values.max() > 1.001):
            raise ValueError(f"normalised images lie in [-1, 1], not in {values.min():g}..{values.max():g}")
        return self.target.inverse(values).astype(np.float32)

    def _scores(self, study: Study) -> Iterator[float]:
        """One number a slice, or one for the study; NaN where undefined."""
        window = (self.target.low, self.target.high)
        for _, images in prepared(self._only, study, window, self.target.unit):
            if isinstance(images, str) or not images.mask.any():
                yield from [np.nan] * (1 if self._level == "volume" else len(study.case.target))
            elif self._level == "volume":
                yield float(self._scorer.score_volume(images) if self._as_volume else self._scorer.score(images))
            elif "study" in self.profile.averaging:
                values = self._by_slice(images)
                yield float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else np.nan
            else:
                yield from self._by_slice(images).tolist()

    def _by_slice(self, images: Images) -> NDArray[np.float64]:
        filled: NDArray[np.bool_] = np.asarray(images.mask.any(axis=(1, 2)))
        values = np.full(len(images), np.nan)
        values[filled] = self._scorer.score(images.at(filled))
        return values
