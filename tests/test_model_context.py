"""What a model's factory is told is the same from the data and, when its weights are read again, from a record."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from benchmark.cell.build import model_context
from benchmark.contracts.intensity import IntensityMap
from benchmark.contracts.presets import PRESETS
from benchmark.data.format.facts import DataFacts
from benchmark.plan.claim import CellSpec, DataSource

SPEC = CellSpec(
    task="t",
    model="m",
    name="m",
    seed=0,
    preset="smoke",
    precision="fp32",
    options={},
    recipe=asdict(PRESETS["smoke"].recipe),
    dataset=DataSource("file", "0", "t.h5"),
    profile="p",
    sources={},
    libraries={},
)


@pytest.mark.parametrize(
    "spacing", [(3.0, 1.0, 1.0), (2.5, 0.99996, 0.50001), (1 / 3, 2 / 3, 0.123456789), (5.0, 0.7, 1.4)]
)
def test_the_spacing_is_that_of_the_record(spacing: tuple[float, float, float]) -> None:
    window = IntensityMap("HU", -1024.0, 2000.0)
    facts = DataFacts(
        "n", True, False, "MR", "CT", window, window, (64, 48), "LPS", spacing, (spacing[1], spacing[2]), "0" * 64, 40
    )
    before, after = (
        model_context(known, SPEC, torch.device("cpu")).task for known in (facts, DataFacts.from_json(facts.to_json()))
    )
    assert before == after
    assert before.spacing == pytest.approx(spacing, abs=1e-4)
    assert before.image_size == (64, 48)
