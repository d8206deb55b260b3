"""What each step of a model of several steps is worth, on the split that is scored."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.cell.translate import BATCH
from benchmark.contracts.channels import SourceStack
from benchmark.contracts.protocols import Staged
from benchmark.data.format.reader import Dataset
from benchmark.scoring.aggregate import Values
from benchmark.store.summaries import StageSummary


def score_stages(
    model: Staged, dataset: Dataset, device: torch.device, split: str = "test", *, context: int = 0
) -> dict[str, StageSummary]:
    """By stage: the patients' means over slices, their mean, and how many there are."""
    info = dataset.info
    stages: dict[str, Values] = {}
    for case in dataset.iterate(split):
        source, target = SourceStack(case.source, info.source_maps, context), info.target_map.forward(case.target)
        filled = np.flatnonzero(case.mask.any(axis=(1, 2)))
        for start in range(0, len(filled), BATCH):
            rows = filled[start : start + BATCH]
            inputs = torch.from_numpy(source[rows]).to(device)
            truths = torch.from_numpy(target[rows])[:, None].to(device)
            region = torch.from_numpy(case.mask[rows])[:, None].float().to(device)
            with torch.no_grad():
                scores = model.stage_scores(inputs, truths, region)
            for name, values in scores.items():
                stage = stages.setdefault(name, Values(by_study=False))
                stage.add(case.key.patient, case.key.study, values.double().tolist())
    patients = list(dict.fromkeys(key.patient for key in info.in_split(split)))
    return {name: _summary(values, patients) for name, values in stages.items()}


def _summary(values: Values, patients: list[str]) -> StageSummary:
    cohort = values.cohort(patients)
    return StageSummary(
        mean=cohort.mean, patients=cohort.patients, n_expected=cohort.n_expected, n_scored=cohort.n_scored
    )
