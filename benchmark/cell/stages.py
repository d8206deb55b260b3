"""What each step of a model of several steps is worth, on the test split: slice -> patient -> cohort."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmark.cell.translate import BATCH
from benchmark.contracts.protocols import Staged
from benchmark.data.format.reader import Dataset


def score_stages(model: Staged, dataset: Dataset, device: torch.device) -> dict[str, dict[str, Any]]:
    """By measure: the patients' means (``None`` where undefined on all slices), their mean, and how many there are."""
    info = dataset.info
    slices: dict[str, dict[str, list[float]]] = {}
    for case in dataset.iterate("test"):
        source, target = info.source_map.forward(case.source), info.target_map.forward(case.target)
        filled = np.flatnonzero(case.mask.any(axis=(1, 2)))
        for start in range(0, len(filled), BATCH):
            chosen = filled[start : start + BATCH]
            seen, wanted = (torch.from_numpy(array[chosen])[:, None].to(device) for array in (source, target))
            region = torch.from_numpy(case.mask[chosen])[:, None].float().to(device)
            with torch.no_grad():
                found = model.stage_scores(seen, wanted, region)
            for name, values in found.items():
                slices.setdefault(name, {}).setdefault(case.key.patient, []).extend(values.double().tolist())
    return {name: _summary(patients) for name, patients in slices.items()}


def _summary(patients: dict[str, list[float]]) -> dict[str, Any]:
    means = {
        patient: float(np.nanmean(values)) if np.isfinite(values).any() else None
        for patient, values in patients.items()
    }
    known = [mean for mean in means.values() if mean is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "patients": means,
        "n_expected": len(means),
        "n_scored": len(known),
    }
